# SPDX-License-Identifier: MIT
"""cassin top: once for scripts, and live on a terminal."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import threading
import time

from cassin_test import SLOW, Failed, contains, equal, holds, http_get, one_line, wait_until
from fake_daemon import FakeDaemon

LEAVES = b"\x1b[?1049l"  # xterm: back to the screen that was there before


class Counted(FakeDaemon):
    """Answers as a daemon with so many guests would; guest i does i things a second of a clock of the test's own."""

    def __init__(self, t, guests):
        self.guests, self.ticks, self.lists = guests, 0, 0
        super().__init__(t, lambda _method, target: (200, self.value(target)))

    def guest(self, i):
        n = i * self.ticks
        return {"id": i + 1, "name": f"g-{i}", "domain": 'a "{[quoted]}" \\', "state": "crashed" if i == 0 else "running",
                "ready": i != 1, "exit_code": 0, "restarts": 0, "memory_bytes": 1 << 20, "used_bytes": 4096 * (i + 1),
                "uptime_ns": 10**9 * (self.guests - i),
                "counters": {"virtual_ns": 10**6 * n, "exits": n, "accepted": 2 * n, "bytes_in": 3 * n, "bytes_out": 4 * n}}

    def value(self, target):
        if target == "/v1/version":
            return {"name": "cassind", "pid": os.getpid()}
        if target == "/v1/stats":
            return {"workers": 2, "pool_frames": 1000, "used_frames": 250, "exits": 10 * self.ticks,
                    "switches": 5 * self.ticks, "uptime_ns": 10**9}
        self.lists += 1
        return {"guests": [self.guest(i) for i in range(self.guests)]}


class Terminal:
    """A program on a terminal of its own; what it has written since it was last looked at."""

    def __init__(self, t, *args, socket_path, rows=24, columns=100, kind="xterm"):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = t.start([t.tool("cassin"), "top", *args], stdin=self.slave, stdout=self.slave, stderr=self.slave,
                               env={"TERM": kind, "CASSIN_SOCKET": socket_path}, preexec_fn=self.own, start_new_session=True)
        self.seen = b""

    @staticmethod
    def own():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        self.seen = b""
        os.write(self.master, text.encode())

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.seen += os.read(self.master, 65536)
            return True
        return False

    def shows(self, *texts, seconds=20):
        """One of these texts. Only what changes is drawn, so it is asked to draw all anew until the text is there."""
        until = time.monotonic() + seconds * SLOW
        while not any(text.encode() in self.seen for text in texts):
            if time.monotonic() > until:
                raise Failed(f"not shown within {seconds * SLOW} s: {texts}: {self.seen[-3000:]!r}")
            if not self.read(0.15) and self.process.poll() is None:
                os.write(self.master, b"\x0c")

    def ends(self, code):
        """It has ended so, and the terminal is as it was."""
        wait_until(lambda: self.read(0) or self.process.poll() is not None, "the end", 10)
        wait_until(lambda: not self.read(0.05) and self.process.poll() is not None, "the end", 10)
        equal(self.process.returncode, code, "exit code")
        holds(LEAVES in self.seen, f"the screen is given back: {self.seen[-300:]!r}")
        equal(termios.tcgetattr(self.slave), self.before, "the terminal's settings")


def top(t, *args, fake, **how):
    return t.cassin("top", *args, env={"CASSIN_SOCKET": fake.path}, **how)


def run_ticks(fake, seconds=0.5):
    """Moves the fake daemon's counters on once, between the two samples of `top --once --interval 1`."""
    def tick():
        wait_until(lambda: fake.lists >= 1, "the first sample")
        time.sleep(seconds / 4)
        fake.ticks += 1
    thread = threading.Thread(target=tick)
    thread.start()
    return thread


# ---- once ----

