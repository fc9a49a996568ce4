# SPDX-License-Identifier: MIT
"""Admission: spawns without room wait in order, or are refused; nothing that runs suffers."""

import json
import signal
import subprocess
import time

from cassin_test import Failed, contains, equal, holds, one_line, stays, wait_until


def names(daemon):
    return sorted(g["name"] for g in daemon.guests())


def sleepers(t, daemon, name, *options):
    return daemon.cassin("spawn", *options, "--name", name, t.guest("life"), "sleep")


def waits(t, daemon, name, *options):
    """A spawn that waits, in the background."""
    return t.start([t.tool("cassin"), "--socket", daemon.socket, "spawn", "--wait", *options, "--name", name,
                    t.guest("life"), "sleep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def full(t, count=3):
    """A daemon with as many guests as it may have, named a-0 ..."""
    daemon = t.daemon("--max-guests", count)
    equal(sleepers(t, daemon, "a", "-n", count).code, 0, "exit code")
    return daemon


def queued(t, daemon, name, *options):
    """A spawn that waits; returns when it is known to be in the queue."""
    process = waits(t, daemon, name, *options)
    wait_until(lambda: "wait" in daemon.request("POST", "/v1/guests", {"name": "probe", "image": t.guest("hello")}).text,
               "somebody waits")
    time.sleep(0.2)
    return process


def test_a_limit_refuses(t):
    daemon = full(t)
    one_line(sleepers(t, daemon, "b").err, "b", "3 guests run", "limit")
    equal(daemon.request("POST", "/v1/guests", {"name": "b", "image": t.guest("hello")}).status, 507, "status")
    daemon.cassin("kill", "a-1", code=0)
    equal(sleepers(t, daemon, "b").code, 0, "exit code")
    equal(sleepers(t, daemon, "c").code, 1, "exit code")
    equal(names(daemon), ["a-0", "a-1", "a-2", "b"], "guests")


def test_a_spawn_past_the_limit_waits_until_others_have_ended(t):
    daemon = full(t)
    process = queued(t, daemon, "b", "-n", "2")
    stays(lambda: names(daemon) == ["a-0", "a-1", "a-2"], "it waits")
    daemon.cassin("kill", "a-0", code=0)
    wait_until(lambda: "b-0" in names(daemon), "the first has its turn")
    stays(lambda: "b-1" not in names(daemon) and process.poll() is None, "the second waits")
    daemon.cassin("rm", "a-1", code=0)
    equal(process.wait(20), 0, "exit code")
    contains(process.stdout.read().decode(), "2 guests running")
    daemon.await_state("b-1", "running")


def fill(t, daemon):
    """Guests that sleep, a few at a time, until the pool has no room for more. Returns those that have booted."""
    def settled():
        guests = daemon.guests()
        return guests if all(g["ready"] or g["needs_memory"] for g in guests) else None
    for i in range(200):
        result = sleepers(t, daemon, f"a{i}", "-n", "20")
        guests = wait_until(settled, "they sleep, or wait for memory")
        if result.code:
            contains(result.err, "pool", "exhausted")
            return [g["name"] for g in guests if g["ready"]]
    raise Failed("the pool is not full")


def test_a_full_pool_makes_a_spawn_wait(t):
    daemon = t.daemon("--pool", "16M", "--memory-wait", 600)
    before = fill(t, daemon)
    process = queued(t, daemon, "b", "-n", "10")
    equal(process.poll(), None, "it waits")
    # Some of the room goes to those that wait for memory, and to what others owe for records and consoles.
    daemon.cassin("rm", *before[:150], code=0)
    equal(process.wait(20), 0, "exit code")
    holds(all(daemon.guest(name)["restarts"] == 0 for name in before[150:170]), "those that run are left alone")


def test_who_came_first_is_first(t):
    daemon = full(t, 1)
    processes = [queued(t, daemon, name) for name in ("b", "c", "d")]
    for process, before, name in zip(processes, ("a-0", "b", "c"), ("b", "c", "d")):
        daemon.cassin("rm", before, code=0)
        equal(process.wait(20), 0, f"exit code of {name}")
        equal(names(daemon), [name], "guests")


def test_a_domain_that_waits_for_memory_holds_no_other_up(t):
    daemon = t.daemon("--pool", "16M", "--memory-wait", 600)
    one_of = daemon.cassin("spawn", "--domain", "theirs", "--name", "first", t.guest("life"), "sleep")
    equal(one_of.code, 0, "exit code")
    equal(sleepers(t, daemon, "a", "-n", "5000").code, 1, "exit code")
    greedy = queued(t, daemon, "b", "-n", "500")
    stays(lambda: greedy.poll() is None, "it waits")
    equal(sleepers(t, daemon, "c").code, 1, "exit code")
    equal(sleepers(t, daemon, "mine", "--domain", "theirs").code, 0, "exit code of who does not wait, in another domain")
    modest = waits(t, daemon, "yours", "--domain", "theirs")
    equal(modest.wait(20), 0, "exit code of who does")
    equal(greedy.poll(), None, "the greedy one waits")


def test_who_does_not_wait_does_not_push_in(t):
    daemon = full(t)
    process = queued(t, daemon, "b", "-n", "2")
    for attempt in (sleepers(t, daemon, "c"), sleepers(t, daemon, "c", "-n", "3")):
        equal(attempt.code, 1, "exit code")
        one_line(attempt.err, "wait")
    daemon.cassin("rm", "--all", code=0)
    equal(process.wait(20), 0, "exit code")
    equal(sleepers(t, daemon, "c").code, 0, "exit code")
    equal(names(daemon), ["b-0", "b-1", "c"], "guests")


def test_a_client_that_goes_away_gives_its_place_up(t):
    daemon = full(t)
    first, second = queued(t, daemon, "b"), queued(t, daemon, "c")
    first.send_signal(signal.SIGKILL)
    first.wait()
    time.sleep(0.6)
    daemon.cassin("rm", "a-0", code=0)
    equal(second.wait(20), 0, "exit code of the second")
    equal(names(daemon), ["a-1", "a-2", "c"], "guests")
    third = queued(t, daemon, "d", "-n", "5")
    third.send_signal(signal.SIGINT)
    third.wait(20)
    time.sleep(0.6)
    daemon.cassin("rm", "--all", code=0)
    stays(lambda: names(daemon) == [], "nobody comes any more", 0.3)
    equal(sleepers(t, daemon, "e").code, 0, "exit code")


def test_rm_takes_a_waiting_guest_out(t):
    daemon = full(t)
    first, second = queued(t, daemon, "b", "-n", "3"), queued(t, daemon, "c")
    equal(daemon.cassin("rm", "c", code=0).out, "c\n", "output")
    equal(second.wait(20), 1, "exit code")
    contains(second.stderr.read().decode(), "c: removed while it waited")
    daemon.cassin("rm", "b-1", code=0)
    one_line(daemon.cassin("rm", "b-1", code=1).err, "b-1")
    one_line(daemon.cassin("rm", "b-3", code=1).err, "b-3")
    daemon.cassin("rm", "--all", code=0)
    equal(first.wait(20), 1, "exit code")
    contains(first.stderr.read().decode(), "b-1: removed while it waited")
    equal(names(daemon), ["b-0", "b-2"], "guests")


def test_an_atomic_spawn_waits_as_a_whole(t):
    daemon = full(t)
    process = queued(t, daemon, "b", "-n", "2", "--atomic")
    daemon.cassin("rm", "a-0", code=0)
    wait_until(lambda: "b-0" in names(daemon), "the first has its turn")
    daemon.cassin("rm", "b-1", code=0)
    equal(process.wait(20), 1, "exit code")
    contains(process.stdout.read().decode(), "taken back")
    wait_until(lambda: names(daemon) == ["a-1", "a-2"], "none remains")


def test_progress_tells_how_many_wait(t):
    daemon = full(t)
    body = json.dumps({"name_prefix": "b", "count": 4, "wait": True, "spec": {"image": t.guest("life"), "args": ["sleep"]}})
    with daemon.connect() as connection:
        connection.sendall(f"POST /v1/spawn HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        seen = b""
        while b'"waiting":4' not in seen:
            seen += connection.recv(65536)
        daemon.cassin("rm", "a-0", code=0)
        while b'"waiting":3' not in seen:
            seen += connection.recv(65536)
    equal(names(daemon), ["a-1", "a-2", "b-0"], "guests")
    wait_until(lambda: "run already" in sleepers(t, daemon, "c").err, "the others are given up")
    daemon.cassin("rm", "--all", code=0)
    stays(lambda: names(daemon) == [], "nobody comes any more", 0.3)


def test_other_mistakes_do_not_wait(t):
    daemon = full(t)
    image = t.guest("life")
    one_line(daemon.cassin("spawn", "--wait", "--name", "x", "absent.elf", code=1).err, "absent.elf")
    equal(daemon.request("POST", "/v1/spawn", {"name_prefix": "x", "wait": "yes", "spec": {"image": image}}).status, 400,
          "status")
    daemon.cassin("rm", "a-0", code=0)
    contains(daemon.cassin("spawn", "--wait", "--name", "a-1", image, "sleep", code=1).err, "a-1")
    daemon.cassin("spawn", "--wait", "--name", "b", image, "sleep", code=0)
    t.run([t.tool("cassind"), "--max-guests", "0"], code=2)
    t.run([t.tool("cassind"), "--max-guests", "many"], code=2)


def test_what_can_never_be_is_refused_in_the_end(t):
    daemon = t.daemon("--pool", "64K")
    result = daemon.cassin("spawn", "--wait", "-n", "3", t.guest("kv"), code=1)
    contains(result.err, "kv-0", "kv-2", "exhausted")


def test_a_daemon_ends_while_guests_wait(t):
    daemon = full(t)
    process = queued(t, daemon, "b", "-n", "10")
    equal(daemon.end(), 0, "exit status")
    equal(process.wait(20), 1, "exit code")


# seconds: 90
def test_many_waiting_requests_are_all_served(t):
    daemon = t.daemon("--max-guests", 5)
    processes = [t.start([t.tool("cassin"), "--socket", daemon.socket, "spawn", "--wait", "-n", "5", "--name", f"g{i}",
                          t.guest("life"), "exit", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for i in range(30)]
    for i, process in enumerate(processes):
        equal(process.wait(60), 0, f"exit code of request {i}")
    equal(len(daemon.guests()), 150, "guests listed")
