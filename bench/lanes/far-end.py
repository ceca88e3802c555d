#!/usr/bin/python3
"""The cheap end of a data connection, which seals and opens nothing: far-end.py sink|source PORT FILE BYTES

FILE holds sealed records, the first of which says that this end is ready. A sink has the system throw away BYTES that come, uncopied.
A source has the system send the rest of FILE from its pages. Both say "up", and begin with a line on stdin.
"""
import os
import socket
import sys

READY_BYTES = 4 + 16 + 16
AT_A_TIME = 1 << 20

role, port, path, count = sys.argv[1:]
left = int(count)
connection = socket.create_connection(('127.0.0.1', int(port)))
with open(path, 'rb') as records:
    connection.sendall(records.read(READY_BYTES))
    print('up', flush=True)
    sys.stdin.readline()
    if role == 'sink':
        scratch = bytearray(AT_A_TIME)
        # Without this it would be woken for every packet.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, AT_A_TIME // 8)
        while left > AT_A_TIME:
            taken = connection.recv_into(scratch, AT_A_TIME, socket.MSG_TRUNC)
            if taken == 0:
                break
            left -= taken
    else:
        position = READY_BYTES
        size = os.fstat(records.fileno()).st_size
        while position < size:
            position += os.sendfile(connection.fileno(), records.fileno(), position, min(AT_A_TIME, size - position))
# Open until the other end has what it wanted.
sys.stdin.readline()
