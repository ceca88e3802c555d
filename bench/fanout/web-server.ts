// The origin's web server: nginx with the file for the rivals, and with the objects of the bucket for swarm, behind the same
// limits.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import type { OriginService } from './contender.ts'
import type { HostProcess } from './host-process.ts'
import { FILE, ORIGIN, type TestBed } from './test-bed.ts'

const PORT = 80
const READY_TRIES = 100
const READY_WAIT_MS = 50

export function serverUrl(bed: TestBed): string {
  return `http://${bed.address(ORIGIN)}`
}

export function fileUrl(bed: TestBed): string {
  return `${serverUrl(bed)}/${FILE}`
}

export function startWebServer(bed: TestBed): Promise<OriginService> {
  return startNginx(bed, `root ${bed.source};`)
}

/** Answers what is asked of chunks with the files below `folder`, and passes all else on to the S3 server at `endpoint`. */
export function startObjectServer(bed: TestBed, folder: string, endpoint: string): Promise<OriginService> {
  // Signatures cover the path and the Host header as the client sent them.
  return startNginx(
    bed,
    `root ${folder};
    location ~ ^/[^/]+/chunks/. { try_files $uri =404; }
    location / {
      proxy_pass ${endpoint}; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
      proxy_request_buffering off; client_max_body_size 0;
    }`,
  )
}

/** `site`: what the configuration says of the only site. */
async function startNginx(bed: TestBed, site: string): Promise<OriginService> {
  const folder = `${bed.folder}/nginx`
  await mkdir(folder, { recursive: true })
  // One process, so that its CPU time is that of one id.
  await writeFile(
    `${folder}/nginx.conf`,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen ${bed.address(ORIGIN)}:${PORT};
    ${site}
  }
}
`,
  )
  const server = bed.start(ORIGIN, 'nginx', '-c', `${folder}/nginx.conf`)
  await untilListening(bed, server, PORT)
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
