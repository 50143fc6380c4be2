// Nothing here may need a newer Node than the one that it refuses.

const needed = [22, 13] as const

/** The sentence for a Node that is too old for Telesto, or undefined: `nodeTooOld(process.versions.node)`. */
export const nodeTooOld = (version: string): string | undefined => {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > needed[0] || (major === needed[0] && minor >= needed[1])) return undefined
  return `Telesto needs Node ${needed.join('.')} or newer, for its built-in SQLite; this is Node ${version}. Install the current LTS from https://nodejs.org.`
}
