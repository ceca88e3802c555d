// The origin of the rivals: nginx with the file, behind the same limits as the S3 server.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import type { OriginService } from './contender.ts'
import type { HostProcess } from './host-process.ts'
import { FILE, ORIGIN, type TestBed } from './test-bed.ts'

const READY_TRIES = 100
const READY_WAIT_MS = 50

export function fileUrl(bed: TestBed): string {
  return `http://${bed.address(ORIGIN)}/${FILE}`
}

export async function startWebServer(bed: TestBed): Promise<OriginService> {
  const folder = `${bed.folder}/nginx`
  await mkdir(folder, { recursive: true })
  // One process, so that its CPU time is that of one id.
  await writeFile(
    `${folder}/nginx.conf`,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 512; }
http {
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen ${bed.address(ORIGIN)}:80; root ${bed.source}; }
}
`,
  )
  const server = bed.start(ORIGIN, 'nginx', '-c', `${folder}/nginx.conf`)
  await untilListening(bed, server, 80)
  return { pids: [server.pid], stop: () => server.end() }
}

/** Waits until a process listens on a TCP port, by what the kernel says of its namespace. */
export async function untilListening(bed: TestBed, server: HostProcess, port: number): Promise<void> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  for (let attempt = 0; attempt < READY_TRIES; attempt++) {
    const sockets = await readFile(`/proc/${server.pid}/net/tcp`, 'utf8').catch(() => '')
    const isListening = sockets.split('\n').some((line) => line.includes(wanted) && / 0A /.test(line))
    if (isListening) return
    await Promise.race([server.success(), new Promise((resolve) => setTimeout(resolve, READY_WAIT_MS))])
  }
  throw new Error(`nothing listens on port ${port} in ${bed.folder}`)
}
