# SPDX-License-Identifier: MIT
"""cassin spawn: many at once, and what happens when some of them cannot be had."""

import json
import os
import pty
import re
import signal
import subprocess

from cassin_test import contains, equal, holds, http_get, mistaken, one_line, port_free, wait_until


def count(daemon):
    return len(daemon.guests())


def test_many_guests_each_on_its_own_port(t):
    daemon = t.daemon()
    first = t.ports(50)
    result = daemon.cassin("spawn", "-n", 50, "-p", f"{first}+:80", "--name", "web", t.guest("http"), code=0)
    contains(result.out, "50 guests running")
    equal(result.err, "", "stderr")
    for i in range(50):
        equal(http_get(first + i, "/status").json()["name"], f"web-{i}", f"who answers on port {first + i}")
    guests = daemon.guests()
    equal([g["ports"] for g in guests],
          [[{"host": f"tcp:127.0.0.1:{first + i}", "guest": 80, "refuses": False}] for i in range(50)], "ports")
    holds(all(g["ready"] and g["state"] == "running" for g in guests), "all are ready")


def test_several_ports_and_an_address(t):
    daemon = t.daemon()
    first = t.ports(6)
    daemon.cassin("spawn", "-n", 3, "-p", f"127.0.0.2:{first}+:80", "-p", f"{first + 3}+:81", t.guest("http"), code=0)
    guest = daemon.guest("http-2")
    equal(guest["ports"], [{"host": f"tcp:127.0.0.2:{first + 2}", "guest": 80, "refuses": False},
                           {"host": f"tcp:127.0.0.1:{first + 5}", "guest": 81, "refuses": True}], "ports")
    out = t.run(["curl", "-sS", f"http://127.0.0.2:{first + 1}/status"], code=0)
    equal(out.json()["name"], "http-1", "name")


def test_a_single_guest_without_n_has_the_plain_name(t):
    daemon = t.daemon()
    contains(daemon.cassin("spawn", t.guest("http"), code=0).out, "1 guest running")
    daemon.cassin("spawn", "-n", 1, t.guest("http"), code=0)
    equal([g["name"] for g in daemon.guests()], ["http", "http-0"], "names")


def test_guests_that_end_at_once_are_counted(t):
    daemon = t.daemon()
    contains(daemon.cassin("spawn", "-n", 10, t.guest("hello"), code=0).out, "10 ended with 0")


