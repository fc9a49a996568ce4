# SPDX-License-Identifier: MIT
"""A memory control group for one process, where the host lets us make one: it counts that process's memory and the
kernel's memory for it, whatever other programs do meanwhile."""

import os
import time

V2 = "/sys/fs/cgroup"
V1 = "/sys/fs/cgroup/memory"


class MemoryGroup:
    """`path` is None where there is none to be had."""

    def __init__(self, name):
        self.path = None
        for root, usage in ((V2, "memory.current"), (V1, "memory.usage_in_bytes")):
            path = os.path.join(root, name)
            try:
                os.mkdir(path)
            except OSError:
                continue
            if os.access(os.path.join(path, usage), os.R_OK) and os.access(os.path.join(path, "cgroup.procs"), os.W_OK):
                self.path, self.usage = path, usage
                return
            os.rmdir(path)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()

    def enter(self):
        """Moves the calling process into it: for subprocess's preexec_fn."""
        if self.path:
            with open(os.path.join(self.path, "cgroup.procs"), "w") as file:
                file.write(str(os.getpid()))

    def kib(self):
        if not self.path:
            return None
        with open(os.path.join(self.path, self.usage)) as file:
            return int(file.read()) / 1024

    def remove(self):
        for _ in range(50):
            try:
                if self.path:
                    os.rmdir(self.path)
                self.path = None
                return
            except OSError:  # the process has only just gone
                time.sleep(0.1)
