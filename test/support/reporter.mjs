// Mocha's spec output, closed by one machine-readable line: `N passed, N failed, N skipped`.
import mocha from 'mocha'

const { EVENT_RUN_END } = mocha.Runner.constants

export default class Reporter extends mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    runner.once(EVENT_RUN_END, () => {
      const { passes, failures, pending } = runner.stats
      console.log(`${passes} passed, ${failures} failed, ${pending} skipped`)
    })
  }
}
