// The arrows of the house: web, cli -> manager -> engine -> store, and engine -> contract <- adapters.

const manager = '^src/(telesto|job|job-picture|job-manager|query|user-view|schedulers|processing)\\.ts$'

const never = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

export default {
  forbidden: [
    never(
      'no-cycles',
      'A file that needs itself has two concepts in it.',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    ),
    never(
      'core-knows-no-adapter',
      'The core knows no scheduler by name.',
      { path: '^(src|migrations)/' },
      { path: '^adapters/' },
    ),
    never(
      'adapters-know-the-contract',
      'An adapter imports the contract and the transports, nothing else of the core.',
      { path: '^adapters/' },
      { path: '^(src|migrations)/', pathNot: '^src/(adapter\\.ts|transport/)' },
    ),
    never(
      'store-is-the-ground',
      'The store knows no loop, no manager and no page.',
      { path: '^src/store/' },
      { path: `^src/(engine|queue|web|cli)/|${manager}` },
    ),
    never(
      'engine-below-manager',
      'The engine knows no manager and no page.',
      { path: '^src/(engine|queue)/' },
      { path: `^src/(web|cli)/|${manager}` },
    ),
    never(
      'manager-below-web',
      'Only telesto.ts, which puts the parts together, knows the web.',
      { path: '^src/[^/]+\\.ts$', pathNot: '^src/telesto\\.ts$' },
      { path: '^src/(web|cli)/' },
    ),
    never(
      'cli-is-an-end',
      'Nothing needs the command line.',
      { path: '^(src/(?!cli)|adapters|migrations)' },
      { path: '^src/cli/' },
    ),
    never(
      'transport-knows-the-contract',
      'A transport imports the contract alone.',
      { path: '^src/transport/' },
      { path: '^src/', pathNot: '^src/(adapter\\.ts|transport/)' },
    ),
    never(
      'migrations-stand-alone',
      'A step of the schema never changes with the code.',
      { path: '^migrations/' },
      { path: '^(src|adapters)/' },
    ),
    never(
      'no-undeclared-packages',
      'What the package uses it declares.',
      { path: '^(src|adapters|migrations)/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm-peer'] },
    ),
    never('no-missing-files', 'Every import leads somewhere.', {}, { couldNotResolve: true }),
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js'],
      conditionNames: ['import', 'types', 'default'],
      exportsFields: ['exports'],
    },
  },
}
