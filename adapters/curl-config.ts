/** A file for `curl --config`: where the job may report to, and the word that lets it. */
export const curlConfig = ({ url, token }: { readonly url: string; readonly token: string }): string => {
  const word = (text: string) =>
    `"${text.replaceAll(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}"`
  return `url = ${word(url)}\nheader = ${word(`Authorization: Bearer ${token}`)}\n`
}
