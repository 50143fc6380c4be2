import type { JobRef, Token } from '../../src/adapter.js'
import { procsOf } from './native-id.js'
import { isToken } from './place.js'

/** One line each of `<token> <cluster> <proc>`, as `condor_q -af` prints them. */
export const procsIn = (text: string): { readonly token: Token; readonly cluster: number; readonly proc: number }[] =>
  [...text.matchAll(/^(\S+) (\d+) (\d+)$/gm)].map(([, token = '', cluster, proc]) => ({
    token,
    cluster: Number(cluster),
    proc: Number(proc),
  }))

/**
 * The jobs with these tokens. A list in a ClassAd is looked up as a set: 1,000 tokens among 1,000 jobs take 60 ms, where
 * stringListMember() takes 1,400, and as many job ids 680.
 */
export const withTokens = (tokens: readonly Token[]): string =>
  `member(TelestoToken, {${tokens
    .filter(isToken)
    .map((token) => `"${token}"`)
    .join(',')}})`

/** The jobs of all nodes of these workflows, and of the workflows that are nodes of them. DAGMan gives them its own id. */
export const inTreesOf = (workflows: readonly Pick<JobRef, 'nativeId'>[]): string =>
  `member(JobBatchId, {${workflows.flatMap(({ nativeId }) => procsOf(nativeId)?.cluster ?? []).map((cluster) => `"${cluster}.0"`)}})`

/** All jobs of ours in the range of clusters that these are in, and those of their nodes: short, however many they are. */
export const inRangeOf = (jobs: readonly Pick<JobRef, 'nativeId'>[]): string | undefined => {
  const clusters = jobs.flatMap(({ nativeId }) => procsOf(nativeId)?.cluster ?? [])
  if (clusters.length === 0) return undefined
  const first = clusters.reduce((low, one) => Math.min(low, one))
  const last = clusters.reduce((high, one) => Math.max(high, one))
  const within = (attribute: string) => `${attribute} >= ${first} && ${attribute} <= ${last}`
  return `TelestoToken =!= undefined && ${within('ClusterId')} || TelestoWorkflow =!= undefined && ${within('DAGManJobId')}`
}
