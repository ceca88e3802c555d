// Thread counts from the control group's files, in both versions of control groups.

import assert from 'node:assert/strict'
import { codecThreadCount } from '../../src/codec/cpu-quota.ts'

function threadsWith(files: Readonly<Record<string, string>>, visibleCores = 16): number {
  return codecThreadCount({ readText: (path) => files[path], visibleCores: () => visibleCores })
}

describe('codecThreadCount', () => {
  it('uses every visible core where there is no control group', () => {
    assert.equal(threadsWith({}), 16)
  })

  it('rounds a version 2 quota up', () => {
    const files = { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '250000 100000\n' }
    assert.equal(threadsWith(files), 3)
    assert.equal(threadsWith(files, 2), 2)
  })

  it('takes no quota for none', () => {
    assert.equal(threadsWith({ '/proc/self/cgroup': '0::/a\n', '/sys/fs/cgroup/a/cpu.max': 'max 100000\n' }), 16)
  })

  it('asks the parents of the group as well', () => {
    const files = {
      '/proc/self/cgroup': '0::/slice/pod/container\n',
      '/sys/fs/cgroup/slice/pod/container/cpu.max': '800000 100000\n',
      '/sys/fs/cgroup/slice/pod/cpu.max': '400000 100000\n',
    }
    assert.equal(threadsWith(files), 4)
  })

  it('reads version 1 files, under the joint and the single mount name', () => {
    const proc = '12:pids:/x\n4:cpu,cpuacct:/x\n1:name=systemd:/x\n'
    for (const mount of ['cpu,cpuacct', 'cpu']) {
      const folder = `/sys/fs/cgroup/${mount}`
      const files = {
        '/proc/self/cgroup': proc,
        [`${folder}/cpu.cfs_quota_us`]: '50000\n',
        [`${folder}/cpu.cfs_period_us`]: '100000\n',
      }
      assert.equal(threadsWith(files), 1)
    }
    const unlimited = { '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' }
    assert.equal(threadsWith({ '/proc/self/cgroup': proc, ...unlimited }), 16)
  })

  it('leaves most of the process limit to others, but keeps one thread', () => {
    const files = {
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/pids.max': '30\n',
      '/sys/fs/cgroup/pids.current': '10',
    }
    assert.equal(threadsWith(files), 5)
    assert.equal(threadsWith({ ...files, '/sys/fs/cgroup/pids.max': '10' }), 1)
  })

  it('ignores files with unexpected content', () => {
    assert.equal(threadsWith({ '/proc/self/cgroup': 'nonsense\n0::relative\n', '/sys/fs/cgroup/cpu.max': '100 1' }), 16)
    assert.equal(threadsWith({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '-5 soon' }), 16)
  })
})
