# SPDX-License-Identifier: MIT
"""A daemon some of whose files hang, as on a file system whose server does not answer, by a library that is preloaded into it."""

import contextlib
import json
import os


class Hanging:
    """A daemon for which each file with "hanging" in its name hangs until release()."""

    def __init__(self, t, *options, prepare=None, wait=True):
        self.fifo, self.server = t.path("server"), None
        os.mkfifo(self.fifo)
        self.file = t.write("hanging.txt", "text")
        if prepare:
            prepare(self)
        preload = os.path.join(t.build, "tests", "e2e", "hanging.so")
        self.daemon = t.daemon(*options, prefix=["env", f"LD_PRELOAD={preload}", f"HANGING={self.fifo}"], wait=wait)
        self.pid = self.daemon.process.pid

    def spec(self, t, name, **more):
        return {"name": name, "image": t.guest("life"), "args": ["sleep"],
                "files": [{"name": "text", "path": self.file}], **more}

    def spawn(self, t, name, **more):
        """Asks for a spawn and does not wait: the connection."""
        return self.ask("POST", "/v1/guests", self.spec(t, name, **more))

    def ask(self, method, target, body=None):
        """The connection of a request whose answer is not waited for."""
        text = json.dumps(body) if body else ""
        connection = self.daemon.connect(60)
        connection.sendall(f"{method} {target} HTTP/1.1\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        return connection

    def waiting(self):
        """Threads that wait in open()."""
        count = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/syscall", encoding="ascii") as call:
                words = call.read().split()
            with open(f"/proc/{self.pid}/task/{task}/comm", encoding="ascii") as comm:
                count += words[0] == "257" and comm.read().startswith("cassin-loader")
        return count

    def release(self):
        """Everything that hangs goes on, and nothing hangs any more."""
        self.server = os.open(self.fifo, os.O_RDWR)


@contextlib.contextmanager
def paths_hang(hanging, what="paths", n=0):
    """Meanwhile whoever works at a path with "hanging" in it waits; or the next n who read or write at a place."""
    switch = f"{hanging.fifo}.{what}"
    with open(switch, "w", encoding="ascii") as file:
        file.write("." * n)
    try:
        yield
    finally:
        os.unlink(switch)
