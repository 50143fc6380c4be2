// Makes the loading of node:sqlite warn as Node 22 does, and of something else too.
const load = process.getBuiltinModule.bind(process)
process.getBuiltinModule = (name) => {
  if (name === 'node:sqlite') {
    process.emitWarning('SQLite is an experimental feature and might change at any time', 'ExperimentalWarning')
    process.emitWarning('Something else is experimental', 'ExperimentalWarning')
  }
  return load(name)
}