def test_top_once_as_json_tells_exact_rates(t):
    fake = Counted(t, 500)
    tick = run_ticks(fake)
    result = top(t, "--json", "--interval", "1", fake=fake, code=0).json()
    tick.join()
    seconds = result["interval_ns"] / 1e9
    holds(0.99 < seconds < 5, f"the interval: {seconds}")
    equal([g["name"] for g in result["guests"][:2]], ["g-499", "g-498"], "the busiest first")
    first = result["guests"][0]
    for key, per_tick in (("cpu", 0.499), ("exits_per_s", 499), ("accepted_per_s", 998), ("bytes_in_per_s", 1497),
                          ("bytes_out_per_s", 1996)):
        holds(abs(first[key] * seconds - per_tick) < per_tick / 1000, f"{key}: {first[key]} in {seconds} s")
    equal((first["domain"], first["used_bytes"]), ('a "{[quoted]}" \\', 4096 * 500), "domain and memory")
    totals = result["totals"]
    equal((totals["guests"], totals["states"]), (500, {"crashed": 1, "booting": 1, "running": 498}), "guests by state")
    equal((totals["pool_bytes"], totals["used_bytes"], totals["daemon_cpu"]), (4096000, 1024000, None), "totals")
    holds(abs(totals["exits_per_s"] * seconds - 10) < 0.1, f"exits: {totals['exits_per_s']}")


def test_top_once_prints_a_table_in_the_order_asked_for(t):
    fake = Counted(t, 30)
    lines = top(t, "--once", "--interval", "0.1", "--sort", "name", "--reverse", "g-1?", fake=fake, code=0).out.splitlines()
    contains(lines[0], "30 guests: 1 crashed, 1 booting, 28 running")
    contains(lines[1], "2 workers", "1.0 MiB of 3.9 MiB (25.0%)")
    equal(lines[4].split(), ["NAME", "STATE", "CPU%", "MEMORY", "EXITS/S", "ACCEPT/S", "IN/S", "OUT/S", "UPTIME"], "heads")
    equal([line.split()[0] for line in lines[5:]], [f"g-{i}" for i in range(19, 9, -1)], "names")
    for key, first in (("memory", "g-29"), ("uptime", "g-0"), ("state", "g-1")):
        lines = top(t, "--once", "--interval", "0.1", "--sort", key, fake=fake, code=0).out.splitlines()
        equal(lines[5].split()[0], first, f"the first by {key}")


def test_top_says_what_is_wrong(t):
    fake = Counted(t, 1)
    contains(top(t, "--interval", "0", fake=fake, code=2).err, "--interval 0: must be 0.1 to 3600 seconds")
    contains(top(t, "--interval", "1s", fake=fake, code=2).err, "--interval 1s")
    contains(top(t, "--sort", "colour", fake=fake, code=2).err, "--sort colour: no such column")
    one_line(top(t, fake=fake, code=1).err, "needs a terminal", "--once")
    one_line(top(t, "--once", "--interval", "0.1", "nobody", "g-*", fake=fake, code=1).err, 'no guest is named "nobody"')
    one_line(t.cassin("top", "--once", env={"CASSIN_SOCKET": t.path("none.sock")}, code=1).err, "no daemon on")


def test_top_once_sees_who_works(t):
    daemon, port = t.daemon(), t.ports()
    daemon.cassin("spawn", "--name", "busy", "-p", f"{port}:80", t.guest("http"), code=0)
    daemon.cassin("spawn", "-n", "3", "--name", "idle", t.guest("http"), code=0)
    spin = t.compile("spin", "int main(void) { cassin_ready(); for (;;) __asm__ volatile(\"\"); }")
    daemon.cassin("spawn", "-n", "4", "--name", "spin", spin, code=0)
    asking = threading.Event()

    def ask():
        while not asking.is_set():
            http_get(port, "/status")
    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    try:
        result = daemon.cassin("top", "--json", "--interval", "2", code=0).json()
    finally:
        asking.set()
        thread.join()
    guests = {g["name"]: g for g in result["guests"]}
    spinning = sum(guests[f"spin-{i}"]["cpu"] for i in range(4))
    contains(result["guests"][0]["name"], "spin-")
    holds(0.3 < spinning <= result["totals"]["guests_cpu"] < 2.2, f"CPU of the spinning ones: {spinning} {result['totals']}")
    holds(guests["busy"]["accepted_per_s"] > 1 and guests["busy"]["bytes_out_per_s"] > 100, f"requests: {guests['busy']}")
    equal([guests[f"idle-{i}"]["accepted_per_s"] for i in range(3)], [0, 0, 0], "the idle ones")
    holds(result["totals"]["daemon_cpu"] > 0.05, f"the daemon's CPU: {result['totals']}")


# ---- live ----

