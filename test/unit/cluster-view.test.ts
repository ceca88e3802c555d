// The table of hosts on a terminal.

import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { SwarmError } from '../../src/base/errors.ts'
import { parseHosts } from '../../src/bootstrap/hosts-file.ts'
import { ClusterView } from '../../src/cli/cluster-view.ts'
import { Output } from '../../src/cli/output.ts'

const OPTIONS = { json: false, quiet: false, verbose: false, color: 'never', logFile: undefined } as const

describe('the table of hosts', () => {
  const { write, isTTY, columns } = process.stderr
  const term = process.env['TERM']
  let drawn: string
  let view: ClusterView
  const hosts = parseHosts('one\ntwo', 'hosts')

  beforeEach(() => {
    drawn = ''
    process.env['TERM'] = 'xterm'
    Object.assign(process.stderr, {
      isTTY: true,
      columns: 40,
      write: (text: string) => {
        drawn += text
        return true
      },
    })
    view = new ClusterView(new Output(OPTIONS), hosts)
  })

  afterEach(() => {
    Object.assign(process.stderr, { write, isTTY, columns })
    if (term === undefined) delete process.env['TERM']
    else process.env['TERM'] = term
  })

  function change(index: number, state: Parameters<ClusterView['change']>[1]): void {
    const host = hosts[index]
    assert.ok(host !== undefined)
    view.change(host, state)
  }

  it('shows each change, also the last of several at once', () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    change(0, { stage: 'looking' })
    change(1, { stage: 'looking' })
    mock.timers.tick(200)
    mock.timers.reset()
    assert.match(drawn, /two {2}looking/)
    view.end()
  })

  it('keeps to the width of the terminal while it is drawn over, and ends with all that was said of a failure', () => {
    const error = new SwarmError('networkUnavailable', `no \u001b[2Jroute ${'x'.repeat(40)}`, { cure: 'open the port' })
    change(0, { stage: 'failed', error, seconds: 1 })
    for (const line of drawn.split('\n')) assert.ok(line.length <= 50, line)
    assert.doesNotMatch(drawn, /open the port/)
    drawn = ''
    view.end()
    assert.match(drawn, /one {2}FAILED: no {1,2}\[2Jroute x{40} \(open the port\)\n/)
  })
})
