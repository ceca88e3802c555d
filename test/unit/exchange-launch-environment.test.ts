// What was set when a machine was launched and its shells no longer show: how the kernel's text and files of lines are read.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { parseLaunchEnvironment, readLaunchEnvironment } from '../../src/exchange/launch-environment.ts'

describe('launch environment', () => {
  it('is read literally from what the kernel gives and from a file of lines (B5)', () => {
    const kernel =
      'PATH=/bin\0PUBLIC_IPADDR=203.0.113.52\0VAST_TCP_PORT_4001=$(id)\nPOD_IP=10.0.0.1\0OPENAI_API_KEY=x\0\0=\0POD_IP\0'
    assert.deepEqual(parseLaunchEnvironment(kernel), {
      PUBLIC_IPADDR: '203.0.113.52',
      VAST_TCP_PORT_4001: '$(id)\nPOD_IP=10.0.0.1',
    })
    const file =
      '# PUBLIC_IPADDR=1\nexport PUBLIC_IPADDR="203.0.113.52"\r\n  POD_IP=\'10.0.0.1\'\nHOST_IP=`id`\nVAST_TCP_PORT_=3\nHOST_IP2=1\n'
    assert.deepEqual(parseLaunchEnvironment(file), {
      PUBLIC_IPADDR: '203.0.113.52',
      POD_IP: '10.0.0.1',
      HOST_IP: '`id`',
    })
    assert.deepEqual(parseLaunchEnvironment(''), {})
  })

  it('comes from files in order, missing ones are empty, and the first process has the last word', async () => {
    const folder = await mkdtemp(`${tmpdir()}/swarm-launch-`)
    try {
      await writeFile(`${folder}/environment`, 'POD_IP=10.0.0.1\nHOST_IP=10.0.0.2\n')
      await writeFile(`${folder}/environ`, 'POD_IP=10.0.0.3\0')
      const paths = [`${folder}/environment`, `${folder}/environ`, `${folder}/missing`]
      assert.deepEqual(await readLaunchEnvironment(paths), { POD_IP: '10.0.0.3', HOST_IP: '10.0.0.2' })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
