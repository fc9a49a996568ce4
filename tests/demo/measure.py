# SPDX-License-Identifier: MIT
"""Memory of the host, and a watch on guests while one of them crashes."""

import http.client
import json
import os
import socket
import threading
import time


def memory(pid):
    """In KiB: what the host could still give, and the process's share of what is in use."""
    found = {}
    with open("/proc/meminfo", encoding="ascii") as info:
        for line in info:
            if line.startswith("MemAvailable:"):
                found["available"] = int(line.split()[1])
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as info:
        for line in info:
            if line.startswith("Pss:"):
                found["pss"] = int(line.split()[1])
    return found


def settled_memory(pid):
    """The median of a few readings: others use the host too."""
    readings = []
    for _ in range(7):
        readings.append(memory(pid))
        time.sleep(0.1)
    return {key: sorted(r[key] for r in readings)[3] for key in ("available", "pss")}


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def words_of(path):
    """Of a file of a process or thread: none if that has ended."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def children(pid):
    """Of all its threads."""
    return [child for thread in os.listdir(f"/proc/{pid}/task") for child in words_of(f"/proc/{pid}/task/{thread}/children")]


def are_guests(pids):
    """Whether all of these, but for those that have ended since, are what guests run in where there is no KVM."""
    return all(words_of(f"/proc/{pid}/comm") in ([], ["cassin-guest"]) for pid in pids)


def ask(port, seconds=5):
    """The name that a guest gives itself; None if it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", "/status", headers={"Connection": "close"})
        response = connection.getresponse()
        return json.loads(response.read())["name"] if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return None
    finally:
        connection.close()


class Daemon(http.client.HTTPConnection):
    """The daemon's API over its Unix socket."""

    def __init__(self, path):
        super().__init__("cassin", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def state(self, name):
        self.request("GET", f"/v1/guests/{name}")
        return json.loads(self.getresponse().read())["state"]


class Watch:
    """Asks the others, one after the other, and the daemon for the victim's state, and notes when who answered."""

    def __init__(self, world, victim, others):
        self.world, self.victim, self.which = world, victim, others
        self.others, self.victims, self.marks = [], [], []
        self.others_failed = 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.watch_others), threading.Thread(target=self.watch_victim)]
        self.began = time.monotonic()
        self.seconds = 0.0

    def now(self):
        return time.monotonic() - self.began

    def watch_others(self):
        turn = 0
        while not self.over.is_set():
            i = self.which[turn % len(self.which)]
            began = self.now()
            right = ask(self.world.port(i)) == f"web-{i}"
            self.others.append((self.now(), self.now() - began, right))
            self.others_failed += not right
            turn += 1
            time.sleep(0.002)

    def watch_victim(self):
        daemon = Daemon(self.world.socket)
        while not self.over.is_set():
            state = daemon.state(f"web-{self.victim}")
            self.victims.append((self.now(), state))
            time.sleep(0.02)
        daemon.close()

    def mark(self, text):
        self.marks.append((self.now(), text))

    def start(self):
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.seconds = self.now()
