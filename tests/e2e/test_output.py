# SPDX-License-Identifier: MIT
"""Where output goes nowhere, and requests that come in pieces or from others' clients: one line with the cause, or none."""

import json
import subprocess
import time

from cassin_test import SLOW, contains, equal, holds, one_line, parse_answer, receive
from fake_daemon import FakeDaemon

NO_SPACE = "cassin: cannot write to standard output: No space left on device\n"


def into_full_disk(t, daemon, *args, text=""):
    with open("/dev/full", "wb") as full:
        command = [t.tool("cassin"), *(["--socket", daemon.socket] if daemon else []), *args]
        return subprocess.run(command, input=text, stdout=full, stderr=subprocess.PIPE, timeout=30 * SLOW, text=True, check=False)


def test_a_full_disk_is_said_by_every_command(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "echo", t.guest("echo"), code=0)
    daemon.cassin("spawn", "--name", "said", t.guest("hello"), code=0)
    for args in (["ps"], ["stats"], ["inspect", "echo"], ["logs", "said"], ["logs", "-f", "said"], ["top", "--once"], ["help"],
                 ["connect", "echo", "7"], ["conformance", "--list"]):
        done = into_full_disk(t, daemon, *args, text="hello\n")
        equal((done.returncode, done.stderr), (1, NO_SPACE), f"code and message of {args}")
    done = subprocess.run(f"{t.tool('cassin')} --socket {daemon.socket} trace echo >/dev/full & sleep 1;"
                          f"echo hi | {t.tool('cassin')} --socket {daemon.socket} connect echo 7; wait $!", shell=True,
                          capture_output=True, text=True, timeout=30 * SLOW, check=False)
    equal((done.returncode, done.stderr), (1, NO_SPACE), "trace")


def commands(t):
    return [line.split()[0] for line in t.cassin("help", code=0).out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]


def test_help_that_goes_nowhere_is_no_success(t):
    names = commands(t)
    holds(len(names) > 15, f"{len(names)} commands")
    for name in names:
        done = into_full_disk(t, None, *(["help", "ps"] if name == "help" else [name, "--help"]))
        equal((done.returncode, done.stderr), (1, NO_SPACE), f"code and message of {name}")
        closed = subprocess.run(["bash", "-c", f"{t.tool('cassin')} {'help' if name == 'help' else name + ' -h'} >&-"],
                                capture_output=True, text=True, timeout=30 * SLOW, check=False)
        equal((closed.returncode, closed.stderr), (1, "cassin: cannot write to standard output: it is closed\n"), f"{name}, closed")
    load = subprocess.run(["bash", "-c", f"{t.tool('cassin-load')} --help >/dev/full"], capture_output=True, text=True,
                          timeout=30 * SLOW, check=False)
    equal(load.returncode, 1, "code of the load client")


def test_errors_are_one_line_without_control_characters(t):
    """Whatever was typed, or came from a list of names."""
    daemon, bad = t.daemon(), "a\x1bc\nb\x7f\u009b"
    for args in (["ps"], ["inspect"], ["kill"], ["rm"], ["logs"], ["stats"], ["trace"], ["restart"], ["stop"], ["debug"], ["run"],
                 ["spawn"], ["template", "rm"], ["top", "--sort"], ["conformance"], ["density"], ["run", "--memory"], ["new"],
                 ["connect", bad], ["template", "create", "x"], ["run", "--spec"]):
        said = daemon.cassin(*args, bad).err
        holds(said.startswith("cassin"), f"an error of {args}: {said!r}")
        equal([c for c in said.replace("\n", "") if ord(c) < 32 or 127 <= ord(c) < 160], [], f"control characters of {args}: {said!r}")
        lines = said.splitlines()
        holds(len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("Try: cassin help")), f"lines of {args}: {said!r}")
    for options in (["--park", bad], [bad]):
        said = t.run([t.tool("cassind"), *options], code=2).err
        equal([c for c in said.replace("\n", "") if ord(c) < 32], [], f"control characters: {said!r}")
        holds(len(said.splitlines()) <= 2, f"lines: {said!r}")


