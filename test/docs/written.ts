import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)

/** A file inside the package, so that it imports "telesto" as a user does; checked by the compiler as a user's would be. */
export const written = async (name: string, source: string, module?: string): Promise<string> => {
  const folder = path.join(root, 'dist', 'docs', name)
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, 'program.ts')
  writeFileSync(file, source)
  if (module !== undefined) writeFileSync(path.join(folder, 'analyse.ts'), module)
  const options = {
    extends: '../../../tsconfig.json',
    compilerOptions: { rootDir: '../../..' },
    include: ['*.ts'],
  }
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(options))
  const compiled = await run(process.execPath, [
    path.join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    folder,
  ]).catch((error: { stdout: string }) => error)
  expect(compiled.stdout).toBe('')
  return file
}
