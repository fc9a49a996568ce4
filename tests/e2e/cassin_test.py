# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: programs and their results, a daemon, an HTTP client, free ports, waiting."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SLOW = int(os.environ.get("CASSIN_TEST_SLOW", "1"))  # multiplies how long is waited for what must come


class Failed(Exception):
    """A property does not hold."""


def equal(got, want, what="value"):
    if got != want:
        raise Failed(f"{what}: is {got!r}, not {want!r}")


def holds(condition, what):
    if not condition:
        raise Failed(f"does not hold: {what}")


def contains(text, *parts):
    for part in parts:
        if part not in text:
            raise Failed(f"{part!r} is not in {text[:2000]!r}")


def one_line(text, *parts):
    """An error for a person: exactly one line, with all the parts in it."""
    if text.count("\n") != 1 or not text.endswith("\n"):
        raise Failed(f"not one line: {text[:2000]!r}")
    contains(text, *parts)


def stays(condition, what, seconds=0.5):
    """Looks again and again for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        holds(condition(), what)
        time.sleep(0.05)


def mistaken(result, command, *parts):
    """A mistake in the arguments of a command of cassin's: a line that says which, one that says where help is, and 2."""
    equal(result.code, 2, f"exit code of cassin {command}: {result.err!r}")
    said, _, hint = result.err.partition("\n")
    holds(said.startswith(f"cassin {command}"), f"begins with the command: {said!r}")
    equal(hint, f"Try: cassin help {command}\n", "the second line")
    contains(said, *parts)


def wait_until(condition, what, seconds=20):
    """Polls until the condition is true; returns its value."""
    until = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Failed(f"not within {seconds * SLOW} s: {what}")
        time.sleep(0.03)


class Result:
    """How a program ended."""

    def __init__(self, code, out, err):
        self.code, self.out_bytes, self.err_bytes = code, out, err
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise Failed(f"standard output is no JSON document: {error}: {self.out[:500]!r}") from error