def test_a_folder_is_no_image(t):
    daemon = t.daemon()
    for args, code in ((["run", "/"], 125), (["run", t.folder], 125), (["spawn", "/"], 1), (["spawn", "--name", "g", "/"], 1),
                       (["template", "create", "x", "/"], 1)):
        one_line(daemon.cassin(*args, code=code).err, "not a regular file, but a folder")
    for args, code in ((["run", ""], 125), (["spawn", ""], 1)):
        one_line(daemon.cassin(*args, code=code).err, 'cannot find the image "": No such file')


def test_the_daemon_says_that_a_disk_is_full(t):
    for option in ("--help", "--version"):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([t.tool("cassind"), option], stdout=full, stderr=subprocess.PIPE, timeout=30 * SLOW, text=True,
                                  check=False)
        equal((done.returncode, done.stderr), (1, NO_SPACE.replace("cassin:", "cassind:")), f"code and message of {option}")


def test_run_says_that_a_disk_is_full_though_its_guest_has_ended(t):
    for image in ("hello", t.compile("talks", "int main(void) { for (;;) cassin_print(\"%078d\\n\", 1); }")):
        done = into_full_disk(t, None, "run", t.guest(image) if image == "hello" else image)
        equal((done.returncode, done.stderr), (1, NO_SPACE), f"code and message of {image}")


def test_a_reader_that_has_gone_is_no_news(t):
    image = t.compile("talks", "int main(void) { for (;;) cassin_print(\"%078d\\n\", 1); }")
    done = subprocess.run(["bash", "-c", f"{t.tool('cassin')} run {image} | head -n 1 >/dev/null; exit ${{PIPESTATUS[0]}}"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30 * SLOW, check=False)
    equal((done.returncode, done.stderr), (141, ""), "code and message")


# ---- Requests ----

def test_an_expectation_may_come_in_any_pieces(t):
    daemon = t.daemon()
    body = json.dumps({"name": "g", "image": t.guest("hello")}).encode()
    head = b"POST /v1/guests HTTP/1.1\r\nHost: c\r\nExpect: 100-%s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    for value, expected in ((b"Continue", True), (b"continues", False)):
        with daemon.connect() as connection:
            text = head % (value, len(body))
            cut = text.index(b"100-") + 6
            connection.sendall(text[:cut])
            time.sleep(0.3)
            connection.sendall(text[cut:])
            if expected:
                contains(connection.recv(100).decode(), "100 Continue")
            connection.sendall(body)
            contains(receive(connection).decode(), "HTTP/1.1 201 Created" if expected else "HTTP/1.1 409 ")


def test_targets_may_be_in_absolute_form(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "g", t.guest("hello"), code=0)
    ask = "GET {} HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n"
    for target, status in (("http://cassin/v1/version", 200), ("HTTP://a.b:80/v1/guests/g/log?x=1", 200),
                           ("http://cassin/v1/guests?a", 200),
                           ("http://cassin", 404), ("http://cassin?x", 404), ("http://cassin/nothing", 404), ("http:///v1/version", 404),
                           ("ftp://cassin/v1/version", 404)):
        answer = parse_answer(daemon.raw(ask.format(target).encode()))
        equal(answer.status, status, f"status of {target}: {answer.text}")


# ---- Guests that go while a command works its way through a list ----

def fake_daemon(t, gone):
    """Lists three guests, of which those in `gone` are not there when they are asked for."""
    def answer(method, target):
        name = target.removeprefix("/v1/guests/").partition("/")[0]
        if method == "GET" and target == "/v1/guests":
            return 200, {"guests": [{"name": f"g-{i}"} for i in range(3)]}
        if name in gone:
            return 404, {"error": f"no guest is named {name}"}
        return 200, {"name": name, "state": "exited"}
    return FakeDaemon(t, answer).path


def test_guests_that_others_have_removed_meanwhile_are_no_failure_of_a_pattern(t):
    path = fake_daemon(t, {"g-0", "g-1"})
    for command in (["rm"], ["kill"], ["stop"]):
        for pattern in (["--all"], ["g-*"]):
            done = t.cassin("--socket", path, *command, *pattern, code=0)
            equal((done.out, done.err), ("g-2\n", ""), f"output of {command} {pattern}")
        one_line(t.cassin("--socket", path, *command, "g-1", code=1).err, "no guest is named g-1")