def test_it_waits_until_the_guests_are_ready(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--timeout", 600, "-n", 5, t.guest("life"), "ready", code=0)
    holds(all(g["ready"] for g in daemon.guests()), "all are ready")


def test_the_wait_is_bounded(t):
    daemon = t.daemon()
    result = daemon.cassin("spawn", "--timeout", 0, "-n", 2, "--cpu-max", "1000 100000", t.guest("hog"), "spin", code=0)
    contains(result.out, "2 still booting")
    contains(daemon.cassin("ps", code=0).out, "booting")


def test_those_that_fail_are_named_with_the_reason(t):
    daemon = t.daemon()
    result = daemon.cassin("spawn", "-n", 3, "--name", "x", t.guest("life"), "exit", "4", code=1)
    contains(result.err, "x-0", "exit code 4")
    contains(result.out, "3 failed")
    result = daemon.cassin("spawn", "-n", 3, "--name", "y", t.guest("life"), "crash", code=1)
    one_line(result.err, "y-0 to y-2 (3 guests): crashed: invalid opcode")
    equal(count(daemon), 6, "guests that stay listed")


def test_a_name_that_is_taken_fails_alone(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "w-2", t.guest("life"), "sleep", code=0)
    result = daemon.cassin("spawn", "-n", 5, "--name", "w", t.guest("life"), "sleep", code=1)
    equal(result.err, "cassin: w-2: a guest of that name exists\n", "the line, which names it once")
    contains(result.out, "4 guests running")
    equal(count(daemon), 5, "guests")


def test_a_port_that_is_taken_fails_alone(t):
    daemon = t.daemon()
    first = t.ports(5)
    daemon.cassin("spawn", "-p", f"{first + 3}:80", "--name", "there", t.guest("http"), code=0)
    result = daemon.cassin("spawn", "-n", 5, "-p", f"{first}+:80", "--name", "w", t.guest("http"), code=1)
    one_line(result.err, "w-3", str(first + 3), "in use")
    equal(http_get(first + 3, "/status").json()["name"], "there", "who answers")
    equal(http_get(first + 4, "/status").json()["name"], "w-4", "who answers")


def test_atomic_leaves_nothing_when_a_port_is_taken(t):
    daemon = t.daemon()
    first = t.ports(20)
    daemon.cassin("spawn", "-p", f"{first + 19}:80", "--name", "there", t.guest("http"), code=0)
    result = daemon.cassin("spawn", "--atomic", "-n", 20, "-p", f"{first}+:80", "--name", "w", t.guest("http"), code=1)
    contains(result.err, "w-19", "in use")
    contains(result.out, "taken back")
    equal([g["name"] for g in daemon.guests()], ["there"], "guests")
    holds(all(port_free(first + i) for i in range(19)), "the ports are free again")


def test_atomic_leaves_nothing_when_one_crashes(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--atomic", "-n", 5, t.guest("life"), "crash", code=1)
    equal(count(daemon), 0, "guests")


def greedy(t):
    """A guest that touches a MiB and then sleeps."""
    return t.compile("greedy", "static volatile char data[1 << 20]; int main(void) { for (unsigned i = 0; i < sizeof data; i += 4096) "
                     "data[i] = 1; cassin_ready(); for (;;) cassin_sleep_until(cassin_now() + 1000000000000ull); }")


def test_a_pool_exhausted_in_the_middle_refuses_the_rest(t):
    daemon = t.daemon("--pool", "32M")
    daemon.cassin("spawn", "--name", "web", t.guest("http"), code=0)
    greedy(t)
    # Each is ready before the next is asked for, so that their memory is taken.
    result = None
    for i in range(60):
        result = daemon.cassin("spawn", "--name", f"g{i}", "greedy.elf")
        if result.code:
            break
    equal(result.code, 1, "exit code at last")
    contains(result.err, "memory")
    running = [g["name"] for g in daemon.guests() if g["state"] == "running"]
    holds(len(running) > 15, f"{len(running)} run")
    contains(daemon.cassin("connect", "web", "80", input="GET / HTTP/1.0\r\n\r\n", code=0).out, "200 OK")
    daemon.cassin("rm", "g*", code=0)
    daemon.cassin("spawn", "--name", "again", "greedy.elf", code=0)


def test_a_pool_exhausted_in_the_middle_of_many(t):
    daemon = t.daemon("--pool", "16M")
    daemon.cassin("spawn", "--name", "web", t.guest("http"), code=0)
    result = daemon.cassin("spawn", "-n", 5000, "--name", "g", t.guest("life"), "sleep", code=1, seconds=50)
    contains(result.err, "pool", "exhausted")
    guests = daemon.guests()
    running = [g for g in guests if g["state"] == "running"]
    holds(20 < len(running) < 5000, f"{len(running)} run")
    # One that is told of as running may want another page when the pool has none: that is its end.
    crashed = [g["name"] for g in guests if g["state"] == "crashed"]
    for name in crashed:
        contains(daemon.guest(name)["report"], "pool")
    told = int(re.search(r"(\d+) guests running, \d+ failed", result.out).group(1))
    holds(0 <= told - (len(running) - 1) <= len(crashed), f"{told} were told of, {len(running) - 1} run, {len(crashed)} crashed")
    contains(daemon.cassin("connect", "web", "80", input="GET / HTTP/1.0\r\n\r\n", code=0).out, "200 OK")
    equal(daemon.guest("web")["restarts"], 0, "restarts of the first")


def test_a_pool_exhausted_in_the_middle_of_an_atomic_spawn(t):
    daemon = t.daemon("--pool", "16M")
    daemon.cassin("spawn", "--name", "web", t.guest("http"), code=0)
    result = daemon.cassin("spawn", "--atomic", "-n", 5000, "--name", "g", t.guest("life"), "sleep", code=1, seconds=50)
    contains(result.err, "pool", "exhausted")
    contains(result.out, "taken back")
    equal([g["name"] for g in daemon.guests()], ["web"], "guests")
    contains(daemon.cassin("connect", "web", "80", input="GET / HTTP/1.0\r\n\r\n", code=0).out, "200 OK")
    contains(daemon.cassin("spawn", "-n", 20, "--name", "again", t.guest("life"), "sleep", code=0).out, "20 guests")


def test_bad_requests_are_refused_as_a_whole(t):
    daemon = t.daemon()
    image = t.guest("hello")
    for options in (["-n", "0"], ["-n", "-1"], ["-n", "100001"], ["-n", "many"], ["--timeout", "601"], ["--nonsense"], []):
        daemon.cassin("spawn", *options, *([image] if options else []), code=2)
    for options, parts in ((["-n", "2", "-p", "9000:80"], ["BASE+"]), (["-p", "unix:x+:80"], ["count up"]), (["--memory", "0"], ["memory"]),
                           (["-n", "3", "-p", "65534+:80"], ["-p 65534+:80: 3 guests need the ports up to 65536"]),
                           (["-n", "600", "-p", "65000+:80"], ["65535"]),
                           (["--restart", "perhaps"], ["--restart perhaps"])):
        mistaken(daemon.cassin("spawn", *options, image), "spawn", *parts)
    one_line(daemon.cassin("spawn", "-n", "10", "--name", "x" * 62, image, code=1).err, "name")
    one_line(daemon.cassin("spawn", "absent.elf", code=1).err, "absent.elf")
    equal(count(daemon), 0, "guests")


def test_without_a_daemon_it_says_how_to_start_one(t):
    result = t.cassin("--socket", t.path("no.sock"), "spawn", t.guest("hello"), code=1)
    one_line(result.err, "no daemon", "cassind --socket", "no.sock")


def test_a_spec_is_multiplied(t):
    daemon = t.daemon()
    first = t.ports(3)
    t.write("web.json", json.dumps({"name": "w", "image": t.guest("http"), "memory": "4M", "restart": "always"}))
    daemon.cassin("spawn", "-n", 3, "--spec", "web.json", "-p", f"{first}+:80", code=0)
    equal([(g["name"], g["memory_bytes"], g["restart"]) for g in daemon.guests()],
          [(f"w-{i}", 4 << 20, "always") for i in range(3)], "guests")


def test_a_progress_bar_on_a_terminal_only(t):
    daemon = t.daemon()
    quiet = daemon.cassin("spawn", "-n", 30, "--name", "q", t.guest("life"), "sleep", code=0)
    equal(quiet.err, "", "stderr that is no terminal")
    ours, theirs = pty.openpty()
    process = t.start([t.tool("cassin"), "--socket", daemon.socket, "spawn", "-n", 300, "--name", "p", t.guest("life"), "ready"],
                      stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    equal(process.wait(30), 0, "exit code")
    contains(shown.decode(errors="replace"), "/300")


def test_a_client_that_goes_away_rolls_an_atomic_spawn_back(t):
    daemon = t.daemon()
    process = t.start([t.tool("cassin"), "--socket", daemon.socket, "spawn", "--atomic", "-n", 200, t.guest("hog"), "spin"],
                      stdout=subprocess.DEVNULL)
    wait_until(lambda: count(daemon) >= 1, "some are there")
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: count(daemon) == 0, "all are taken back")


# seconds: 100
def test_a_thousand_guests_come_and_go(t):
    daemon = t.daemon()
    for _ in range(2):
        result = daemon.cassin("spawn", "-n", 1000, "--json", t.guest("life"), "sleep", code=0, seconds=60).json()
        equal((result["running"], result["failed"]), (1000, []), "summary")
        equal(daemon.cassin("ps", "-q", code=0).out.count("\n"), 1000, "guests listed")
        daemon.cassin("rm", "--all", code=0, seconds=60)
        equal(count(daemon), 0, "guests")
    stats = daemon.request("GET", "/v1/stats", status=200).json()
    equal((stats["spawns"], stats["running"]), (2000, 0), "totals")
