import type { ResultFile } from '../../results.js'
import { imageType } from '../images.js'
import type { JobData } from './job-data.js'
import { Time } from './time.js'

/** So many are shown as pictures, and so many are listed; the API has them all. */
const MAX_IMAGES = 12
const MAX_LISTED = 200
/** A larger picture is downloaded, not shown. */
const MAX_IMAGE_BYTES = 20_000_000
/** What Telesto's own logs are called: they have their place on the page. */
const LOGS = new Set(['stdout', 'stderr'])

const size = (bytes: number): string => {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length)
  const value = bytes / 1000 ** power
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power - 1]}`
}

export const Results = ({ data: { job, links, results } }: { readonly data: JobData }) => {
  const address = (file: ResultFile, more: Readonly<Record<string, string>>): string =>
    links.api(`/jobs/${job.id}/results/file?${new URLSearchParams({ path: file.path, ...more })}`)
  const files = results.filter(({ path }) => !LOGS.has(path))
  const images = files.filter(({ path, size: bytes }) => imageType(path) && bytes > 0 && bytes <= MAX_IMAGE_BYTES)
  return (
    <section id="job-results" class="panel" hidden={files.length === 0} aria-labelledby="results-title">
      <h2 id="results-title">{job.isActive ? 'Files so far' : 'Results'}</h2>
      {images.slice(0, MAX_IMAGES).map((file) => (
        <figure key={file.path}>
          <img
            src={address(file, { inline: '1', v: `${job.attempt}-${file.modifiedAt.getTime()}` })}
            alt={`Result ${file.path}`}
            loading="lazy"
          />
          <figcaption>{file.path}</figcaption>
        </figure>
      ))}
      <div class="scroll">
        <table class="files">
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col" class="number">
                Size
              </th>
              <th scope="col">Changed</th>
            </tr>
          </thead>
          <tbody>
            {files.slice(0, MAX_LISTED).map((file) => (
              <tr key={file.path}>
                <th scope="row">
                  <a href={address(file, {})} download>
                    {file.path}
                  </a>
                </th>
                <td class="number">{size(file.size)}</td>
                <td>
                  <Time at={file.modifiedAt} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {files.length > MAX_LISTED && <p class="quiet">{`The first ${MAX_LISTED} of ${files.length} files.`}</p>}
    </section>
  )
}
