# SPDX-License-Identifier: MIT
"""A daemon's socket with answers of the test's own."""

import json
import socket
import threading


class FakeDaemon:
    """Listens at `path`. answer(method, target) gives the status and the value of each answer."""

    def __init__(self, t, answer):
        self.path = t.path("fake.sock")
        self.answer = answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        data = b""
        with connection:
            while piece := connection.recv(4096):
                data += piece
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    status, value = self.answer(*head.decode().split()[:2])
                    body = json.dumps(value).encode()
                    connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