def test_top_shows_sorts_and_filters(t):
    fake = Counted(t, 5000)
    terminal = Terminal(t, "--interval", "0.2", socket_path=fake.path)
    terminal.shows("5000 guests: 1 crashed, 1 booting, 4998 running")
    terminal.shows("1 to 18 of 5000, by cpu")
    fake.ticks += 1
    terminal.shows("g-4999")
    terminal.type("n")
    terminal.shows("by name")
    terminal.shows("g-17")
    terminal.type("r")
    terminal.shows("reversed")
    terminal.type("/4321\n")
    terminal.shows("1 to 1 of 1")
    terminal.shows("g-4321")
    terminal.type("\x1b")
    terminal.shows("to 18 of 5000")
    terminal.type("/g-77?\n")
    terminal.shows("of 10")
    terminal.type("q")
    terminal.ends(0)


def test_top_scrolls_and_follows_the_terminals_size(t):
    fake = Counted(t, 5000)
    terminal = Terminal(t, "--sort", "name", "--interval", "1", socket_path=fake.path)
    terminal.shows("g-17")
    holds(b"g-18" not in terminal.seen, "only what is in sight is drawn")
    terminal.type("\x1b[6~")
    terminal.shows("19 to 36 of 5000")
    terminal.type("\x1bOF")
    terminal.shows("4983 to 5000 of 5000")
    terminal.shows("g-4999")
    terminal.type("\x1bOH")
    terminal.shows("1 to 18 of 5000")
    terminal.seen = b""
    terminal.resize(40, 60)
    terminal.shows("1 to 34 of 5000")
    terminal.type("\x0c")
    terminal.shows("1 to 34 of 5000")
    holds(b"UPTIME" not in terminal.seen, "columns that do not fit are left out")
    for rows, columns in ((3, 10), (1, 1), (24, 100)):
        terminal.resize(rows, columns)
        time.sleep(0.2)
    terminal.shows("1 to 18 of 5000")
    terminal.type("q")
    terminal.ends(0)


def test_top_answers_keys_while_a_sample_is_under_way(t):
    fake = Counted(t, 20)
    terminal = Terminal(t, "--interval", "0.1", socket_path=fake.path)
    terminal.shows("1 to 18 of 20")
    fake.answer = lambda _method, _target: time.sleep(30)
    time.sleep(0.5)
    terminal.type("m\x0c")
    terminal.shows("by memory", seconds=1)
    terminal.type("q")
    terminal.ends(0)


def test_top_gives_the_terminal_back_on_signals(t):
    fake = Counted(t, 20)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        terminal = Terminal(t, socket_path=fake.path)
        terminal.shows("of 20")
        terminal.process.send_signal(number)
        terminal.ends(-number)
    terminal = Terminal(t, socket_path=fake.path)
    terminal.shows("of 20")
    terminal.type("\x03")
    terminal.ends(-signal.SIGINT)


def test_top_stops_and_continues_as_a_job(t):
    fake = Counted(t, 20)
    terminal = Terminal(t, "--interval", "0.2", socket_path=fake.path)
    terminal.shows("of 20")
    os.kill(terminal.process.pid, signal.SIGSTOP)
    time.sleep(0.3)
    terminal.seen = b""
    os.kill(terminal.process.pid, signal.SIGCONT)
    terminal.type("n")
    terminal.shows("name")
    terminal.type("q")
    terminal.ends(0)


def test_top_ends_with_its_daemon_and_says_so(t):
    daemon = t.daemon()
    terminal = Terminal(t, "--interval", "0.2", socket_path=daemon.socket)
    terminal.shows("0 guests")
    daemon.end()
    terminal.shows("no daemon on", "the daemon closed the connection")
    holds(terminal.seen.index(LEAVES) < terminal.seen.index(b"cassin: "), "the terminal is given back first")
    terminal.ends(1)


def test_top_refuses_a_terminal_that_it_does_not_know(t):
    fake = Counted(t, 1)
    terminal = Terminal(t, socket_path=fake.path, kind="no-such-terminal")
    terminal.shows("set TERM, or use --once")
    equal(terminal.process.wait(10), 1, "exit code")


def test_top_answers_keys_with_thousands_of_guests(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", "3000", "--name", "many", t.guest("http"), code=0, seconds=50)
    terminal = Terminal(t, "--interval", "0.5", socket_path=daemon.socket)
    terminal.shows("of 3000")
    for key, shown in (("n", "by name"), ("e", "by exits"), ("m", "by memory"), ("u", "by uptime")) * 3:
        terminal.type(key + "\x0c")
        terminal.shows(shown)
    terminal.type("q")
    terminal.ends(0)
