export const run = (words: readonly string[]): void => {
  process.stdout.write(words.map((word) => `${word}\0`).join(''))
}
