import { registerHooks } from 'node:module'

// For child processes of tests: the sources import each other as ".js", which Node alone does not take for ".ts".
registerHooks({
  resolve(specifier, context, next) {
    try {
      return next(specifier, context)
    } catch (error) {
      if (!/^\.{1,2}\/.*\.js$/.test(specifier)) throw error
      return next(specifier.replace(/\.js$/, '.ts'), context)
    }
  },
})
