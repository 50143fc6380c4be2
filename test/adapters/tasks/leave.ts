/** Ends its process by itself. */
export const run = async (code: number | 'idle'): Promise<void> => {
  if (code === 'idle') await new Promise(() => {})
  else process.exit(code)
}
