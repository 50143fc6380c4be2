import { actionRoutes } from './api/actions.js'
import { documentRoute } from './api/document.js'
import { jobRoutes } from './api/jobs.js'
import { logRoutes } from './api/logs.js'
import { resultRoutes } from './api/results.js'
import { assetRoute } from './asset-route.js'
import { callbackRoutes } from './callback.js'
import { eventsRoute } from './live/route.js'
import { pageRoutes } from './pages/routes.js'
import { schedulerRoutes } from './pages/scheduler-routes.js'
import type { Route } from './route.js'

/** Everything that Telesto answers below the place where its router is mounted. */
export const routes: readonly Route[] = [
  ...callbackRoutes,
  assetRoute,
  eventsRoute,
  documentRoute(() => routes),
  ...jobRoutes,
  ...logRoutes,
  ...resultRoutes,
  ...actionRoutes,
  ...pageRoutes,
  ...schedulerRoutes,
]
