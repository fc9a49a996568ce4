# SPDX-License-Identifier: MIT
"""`cassin run` beside a person: in the background of a shell, under nohup, without a reader, without standard descriptors."""

import os
import pty
import select
import signal
import subprocess
import time

from cassin_test import SLOW, Failed, contains, equal, have, holds, http_get, port_free, wait_until


def wait_exit(process, seconds=20):
    return process.wait(seconds * SLOW)


class Shell:
    """An interactive bash on a terminal of its own."""

    def __init__(self, t):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(t.folder)
            os.environ.update(PS1="$ ", TERM="dumb", PATH=f"{os.path.dirname(t.tool('cassin'))}:{os.environ['PATH']}")
            os.execvp(have("bash"), ["bash", "--norc", "--noprofile", "-i"])
        self.seen = ""

    def type(self, text):
        for c in text:
            os.write(self.fd, c.encode())
            time.sleep(0.01)

    def await_text(self, text, seconds=20):
        end = time.monotonic() + seconds * SLOW
        while text not in self.seen:
            if time.monotonic() > end:
                raise Failed(f"{text!r} did not come: {self.seen!r}")
            if select.select([self.fd], [], [], 1)[0]:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")

    def end(self):
        os.close(self.fd)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def test_a_guest_in_the_background_of_a_shell_runs_on_while_a_person_types(t):
    port = t.ports()
    shell = Shell(t)
    try:
        shell.type(f"cassin run -p {port}:80 {t.guest('http')} &\r")
        wait_until(lambda: not port_free(port), "the port is bound")
        for i in range(3):
            shell.type(f"echo typed-$(({i}+40))\r")
            shell.await_text(f"typed-{i + 40}\r\n")
            equal(http_get(port, "/status").json()["name"], "http", f"its answer after command {i}")
        shell.type("jobs\r")
        shell.await_text("Running")
        holds("Stopped" not in shell.seen, f"nothing was stopped: {shell.seen!r}")
        shell.type("kill %1; wait %1; echo code=$?\r")
        shell.await_text("code=143\r\n")
    finally:
        shell.end()


def test_one_that_comes_to_the_foreground_reads_the_terminal_again(t):
    shell = Shell(t)
    try:
        shell.type(f"cassin run {t.guest('console')} echo &\r")
        shell.type("echo here-$((1+1))\r")
        shell.await_text("here-2\r\n")
        shell.type("fg\r")
        time.sleep(1)  # it looks at whose the terminal is every 0.3 s
        shell.type("said to the guest\r")
        shell.await_text("said to the guest\r\nsaid to the guest\r\n")  # the terminal's echo, and the guest's
    finally:
        shell.end()


def test_what_was_ignored_at_the_start_stays_ignored(t):
    port = t.ports()
    for ignored in (signal.SIGHUP, signal.SIGINT):
        process = t.start([t.tool("cassin"), "run", "-p", f"{port}:80", t.guest("http")], stdin=subprocess.DEVNULL,
                          preexec_fn=lambda number=ignored: signal.signal(number, signal.SIG_IGN))
        wait_until(lambda: not port_free(port), "the port is bound")
        process.send_signal(ignored)
        time.sleep(0.5)
        equal(http_get(port, "/status").json()["name"], "http", "it still answers")
        process.send_signal(signal.SIGTERM)
        equal(wait_exit(process), 143, "exit code")


def test_a_guest_does_not_wait_for_a_reader(t):
    """It writes more than a pipe and the buffer hold; nobody reads; it ends all the same, and so does the command, by one signal."""
    path = t.compile("writer", "static char text[4096]; int main(void) { for (int i = 0; i < 6000; i++)"
                               " cassin_call(CASSIN_CALL_LOG, (uint64_t)text, sizeof text, 0, 0, 0); return 7; }")
    read, write = os.pipe()
    process = t.start([t.tool("cassin"), "run", path], stdin=subprocess.DEVNULL, stdout=write)
    os.close(write)
    time.sleep(1)
    holds(process.poll() is None, "it waits for its reader, not for ever")
    text = b""
    while piece := os.read(read, 1 << 20):
        text += piece
    os.close(read)
    equal(wait_exit(process), 7, "exit code")
    contains(text.decode(), "bytes of console output lost: nobody read them")
    holds(len(text) > 16 << 20, f"{len(text)} bytes were kept for the reader")


def test_a_signal_ends_it_though_nobody_reads(t):
    path = t.compile("writer", "int main(void) { for (;;) cassin_print(\"%078d\\n\", 1); }")
    read, write = os.pipe()
    process = t.start([t.tool("cassin"), "run", path], stdin=subprocess.DEVNULL, stdout=write)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    equal(wait_exit(process), 143, "exit code")
    os.close(read)
    os.close(write)


def test_closed_standard_descriptors_are_never_other_files(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "echo", t.guest("echo"), code=0)
    cassin = t.tool("cassin")
    for command, prints in ((f"{cassin} run {t.guest('hello')}", True), (f"{cassin} --socket {daemon.socket} ps", True),
                            (f"{cassin} --socket {daemon.socket} connect echo 7", False)):
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            done = subprocess.run(["sh", "-c", f"exec {command} {closed}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  timeout=30 * SLOW, check=False)
            unwritten = prints and ">&-" in closed.split()
            equal(done.returncode, 1 if unwritten else 0, f"exit code of {command} {closed}: {done.stderr!r}")
            equal(done.stderr, b"cassin: cannot write to standard output: it is closed\n" if closed == ">&-" and prints else b"", "stderr")
