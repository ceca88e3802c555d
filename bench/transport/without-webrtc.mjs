// Loaded before webtorrent: it can do without WebRTC, whose native part is not in the registry, but imports it by name.

import { registerHooks } from 'node:module'

const ADDRESS = 'bench:without-webrtc'
const NAMES = ['Certificate', 'DataChannel', 'DataChannelEvent', 'DtlsTransport', 'Error', 'ErrorEvent', 'IceCandidate']
const MORE_NAMES = ['IceTransport', 'PeerConnection', 'PeerConnectionIceEvent', 'RtpReceiver', 'RtpSender']
const LAST_NAMES = ['RtpTransceiver', 'SctpTransport', 'SessionDescription', 'TrackEvent']
const MEDIA = ['MediaStream', 'MediaStreamTrack', 'MediaStreamTrackEvent']
const exported = [...[...NAMES, ...MORE_NAMES, ...LAST_NAMES].map((name) => `RTC${name}`), ...MEDIA]
const source = `${exported.map((name) => `export const ${name} = undefined\n`).join('')}export default {}\n`

registerHooks({
  resolve: (specifier, context, next) =>
    /^(webrtc-polyfill|node-datachannel)/.test(specifier)
      ? { url: ADDRESS, shortCircuit: true }
      : next(specifier, context),
  load: (url, context, next) =>
    url === ADDRESS ? { format: 'module', shortCircuit: true, source } : next(url, context),
})
