import type { Sequelize } from 'sequelize'

/** All that Sequelize does goes through its query(): `ready` may refuse it, `coded` names what it throws. */
export const codeErrorsOf = (sequelize: Sequelize, ready: () => void, coded: (error: unknown) => unknown): void => {
  const original = sequelize.query.bind(sequelize) as (...args: unknown[]) => Promise<unknown>
  const query = async (...args: unknown[]) => {
    ready()
    try {
      return await original(...args)
    } catch (error) {
      throw coded(error)
    }
  }
  Object.assign(sequelize, { query })
}
