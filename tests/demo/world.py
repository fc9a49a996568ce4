# SPDX-License-Identifier: MIT
"""The demonstration's daemon, its guests, and the clients that ask them."""

import json
import os
import re
import signal
import socket
import subprocess
import time

PARALLEL = 50


class Broken(Exception):
    """The demonstration cannot go on."""


class Answer:
    """What curl got from one guest."""

    def __init__(self, code, seconds, name):
        self.code, self.seconds, self.name = code, seconds, name


def run(command, seconds=120, code=None, **how):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, check=False,
                          **how)
    if code is not None and done.returncode != code:
        raise Broken(f"{os.path.basename(str(command[0]))} ended with {done.returncode}: "
                     f"{(done.stderr or done.stdout).strip()[-500:]}")
    return done


def port_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_range(count):
    """The first of so many free ports in a row, below those that the host gives to clients."""
    first = 8000
    while first + count < 32768:
        taken = next((port for port in range(first + count - 1, first - 1, -1) if not port_free(port)), None)
        if taken is None:
            return first
        first = taken + 1
    raise Broken(f"no {count} free ports in a row between 8000 and 32767")


class World:
    """A daemon with a socket and a range of ports of its own."""

    def __init__(self, build, folder, count):
        self.build, self.folder, self.count = build, folder, count
        self.socket = os.path.join(folder, "d.sock")
        self.base = free_range(count)
        self.ports = []  # that must be free again in the end
        self.sweep_seconds = 0.0
        reader, writer = os.pipe()
        with open(os.path.join(folder, "cassind.log"), "wb") as log:
            self.daemon = subprocess.Popen(
                [os.path.join(build, "tools", "cassind"), "--socket", self.socket, "--ready-fd", str(writer)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writer], start_new_session=True)
        os.close(writer)
        ready = os.read(reader, 1)
        os.close(reader)
        if ready != b"\n":
            self.daemon.wait(10)
            raise Broken(f"cassind did not start: {self.log_tail()}")

    def log_tail(self):
        with open(os.path.join(self.folder, "cassind.log"), encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:].strip()

    def cassin(self, *args, code=0):
        return run([os.path.join(self.build, "tools", "cassin"), "--socket", self.socket, *args], code=code)

    def example(self, name):
        path = os.path.join(self.build, "examples", f"{name}.elf")
        if not os.path.exists(path):
            raise Broken(f"{path} is not there")
        return path

    def port(self, i):
        return self.base + i

    # ---- The daemon ----

    def version(self):
        return json.loads(self.cassin("version", "--json").stdout)["daemon"]["version"]

    def backend(self):
        """What runs its guests: "kvm" or "process"."""
        return json.loads(self.cassin("version", "--json").stdout)["daemon"]["backend"]

    def spawn_many(self, count):
        """All or none; on other ports if someone took one since they were found to be free."""
        summary = {}
        for _ in range(5):
            out = self.cassin("spawn", "--atomic", "-n", count, "-p", f"{self.base}+:80", "--name", "web", "--restart",
                              "on-failure", "--json", self.example("http"), "--crash-route", code=None)
            if not out.stdout:
                raise Broken(out.stderr.strip())
            summary = json.loads(out.stdout)
            if not any("in use" in failure["error"] for failure in summary["failed"]):
                break
            self.base = free_range(count)
        if summary["failed"]:
            raise Broken(f"{summary['failed'][0]['name']}: {summary['failed'][0]['error']}")
        self.ports += range(self.base, self.base + count)
        return summary

    def spawn_kv(self):
        """Returns its port."""
        for _ in range(5):
            port = free_range(1)
            done = self.cassin("spawn", "-p", f"{port}:6379", "--name", "kv", "--memory", "64M", self.example("kv"), code=None)
            if done.returncode == 0:
                self.ports.append(port)
                return port
        raise Broken(done.stderr.strip())

    def guests(self):
        return json.loads(self.cassin("ps", "--json").stdout)["guests"]

    def guest(self, name):
        return json.loads(self.cassin("inspect", "--json", name).stdout)[0]

    def stats(self):
        return json.loads(self.cassin("stats", "--json").stdout)

    def await_running(self, name, seconds=30):
        until = time.monotonic() + seconds
        while True:
            guest = self.guest(name)
            if guest["state"] == "running" and guest["ready"]:
                return guest
            if time.monotonic() > until:
                raise Broken(f"{name} is {guest['state']}, not running, after {seconds} s")
            time.sleep(0.01)

    # ---- Clients ----

    def sweep(self, which, label):
        """Asks these guests for /status, each over a connection of its own. Returns an Answer for each."""
        folder = os.path.join(self.folder, label)
        os.mkdir(folder)
        config = os.path.join(folder, "config")
        with open(config, "w", encoding="ascii") as out:
            out.write('silent\nmax-time = 20\nwrite-out = "%{filename_effective} %{http_code} %{time_total}\\n"\n')
            for i in which:
                out.write(f'url = "http://127.0.0.1:{self.port(i)}/status"\noutput = "{folder}/{i}"\n')
        began = time.monotonic()
        done = run(["curl", "--parallel", "--parallel-immediate", "--parallel-max", PARALLEL, "--config", config])
        self.sweep_seconds = time.monotonic() - began
        answers = {}
        for path, code, seconds in re.findall(r"^(\S+) (\d+) ([\d.]+)$", done.stdout, re.MULTILINE):
            try:
                with open(path, encoding="utf-8") as body:
                    name = json.load(body)["name"]
            except (OSError, ValueError, KeyError):
                name = None
            answers[int(os.path.basename(path))] = Answer(int(code), float(seconds), name if code == "200" else None)
        return answers

    def status(self, i):
        return json.loads(run(["curl", "-sS", "--max-time", "20", f"http://127.0.0.1:{self.port(i)}/status"], code=0).stdout)

    def crash(self, i):
        """Asks for the page that crashes the guest; returns what curl complains about."""
        return run(["curl", "-sS", "--max-time", "20", f"http://127.0.0.1:{self.port(i)}/crash"]).stderr.strip()

    def wrk(self, i, connections, seconds=3):
        out = run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{self.port(i)}/"], code=0).stdout
        errors = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
        return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
                "requests": int(re.search(r"(\d+) requests in", out).group(1)),
                "errors": int(errors.group(1) if errors else 0) + sum(int(n) for n in (sockets.groups() if sockets else ()))}

    def redis(self, port, *words):
        return run(["redis-cli", "-p", port, *words], code=0).stdout.strip()

    def redis_benchmark(self, port, *more):
        out = run(["redis-benchmark", "-p", port, "-c", "20", "-n", "20000", "-r", "1000", "-t", "set,get,incr", "--csv", *more],
                  code=0).stdout
        return {name: float(rate) for name, rate in re.findall(r'^"([A-Z]+)","([\d.]+)"', out, re.MULTILINE)}

    def close(self):
        """Ends the daemon. Returns its exit status and what it left behind."""
        if self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
        try:
            status = self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            status = self.daemon.wait()
        left = [name for name in os.listdir(self.folder) if name.startswith("d.sock")]
        return status, left + [f"port {port}" for port in self.ports if not port_free(port)][:5]
