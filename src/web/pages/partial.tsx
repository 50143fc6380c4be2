import { type ComponentChildren, h, type VNode } from 'preact'
import { renderToString } from 'preact-render-to-string'

/** How new HTML meets what is there. A target that the page does not have is passed over. */
type Swap = 'outerMorph' | 'innerHTML' | 'afterbegin' | 'delete'

/** A piece of a message to htmx, with the place where it belongs. */
export const Partial = ({
  target,
  swap,
  children,
}: {
  readonly target: string
  readonly swap: Swap
  readonly children?: ComponentChildren
}) => h('hx-partial', { 'hx-target': `#${target}`, 'hx-swap': swap }, children)

/** A sentence in the place that screen readers follow. */
export const Notice = ({
  children,
  kind = 'done',
}: {
  readonly children: ComponentChildren
  readonly kind?: 'done' | 'error'
}) => (
  <Partial target="notice" swap="innerHTML">
    <p class={`notice ${kind}`}>{children}</p>
  </Partial>
)

export const render = (node: VNode): string => renderToString(node)

/** The same around what was rendered already, for all to whom it is told. */
export const partialOf = (target: string, swap: Swap, html: string): string =>
  `<hx-partial hx-target="#${target}" hx-swap="${swap}">${html}</hx-partial>`
