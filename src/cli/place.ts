import path from 'node:path'
import type { DatabasePlace } from '../store/open.js'
import { wrongly } from './command.js'

/** The options that name a database. */
export const PLACE = {
  directory: { type: 'string' },
  file: { type: 'string' },
  database: { type: 'string' },
} as const

export const PLACE_USAGE = '[--directory <directory> | --file <path> | --database <url>]'
export const PLACE_SUMMARY =
  'The database is that of the URL, by default the one in the environment variable DATABASE_URL; without it the file, by default the one in .telesto.'

/** What was given of them. */
export interface PlaceGiven {
  readonly directory?: string | undefined
  readonly file?: string | undefined
  readonly database?: string | undefined
}

/** `fileName`: the name of a database inside Telesto's directory. */
export const placeIn = ({ directory, file, database }: PlaceGiven, fileName: string): DatabasePlace => {
  if ([directory, file, database].filter((given) => given !== undefined).length > 1)
    throw wrongly('Give --directory, --file or --database, one of them')
  const url = database ?? (file === undefined && directory === undefined ? process.env.DATABASE_URL : undefined)
  return url ? { url } : { file: file ?? path.join(directory ?? '.telesto', fileName) }
}
