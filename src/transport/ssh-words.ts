/** What a host said, as it may stand in a sentence: one line, and not a long one. */
export const wordsOfHost = (text: string): string => {
  const line = text.replaceAll(/[\p{C}\s]+/gu, ' ').trim()
  return line.length > 500 ? `${line.slice(0, 500)}…` : line
}
