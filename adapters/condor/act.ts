import { type Answer, type JobRef, SchedulerError, type Token } from '../../src/adapter.js'
import { inTreesOf, withTokens } from './queue.js'
import { type Remote, sectionOf } from './remote.js'
import { notAsked, wordsOf } from './words.js'
import { isWorkflow } from './workflow-status.js'

/** Jobs in one command. */
const AT_ONCE = 1000

/**
 * Orders something for all jobs of a constraint. Arguments: the command, the constraint. The command exits with 1 also where a job
 * is as it should be already, so the queue is asked first. Sections: `queue` with the tokens there, `words` of the command.
 */
const SCRIPT = `\
say queue
condor_q -af TelestoToken -constraint "$2" || over $?
say words
"$1" -constraint "$2" 2>&1
over 0
`

/** "Permission denied to hold job 12.0", and whatever of the kind there is. */
const DENIED = /permission denied|not authorized|not allowed|\bDENIED\b/i
const AWAY = /Failed to connect|Can't find address|SECMAN:20(03|07|11)|CEDAR:/

/** `absent` is the answer for a job that is not in the queue. */
export const actOn =
  (remote: Remote, command: 'condor_rm' | 'condor_hold' | 'condor_release', absent: Answer) =>
  async (jobs: readonly JobRef[], signal: AbortSignal): Promise<Map<Token, Answer>> => {
    const answers = new Map<Token, Answer>()
    for (let start = 0; start < jobs.length; start += AT_ONCE) {
      const chunk = jobs.slice(start, start + AT_ONCE)
      const tokens = chunk.map(({ token }) => token)
      // A DAGMan removes its nodes itself.
      const workflows = command === 'condor_rm' ? [] : chunk.filter(isWorkflow)
      const constraint = [withTokens(tokens), ...(workflows.length > 0 ? [inTreesOf(workflows)] : [])].join(' || ')
      const told = await remote('order', SCRIPT, { args: [command, constraint], signal })
      if (told.code !== 0) throw notAsked('condor_q', told.stderr)
      const words = sectionOf(told, 'words')
      if (AWAY.test(words)) throw notAsked(command, words)
      const answer: Answer = DENIED.test(words) ? new SchedulerError('rejected', `${command}: ${wordsOf(words)}`) : 'ok'
      const there = new Set(sectionOf(told, 'queue').split('\n'))
      for (const token of tokens) answers.set(token, there.has(token) ? answer : absent)
    }
    return answers
  }

export const NOT_IN_QUEUE = new SchedulerError('rejected', 'The job has left the queue of HTCondor.')