class Answer:
    """An HTTP answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Failed(f"the answer is no JSON document: {error}: {self.body[:500]!r}") from error


def receive(connection, limit=1 << 22):
    """All bytes until the peer closes; b"" if it resets at once."""
    data = b""
    while len(data) < limit:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        data += piece
    return data


def unchunk(body):
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        count = int(size, 16)
        if not count:
            break
        out += body[:count]
        body = body[count + 2:]
    return out


def parse_answer(data):
    """The first answer in data, which ended with the connection."""
    head, separator, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not separator or not lines[0].startswith("HTTP/1."):
        raise Failed(f"no HTTP answer: {data[:300]!r}")
    headers = {}
    for line in lines[1:]:
        key, _, value = line.partition(":")
        headers[key.lower()] = value.strip()
    if "content-length" in headers:
        body = body[:int(headers["content-length"])]
    elif headers.get("transfer-encoding") == "chunked":
        body = unchunk(body)
    return Answer(int(lines[0].split()[1]), headers, body)


class Process(subprocess.Popen):
    """A program that runs beside the test."""

    def wait(self, timeout=None):
        return super().wait(timeout and timeout * SLOW)

    def communicate(self, input=None, timeout=None):  # pylint: disable=redefined-builtin
        return super().communicate(input, timeout and timeout * SLOW)


class Daemon:
    """A cassind of the test's own."""

    def __init__(self, test, number, options, wait, prefix):
        self.test = test
        self.socket = os.path.join(test.folder, f"d{number}.sock") if number else os.path.join(test.folder, "d.sock")
        self.log_path = os.path.join(test.folder, f"cassind{number}.log")
        options = [str(o) for o in options]
        if "--socket" in options:
            self.socket = options[options.index("--socket") + 1]
        else:
            options = ["--socket", self.socket] + options
        self.start(list(prefix) + [test.tool("cassind")] + options, wait)

    def start(self, command, wait):
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        if wait:
            command += ["--ready-fd", str(writer)]
        self.test.note(command)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=[writer], env=self.test.environment())
        os.close(writer)
        if wait and os.read(reader, 1) != b"\n":
            raise Failed(f"cassind did not start: {self.log()}")
        os.close(reader)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def alive(self):
        return self.process.poll() is None

    def cassin(self, *args, **how):
        """Runs cassin against this daemon."""
        return self.test.cassin(*args, env={"CASSIN_SOCKET": self.socket, **how.pop("env", {})}, **how)

    def connect(self, seconds=20, suffix=""):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(seconds * SLOW)
        connection.connect(self.socket + suffix)
        return connection

    def raw(self, data, seconds=20):
        """Sends bytes, ends the sending side, and returns all that comes."""
        with self.connect(seconds) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return receive(connection)

    def request(self, method, target, body=None, status=None, headers=""):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        body = (body or "").encode() if not isinstance(body, bytes) else body
        head = f"{method} {target} HTTP/1.1\r\nHost: cassin\r\nConnection: close\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        with self.connect(60) as connection:
            connection.sendall(head.encode() + body)
            answer = parse_answer(receive(connection))
        self.test.note([method, target, f"{body[:200]!r}", f"-> {answer.status}"])
        if status is not None and answer.status != status:
            raise Failed(f"{method} {target}: status {answer.status}, not {status}: {answer.text[:500]}")
        return answer

    def guest(self, name):
        return self.request("GET", f"/v1/guests/{name}", status=200).json()

    def pss_kib(self, kind="Pss"):
        """Its memory in KiB, of a kind that proc(5) has in smaps_rollup."""
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as rollup:
            return next(int(line.split()[1]) for line in rollup if line.startswith(f"{kind}:"))

    def memory_kib(self):
        """Its memory and its cells': on KVM anonymous, in process cells memory files, whoever has them mapped."""
        files, folder = 0, f"/proc/{self.process.pid}/fd"
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            try:
                if os.readlink(path).startswith("/memfd:cassin-cell"):
                    files += os.stat(path).st_blocks * 512 >> 10
            except FileNotFoundError:  # it has been closed since
                pass
        return self.pss_kib("Pss_Anon") + files

    def cpu_seconds(self):
        """CPU time of all its threads, in user and kernel mode."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def guests(self):
        return self.request("GET", "/v1/guests", status=200).json()["guests"]

    def await_state(self, name, state, seconds=20):
        def look():
            guest = self.guest(name)
            return guest if guest["state"] == state else None
        try:
            return wait_until(look, state, seconds)
        except Failed as failure:
            raise Failed(f"{name} is {self.guest(name)['state']}, not {state}, after {seconds * SLOW} s") from failure

    def end(self, number=signal.SIGTERM, seconds=20):
        """Signals it and returns its exit status."""
        self.process.send_signal(number)
        try:
            return self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"cassind did not end within {seconds * SLOW} s of signal {number}") from None


class Test:
    """One test's surroundings."""

    def __init__(self, build, folder, first_port, ports):
        self.build, self.folder = build, folder
        self.next_port, self.last_port = first_port, first_port + ports - 1
        self.daemons, self.processes = [], []
        self.asked = os.environ.get("CASSIN_BACKEND", "")
        self.noting = threading.Lock()
        self.commands = open(os.path.join(folder, "test.commands"), "a+", encoding="utf-8", errors="surrogateescape")

    def note(self, command):
        line = " ".join(shlex.quote(str(word)) for word in command) + "\n"
        with self.noting:
            self.commands.write(line)
            self.commands.flush()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def tool(self, name):
        return os.path.join(self.build, "tools", name)

    def compiler(self):
        return os.path.join(self.build, "guest-lib", "cassin-cc")

    def programs_of(self, page):
        """The C programs that a page of docs/ shows."""
        with open(os.path.join(ROOT, "docs", page), encoding="utf-8") as manual:
            return re.findall(r"```c\n(.*?)```", manual.read(), re.DOTALL)

    def guest(self, name):
        """The path of a guest that the build made."""
        for folder in ("examples", "tests/guests"):
            path = os.path.join(self.build, folder, f"{name}.elf")
            if os.path.exists(path):
                return path
        raise Failed(f"the build made no {name}.elf")

    def compile(self, name, source, *options):
        """Makes a guest of C source (after #include <cassin/guest.h>) the way a person would."""
        self.write(f"{name}.c", f"#include <cassin/guest.h>\n{source}\n")
        self.run([os.path.join(self.build, "guest-lib", "cassin-cc"), "-O2", *options, "-o", f"{name}.elf", f"{name}.c"], code=0)
        return self.path(f"{name}.elf")

    def environment(self, more=None):
        clean = {k: v for k, v in os.environ.items() if k not in ("CASSIN_SOCKET", "XDG_RUNTIME_DIR")}
        return {**clean, "LC_ALL": "C.UTF-8", **(more or {})}

    def backend(self):
        """What runs guests here: "kvm" or "process"."""
        return self.cassin("doctor", "--json").json()["auto"] if self.asked in ("", "auto") else self.asked

    def run(self, command, code=None, seconds=45, env=None, **how):
        """Runs a program. `input` is text or bytes; `code`, if given, is the exit code that it must have."""
        command = [str(word) for word in command]
        text = how.pop("input", b"")
        self.note(command)
        try:
            done = subprocess.run(command, input=text.encode() if isinstance(text, str) else text, capture_output=True,
                                  timeout=seconds * SLOW, env=self.environment(env), check=False, cwd=self.folder, **how)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"did not end within {seconds * SLOW} s: {shlex.join(command)}: {late.stdout!r} {late.stderr!r}") from late
        result = Result(done.returncode, done.stdout, done.stderr)
        self.note([f"   -> {result.code}", result.err[:300]])
        if code is not None and result.code != code:
            raise Failed(f"exit code {result.code}, not {code}: {shlex.join(command)}\n"
                         f"stdout: {result.out[-1500:]}\nstderr: {result.err[-1500:]}")
        return result

    def cassin(self, *args, **how):
        return self.run([self.tool("cassin"), *args], **how)

    def start(self, command, **how):
        """Starts a program that runs beside the test."""
        command = [str(word) for word in command]
        self.note(command + ["&"])
        process = Process(command, env=self.environment(how.pop("env", None)), cwd=self.folder, **how)
        self.processes.append(process)
        return process

    def daemon(self, *options, wait=True, prefix=()):
        daemon = Daemon(self, len(self.daemons), options, wait, prefix)
        self.daemons.append(daemon)
        return daemon

    def ports(self, count=1):
        """The first of so many free TCP ports in a row."""
        while self.next_port + count - 1 <= self.last_port:
            first = self.next_port
            taken = [port for port in range(first, first + count) if not port_free(port)]
            if not taken:
                self.next_port += count
                return first
            self.next_port = taken[-1] + 1
        for _ in range(200):  # somebody else has them: anywhere below the kernel's own
            first = random.randrange(11000, 32000 - count)
            if all(port_free(port) for port in range(first, first + count)):
                return first
        raise Failed("no free ports left for the test")

    def end(self):
        """Ends what runs. Says what should not have happened, or None."""
        bad = None
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                try:
                    code = daemon.end()
                    bad = bad or (f"cassind ended with {code} after SIGTERM" if code else None)
                except Failed as failure:
                    bad = str(failure)
            elif daemon.process.returncode in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL):
                bad = f"cassind died of signal {-daemon.process.returncode}"
        return bad

    def explain(self):
        self.commands.seek(0)
        print("--- commands\n" + self.commands.read()[-6000:])
        for daemon in self.daemons:
            print(f"--- {os.path.basename(daemon.log_path)}\n{daemon.log()[-6000:]}")


def port_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def http_get(port, target, seconds=20, method="GET", extra=""):
    """A request over TCP on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds * SLOW) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{extra}\r\n".encode())
        return parse_answer(receive(connection))


def have(program):
    if not shutil.which(program):
        raise Failed(f"{program} is not installed")
    return program
