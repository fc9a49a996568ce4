# SPDX-License-Identifier: MIT
"""A private cassind, and what the kernel says about its process."""

import glob
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile

STOP_PATIENCE_S = 60
SPAWN_WAIT_MS = 170000
PORTS = range(10000, 31000, 1100)  # where ports in a row begin
PORTS_END = 32000  # the kernel gives those above to clients
LISTEN_FIRST = 80


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("cassin", timeout=180)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """with Daemon(build) as daemon: ..."""

    def __init__(self, build, group=None, options=()):
        self.folder = tempfile.mkdtemp(prefix="cassin-bench-")
        self.socket = os.path.join(self.folder, "s")
        ready, ready_in_child = os.pipe()
        command = [os.path.join(build, "tools", "cassind"), "--socket", self.socket, "--ready-fd", str(ready_in_child),
                   *options]
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        self.process = subprocess.Popen(command, pass_fds=[ready_in_child], stdout=self.log, stderr=self.log,
                                        preexec_fn=group.enter if group else None)
        os.close(ready_in_child)
        with os.fdopen(ready, "rb") as pipe:
            if not pipe.read(1):
                self.process.wait()
                self.log.seek(0)
                raise RuntimeError("cassind: " + self.log.read().decode("utf-8", "replace").strip())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        lines = [json.loads(line) for line in text.splitlines()] if "ndjson" in answer.headers["content-type"] else []
        last = lines[-1] if lines else json.loads(text)
        if answer.status >= 400:
            raise RuntimeError(f"cassind: {method} {path}: {last.get('error', text)}")
        return last

    def spawn(self, prefix, count, image=None, port=0, template=None):
        """Spawns PREFIX-0 and so on, of an image or a template, each on its own host port from `port` on, and waits
        until all are ready."""
        request = {"name_prefix": prefix, "count": count, "wait_ms": SPAWN_WAIT_MS, "atomic": True,
                   "spec": {"template": template} if template else {"image": os.path.abspath(image)}}
        if port:
            request["port_base"] = [{"host": f"tcp:127.0.0.1:{port}", "guest": LISTEN_FIRST}]
        done = self.ask("POST", "/v1/spawn", request)
        if done["running"] != count:
            raise RuntimeError(f"cassind: {count} guests wanted, {done['running']} run: {done['failed'][:3]}")
        return done

    def remove(self, match):
        """Removes all guests whose names match."""
        for guest in self.ask("GET", f"/v1/guests?match={match}")["guests"]:
            self.ask("DELETE", f"/v1/guests/{guest['name']}")

    def template(self, name, image, **more):
        self.ask("POST", "/v1/templates", {"name": name, "image": os.path.abspath(image), **more})

    def gateway(self):
        return self.socket + ".gw"

    def stats(self):
        return self.ask("GET", "/v1/stats")

    def guest(self, name):
        return self.ask("GET", f"/v1/guests/{name}")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def pss_kib(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))

    def cpu_seconds(self):
        """Time on a CPU of all its threads, KVM's kernel thread for it among them."""
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            with open(path) as file:
                total += int(file.read().split()[0])
        return total / 1e9


def free_ports(count):
    """The first of `count` host ports in a row that nobody listens on, somewhere."""
    for base in random.sample(PORTS, len(PORTS)):
        if base + count <= PORTS_END and all(port_free(port) for port in range(base, base + count)):
            return base
    raise RuntimeError(f"no {count} free TCP ports in a row")


def port_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
