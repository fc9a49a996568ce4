# SPDX-License-Identifier: MIT
"""Shares this host's files with the test machine, by virtiofsd (QEMU's own)."""

import os
import subprocess
import time

import groups

DAEMON = "/usr/lib/qemu/virtiofsd"


class Files:
    """A running virtiofsd; `arguments` are those that QEMU needs to reach it."""

    def __init__(self, socket, memory):
        if os.getuid() != 0:
            raise RuntimeError("only root can share this host's files with the machine")
        if not os.path.exists(DAEMON):
            raise RuntimeError(f"{DAEMON} is missing (Debian's package qemu-system-common)")
        if os.path.exists(socket):
            os.unlink(socket)
        with open(f"{socket}.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(groups.bound(
                [DAEMON, f"--socket-path={socket}", "-o", "source=/,cache=always,no_writeback,no_xattr", "-o", "sandbox=chroot",
                 "--thread-pool-size=1"]), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 20
        while not os.path.exists(socket):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise RuntimeError(f"virtiofsd does not start; see {socket}.log")
            time.sleep(0.02)
        self.arguments = ["-object", f"memory-backend-memfd,id=memory,size={memory},share=on", "-numa", "node,memdev=memory",
                          "-chardev", f"socket,id=files,path={socket}", "-device", "vhost-user-fs-pci,chardev=files,tag=host"]

    def end(self):
        self.process.kill()
        self.process.wait()
