import { expect, test } from 'vitest'
import { notAsked, refusal } from '../../../adapters/condor/words.js'

// As HTCondor 23.9 says it.
test.for([
  ['\nERROR: Executable file /nonexistent/x does not exist\n', 'invalid_job'],
  ['\nERROR: Parse error in expression: \n\tRequirements = ((() && (TARGET.Arch == "X86_64"))\n\t\n', 'invalid_job'],
  ['\nERROR: No such directory: /nono\n', 'invalid_job'],
  ['\nERROR: Failed to create proc\nNumber of submitted jobs would exceed MAX_JOBS_SUBMITTED\n', 'rejected'],
  ['\nERROR: Failed to create proc\nNumber of submitted jobs would exceed MAX_JOBS_PER_OWNER\n', 'rejected'],
  ['\nERROR: Failed to create proc\nNumber of submitted jobs would exceed MAX_JOBS_PER_SUBMISSION\n', 'rejected'],
  ['\nERROR: Failed to commit job submission into the queue.\nERROR: No job may have more than 9 GB.\n', 'rejected'],
  [
    '\nERROR: Failed to connect to local queue manager\nSECMAN:2011:Connection closed during command authorization. Probably due to an unknown command.\n',
    'unavailable',
  ],
] as const)('condor_submit: %j is %s', ([words, code]) => {
  expect(refusal(words)).toMatchObject({ code })
})

test.for([
  [
    '\n-- Failed to fetch ads from: <127.0.0.1:19718?addrs=127.0.0.1-19718&alias=localhost&noUDP&sock=schedd_20672_d9de> : localhost\nSECMAN:2007:Failed to end classad message.\n',
    'unavailable',
  ],
  ["Error: Can't find address of local schedd\n", 'unavailable'],
  [
    'Error: (null)\nExtra Info: You probably saw this error because the condor_schedd is not \nrunning on the machine you are trying to query.\n',
    'unavailable',
  ],
  ['SECMAN:2010:Received "DENIED" from server for user condor-user@tests.local using method FS.\n', 'auth'],
  ['AUTHENTICATE:1003:Failed to authenticate with any method\n', 'auth'],
  ['telesto-status: 5: condor_q: not found\n', 'unavailable'],
  ['tar: x: Cannot write: No space left on device\n', 'unavailable'],
  ['Something else\n', 'protocol'],
] as const)('an answer: %j is %s', ([words, code]) => {
  expect(notAsked('condor_q', words)).toMatchObject({ code })
})

test('warnings before an error are left out, and the words are short', () => {
  const { message } = refusal(`\nWARNING: Use of x is deprecated.\n\nERROR: It is wrong.\n${'y'.repeat(9000)}`)
  expect(message.startsWith('condor_submit: ERROR: It is wrong.')).toBe(true)
  expect(message.length).toBeLessThan(2100)
})

test('without a word there is still a sentence', () => {
  expect(refusal('').message).toContain('without a word')
  expect(notAsked('condor_q', ' \n').message).toContain('without a word')
})
