// One webtorrent client: webtorrent-end.mjs MODULE seed|fetch TORRENT FOLDER SENDER_PORT. A sender says "serving" when it has looked
// through its file, a receiver "complete" when it has everything. Both go on until SIGTERM.

import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const RETRY_MS = 1000
const [module, role, torrentFile, folder, senderPort] = process.argv.slice(2)
const { default: WebTorrent } = await import(pathToFileURL(module).href)
const isSender = role === 'seed'
const found = { dht: false, tracker: false, lsd: false, utPex: false, utp: false, natUpnp: false, natPmp: false }
const client = new WebTorrent({ torrentPort: isSender ? Number(senderPort) : 0, ...found })
client.on('error', (error) => {
  console.error(error.message)
  process.exit(1)
})
client.add(readFileSync(torrentFile), { path: folder, announce: [] }, (torrent) => {
  const dial = () => torrent.addPeer(`127.0.0.1:${senderPort}`)
  const dialling = isSender ? undefined : setInterval(dial, RETRY_MS)
  if (!isSender) dial()
  const complete = () => {
    clearInterval(dialling)
    console.log(isSender ? 'serving' : 'complete')
  }
  if (torrent.done) complete()
  else torrent.on('done', complete)
})
process.on('SIGTERM', () => process.exit(0))
