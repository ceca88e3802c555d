#!/usr/bin/python3
"""One libtorrent client: libtorrent-end.py seed|fetch plain|rc4 TORRENT FOLDER SENDER_PORT

A sender listens on SENDER_PORT, says "serving", and trusts its file. A receiver asks there and says "complete" when it has everything.
Both go on until SIGTERM.
"""
import os
import signal
import sys
import time

import libtorrent

role, security, torrent, folder, sender_port = sys.argv[1:]
is_sender = role == 'seed'
policy = libtorrent.enc_policy.forced if security == 'rc4' else libtorrent.enc_policy.disabled
level = libtorrent.enc_level.rc4 if security == 'rc4' else libtorrent.enc_level.plaintext
session = libtorrent.session({
    'listen_interfaces': f'127.0.0.1:{sender_port if is_sender else 0}',
    'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'enable_incoming_utp': False, 'enable_outgoing_utp': False,
    'allow_multiple_connections_per_ip': True,
    'out_enc_policy': int(policy), 'in_enc_policy': int(policy), 'allowed_enc_level': int(level),
    'request_queue_time': 3, 'max_out_request_queue': 1500, 'max_allowed_in_request_queue': 2000,
    'connection_speed': 200, 'min_reconnect_time': 1,
    'send_buffer_watermark': 4 << 20, 'unchoke_slots_limit': -1, 'tick_interval': 100,
    'alert_mask': libtorrent.alert.category_t.error_notification,
})
flags = libtorrent.torrent_flags
wanted = flags.default_flags & ~flags.auto_managed & ~flags.paused
if is_sender:
    wanted |= flags.seed_mode
handle = session.add_torrent({'ti': libtorrent.torrent_info(torrent), 'save_path': folder, 'flags': wanted})
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
said = False
dialled_at = 0.0
while not ended:
    if not is_sender and not said and time.time() - dialled_at > 1:
        handle.connect_peer(('127.0.0.1', int(sender_port)))
        dialled_at = time.time()
    if not said and handle.status().is_seeding:
        said = True
        print('serving' if is_sender else 'complete', flush=True)
    time.sleep(0.05 if not said else 1)
# Not through libtorrent's destructors, which wait for trackers.
os._exit(0)
