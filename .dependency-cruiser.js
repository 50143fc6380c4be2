// The arrows of the house: web, cli -> manager -> engine -> store, and engine -> contract <- adapters.
// Run over the sources, types included, and over dist/ as well: the parser does not read JSX.

const manager =
  '^(dist/)?src/((create-telesto|telesto|app-options|job|job-picture|job-manager|query|user-view|waiting/wait-many|processing)\\.[tj]s$|schedulers/)'

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
      { path: '^(dist/)?(src|migrations)/' },
      { path: '^(dist/)?adapters/' },
    ),
    never(
      'adapters-know-the-contract',
      'An adapter imports the contract and the transports, nothing else of the core.',
      { path: '^(dist/)?adapters/' },
      { path: '^(dist/)?(src|migrations)/', pathNot: '^(dist/)?src/((adapter|task)\\.[tj]s|transport/)' },
    ),
    never(
      'store-is-the-ground',
      'The store knows no loop, no manager and no page.',
      { path: '^(dist/)?src/store/' },
      { path: `^(dist/)?src/(engine|queue|web|cli)/|${manager}` },
    ),
    never(
      'engine-below-manager',
      'The engine knows no manager and no page.',
      { path: '^(dist/)?src/(engine|queue)/' },
      { path: `^(dist/)?src/(web|cli)/|${manager}` },
    ),
    never(
      'manager-below-web',
      'Only create-telesto.ts, which puts the parts together, and telesto.ts, which gives them, know the web.',
      { path: '^(dist/)?src/[^/]+\\.[tj]s$', pathNot: '^(dist/)?src/(create-)?telesto\\.[tj]s$' },
      { path: '^(dist/)?src/(web|cli)/' },
    ),
    never(
      'cli-is-an-end',
      'Nothing needs the command line.',
      { path: '^(dist/)?(src/(?!cli)|adapters|migrations)' },
      { path: '^(dist/)?src/cli/' },
    ),
    never(
      'transport-knows-the-contract',
      'A transport imports the contract alone.',
      { path: '^(dist/)?src/transport/' },
      { path: '^(dist/)?src/', pathNot: '^(dist/)?src/(adapter\\.[tj]s|transport/)' },
    ),
    never(
      'migrations-stand-alone',
      'A step of the schema never changes with the code.',
      { path: '^(dist/)?migrations/' },
      { path: '^(dist/)?(src|adapters)/' },
    ),
    never(
      'no-undeclared-packages',
      'What the package uses it declares.',
      { path: '^(dist/)?(src|adapters|migrations)/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm-peer'] },
    ),
    never('no-missing-files', 'Every import leads somewhere.', {}, { couldNotResolve: true }),
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    exclude: { path: '\\.(tsx|d\\.ts)$' },
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js'],
      conditionNames: ['import', 'types', 'default'],
      exportsFields: ['exports'],
    },
  },
}
