import { sqlite } from './sqlite.ts'

export const stores = { sqlite }
