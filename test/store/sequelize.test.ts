import { DataTypes, ForeignKeyConstraintError, Op, Sequelize, UniqueConstraintError, ValidationError } from 'sequelize'
import { expect, onTestFinished, test } from 'vitest'
import { createDialectModule, createHandlePool } from '../../src/store/sqlite.js'
import { freshFile } from './support.js'

const patience = 5000

/** Sequelize on the shim alone, with two models. */
const open = async (transactionType: 'IMMEDIATE' | 'DEFERRED' = 'IMMEDIATE') => {
  const file = await freshFile()
  const pool = createHandlePool({ file, patience })
  const sequelize = new Sequelize({
    dialect: 'sqlite',
    storage: file,
    logging: false,
    dialectModule: createDialectModule(pool, patience),
    transactionType: transactionType as never,
  })
  onTestFinished(async () => {
    await sequelize.close()
    pool.close()
  })
  const Parent = sequelize.define('parent', {
    name: { type: DataTypes.STRING, unique: true, allowNull: false },
    data: DataTypes.JSON,
    at: DataTypes.DATE,
    ok: DataTypes.BOOLEAN,
    n: { type: DataTypes.INTEGER, defaultValue: 0 },
  })
  const Part = sequelize.define('part', { text: DataTypes.TEXT })
  Part.belongsTo(Parent)
  Parent.hasMany(Part)
  await sequelize.sync()
  return { file, pool, sequelize, Parent, Part }
}

test('what is written is read back in its types', async () => {
  const { Parent } = await open()
  const made = await Parent.create({ name: 'x', data: { q: [1, 'é'] }, at: new Date(0), ok: true })
  const found = await Parent.findByPk(made.get('id') as number)
  expect(found?.toJSON()).toMatchObject({ id: 1, name: 'x', data: { q: [1, 'é'] }, at: new Date(0), ok: true, n: 0 })
})

test('broken constraints are the classes of Sequelize', async () => {
  const { Parent, Part } = await open()
  await Parent.create({ name: 'x' })
  const unique = await Parent.create({ name: 'x' }).catch((error: unknown) => error)
  expect(unique).toBeInstanceOf(UniqueConstraintError)
  expect((unique as UniqueConstraintError).errors.map(({ path }) => path)).toEqual(['name'])
  await expect(Part.create({ text: '1', parentId: 999 })).rejects.toBeInstanceOf(ForeignKeyConstraintError)
  await expect(Parent.create({})).rejects.toBeInstanceOf(ValidationError)
})

test('bulkCreate gives the ids', async () => {
  const { Parent } = await open()
  await Parent.create({ name: 'first' })
  const made = await Parent.bulkCreate([{ name: 'p' }, { name: 'q' }])
  expect(made.map((row) => row.get('id'))).toEqual([2, 3])
})

test('include, upsert, and the counts of update and destroy', async () => {
  const { Parent, Part } = await open()
  const made = await Parent.create({ name: 'x' })
  await Part.create({ text: 'w', parentId: made.get('id') })
  const [found] = await Parent.findAll({ include: Part, where: { name: { [Op.in]: ['x'] } } })
  expect(found?.get('parts')).toHaveLength(1)
  await Parent.upsert({ name: 'x', n: 5 })
  expect((await Parent.findOne({ where: { name: 'x' } }))?.get('n')).toBe(5)
  expect(await Parent.update({ n: 7 }, { where: { name: 'x', n: 5 } })).toEqual([1])
  expect(await Parent.update({ n: 7 }, { where: { name: 'x', n: 5 } })).toEqual([0])
  expect(await Part.destroy({ where: { text: 'w' } })).toBe(1)
})

test('a transaction that fails is rolled back', async () => {
  const { Parent, sequelize } = await open()
  const failing = sequelize.transaction(async (transaction) => {
    await Parent.create({ name: 'gone' }, { transaction })
    throw new Error('back')
  })
  await expect(failing).rejects.toThrow('back')
  expect(await Parent.count()).toBe(0)
})

test('columns are described, added and removed', async () => {
  const { sequelize } = await open()
  const tables = sequelize.getQueryInterface()
  const before = Object.keys(await tables.describeTable('parents'))
  expect(before).toEqual(['id', 'name', 'data', 'at', 'ok', 'n', 'createdAt', 'updatedAt'])
  await tables.addColumn('parents', 'extra', { type: DataTypes.STRING })
  expect(Object.keys(await tables.describeTable('parents'))).toEqual([...before, 'extra'])
  await tables.removeColumn('parents', 'extra')
  expect(Object.keys(await tables.describeTable('parents'))).toEqual(before)
})

test('200 rows are created at once', async () => {
  const { Parent } = await open()
  await Promise.all(Array.from({ length: 200 }, (_, i) => Parent.create({ name: `z${i}` })))
  expect(await Parent.count()).toBe(200)
})

test('contention: read-modify-write transactions between inserts lose nothing, and none is rejected', async () => {
  const { Parent, sequelize } = await open()
  await Parent.create({ name: 'x', n: 0 })
  const add = () =>
    sequelize.transaction(async (transaction) => {
      const row = await Parent.findOne({ where: { name: 'x' }, transaction })
      await new Promise((resolve) => setTimeout(resolve, 1))
      await row?.update({ n: Number(row.get('n')) + 1 }, { transaction })
    })
  const work = Array.from({ length: 15 }, (_, i) => [add(), Parent.create({ name: `c${i}` })]).flat()
  const settled = await Promise.allSettled(work)
  expect(settled.filter(({ status }) => status === 'rejected')).toEqual([])
  expect((await Parent.findOne({ where: { name: 'x' } }))?.get('n')).toBe(15)
  expect(await Parent.count()).toBe(16)
})

test('a write on a snapshot that is out of date is reported, for only a new transaction can succeed', async () => {
  const { Parent, sequelize } = await open('DEFERRED')
  await Parent.create({ name: 'x' })
  const late = sequelize.transaction(async (transaction) => {
    await Parent.findOne({ where: { name: 'x' }, transaction })
    await Parent.update({ n: 1 }, { where: { name: 'x' } })
    await Parent.update({ n: 2 }, { where: { name: 'x' }, transaction })
  })
  await expect(late).rejects.toMatchObject({ parent: { code: 'SQLITE_BUSY_SNAPSHOT' } })
  expect((await Parent.findOne())?.get('n')).toBe(1)
})

test('a COMMIT that fails leaves no lock behind', async () => {
  const { Parent, Part, sequelize } = await open()
  // Sequelize says on the console what it thinks of such a connection.
  const warn = console.warn
  const warnings: unknown[] = []
  console.warn = (...args) => warnings.push(args)
  onTestFinished(() => {
    console.warn = warn
  })
  const failing = sequelize.transaction(async (transaction) => {
    await sequelize.query('PRAGMA defer_foreign_keys = ON', { transaction })
    await Part.create({ text: 'orphan', parentId: 999 }, { transaction })
  })
  await expect(failing).rejects.toThrow()
  await sequelize.transaction((transaction) => Parent.create({ name: 'next' }, { transaction }))
  expect([await Part.count(), await Parent.count()]).toEqual([0, 1])
  expect(warnings).toHaveLength(1)
})
