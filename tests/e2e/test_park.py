# SPDX-License-Identifier: MIT
"""Guests whose memory is compressed while they wait."""

import os
import signal
import socket
import time

from cassin_test import contains, equal, holds, http_get, wait_until


def all_parked(daemon, n):
    wait_until(lambda: daemon.request("GET", "/v1/stats", status=200).json()["parked"] == n, f"{n} are parked")


def test_idle_guests_are_parked_and_answer_all_the_same(t):
    daemon = t.daemon("--park", "1")
    port = t.ports(20)
    daemon.cassin("spawn", "-n", 20, "-p", f"{port}+:80", "--name", "w", t.guest("http"), code=0)
    for i in range(20):
        http_get(port + i, "/")
    all_parked(daemon, 20)
    contains(daemon.cassin("ps", "w-3", code=0).out, "parked")
    holds(daemon.guest("w-3")["used_bytes"] == 0, "no frames are left to it")
    for i in range(20):
        answer = http_get(port + i, "/status").json()
        equal((answer["name"], answer["requests"]), (f"w-{i}", 2), "who answers, and what it remembers")
    all_parked(daemon, 20)
    equal({g["restarts"] for g in daemon.guests()}, {0}, "restarts")


def test_an_open_connection_survives(t):
    daemon = t.daemon("--park", "1")
    port = t.ports()
    daemon.cassin("spawn", "--name", "db", "-p", f"{port}:6379", t.guest("kv"), code=0)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"SET a 1\r\n")
        equal(connection.recv(100), b"+OK\r\n", "answer")
        all_parked(daemon, 1)
        connection.sendall(b"GET a\r\n")
        equal(connection.recv(100), b"$1\r\n1\r\n", "answer after parking")


def test_clones_are_parked(t):
    daemon = t.daemon("--park", "1")
    daemon.cassin("template", "create", "web", t.guest("http"), code=0)
    daemon.cassin("spawn", "-n", 200, "--name", "c", "--template", "web", code=0)
    all_parked(daemon, 200)
    for i in (0, 77, 199):
        answer = daemon.cassin("connect", f"c-{i}", "80", input="GET /status HTTP/1.0\r\n\r\n", code=0).out
        contains(answer, f'"name":"c-{i}"')


def swapping(t, *options):
    path = t.path("swap")
    daemon = t.daemon("--park", "1", "--swap", path, *options)
    daemon.cassin("spawn", "-n", 10, "--name", "w", t.guest("http"), code=0)
    all_parked(daemon, 10)
    return daemon, path


def ask(daemon, name, code=0):
    return daemon.cassin("connect", name, "80", input="GET /status HTTP/1.0\r\n\r\n", code=code).out


def test_parked_guests_go_to_the_swap_file_and_come_back(t):
    daemon, path = swapping(t)
    holds(daemon.request("GET", "/v1/stats", status=200).json()["swap_bytes"] >= 5120, "the file has them")
    for i in range(10):
        contains(ask(daemon, f"w-{i}"), f'"name":"w-{i}"')
    daemon.cassin("rm", "--all", code=0)
    equal(daemon.request("GET", "/v1/stats", status=200).json()["swap_bytes"], 0, "bytes left in the file")
    equal(daemon.end(), 0, "exit code")
    holds(not os.path.exists(path), "the file is gone")


def test_memory_goes_back_to_the_host(t):
    daemon = t.daemon("--park", "1", "--swap", t.path("memory.swap"))
    daemon.cassin("template", "create", "web", t.guest("http"), code=0)
    before = daemon.pss_kib()
    daemon.cassin("spawn", "-n", 400, "--name", "c", "--template", "web", code=0)
    peak = daemon.pss_kib() - before
    holds(peak > 400 * 16, f"{peak} KiB for 400 clones that run")
    all_parked(daemon, 400)
    wait_until(lambda: daemon.pss_kib() - before < 400 * 6, f"the memory of 400 parked clones of {peak} KiB is given back")


def test_a_corrupted_swap_file_ends_whom_it_hits(t):
    daemon, path = swapping(t)
    with open(path, "r+b") as file:
        file.seek(512)
        file.write(b"\xff" * 512)
    answers = [ask(daemon, f"w-{i}", code=None) for i in range(10)]  # the one that is hit may take its connection with it
    wait_until(lambda: [g["state"] for g in daemon.guests()].count("crashed") == 1, "one has ended")
    lost = next(g["name"] for g in daemon.guests() if g["state"] == "crashed")
    contains(daemon.request("GET", f"/v1/guests/{lost}/report", status=200).text, "swap file")
    for i in range(10):
        if lost != f"w-{i}":
            contains(answers[i], f'"name":"w-{i}"')


def test_a_full_swap_file_takes_no_more(t):
    daemon, _ = swapping(t, "--swap-size", "2K")
    for i in range(10):
        contains(ask(daemon, f"w-{i}"), f'"name":"w-{i}"')


def test_no_other_file_is_ever_overwritten(t):
    path = t.write("precious", "do not lose this")
    contains(t.run([t.tool("cassind"), "--socket", t.path("x.sock"), "--swap", path], code=3).err, "is no swap file")
    with open(path, encoding="utf-8") as file:
        equal(file.read(), "do not lose this", "the file")


def test_a_swap_file_that_was_left_behind_is_taken_over(t):
    daemon, path = swapping(t)
    contains(t.run([t.tool("cassind"), "--socket", t.path("x.sock"), "--swap", path], code=3).err, "another process")
    daemon.end(signal.SIGKILL)
    holds(os.path.exists(path), "it is there")
    again = t.daemon("--park", "1", "--swap", path)
    again.cassin("spawn", t.guest("http"), code=0)
    all_parked(again, 1)


def test_what_is_not_idle_is_not_parked(t):
    daemon = t.daemon("--park", "1")
    daemon.cassin("spawn", "--name", "hog", t.guest("hog"), "spin", code=0)
    time.sleep(2)
    equal(daemon.guest("hog")["parked"], False, "parked")


def test_bad_times_are_refused(t):
    contains(t.run([t.tool("cassind"), "--park", "soon"], code=2).err, "--park soon")


LARGE = """
static unsigned long *words(void) { return (unsigned long *)((cassin_boot->heap + 8191) & ~4095ul); }
int main(void)
{
	unsigned long n = 24ul << 20 >> 3, wrong = 0;
	for (unsigned long i = 0; i < n; i++)
		words()[i] = i * 0x9e3779b97f4a7c15ul;
	cassin_call0(CASSIN_CALL_READY);
	for (int round = 0; round < 3; round++) {
		cassin_enter(0, 0, cassin_now() + 4000000000ul);
		for (unsigned long i = 0; i < n; i++)
			wrong += words()[i] != i * 0x9e3779b97f4a7c15ul;
	}
	return wrong != 0;
}
"""


def test_a_large_guest_is_parked_in_pieces_and_is_the_same_afterwards(t):
    """In memory and into a swap file. What is parked is counted; nothing is left when it has ended."""
    path = t.compile("large", LARGE)
    for options in ([], ["--swap", t.path("swap")]):
        daemon = t.daemon("--park", "1", "--workers", "1", *options)
        daemon.cassin("spawn", "--name", "large", "--memory", "40M", path, code=0)
        wait_until(lambda d=daemon: d.guest("large")["parked"], "it is parked")
        holds(daemon.guest("large")["used_bytes"] == 0, "no frames are left to it")
        stats = daemon.request("GET", "/v1/stats", status=200).json()
        equal(stats["swap_bytes"] > 0, bool(options), "bytes in the swap file")
        equal(daemon.await_state("large", "exited", 60)["exit_code"], 0, "every word is as it was")
        equal(daemon.request("GET", "/v1/stats", status=200).json()["swap_bytes"], 0, "bytes in the swap file afterwards")
        daemon.process.kill()
        daemon.process.wait()


def test_a_large_guest_that_is_woken_while_it_is_parked_goes_on(t):
    """By its own deadlines, at random moments of the parking; and others are killed in it."""
    path = t.compile("restless", LARGE.replace("round < 3", "round < 12").replace("+ 4000000000ul", "+ 1000000000ul + round * 15000000ul"))
    daemon = t.daemon("--park", "1", "--workers", "1", "--swap", t.path("swap"))
    for name in ("a", "b", "c"):
        daemon.cassin("spawn", "--name", name, "--memory", "40M", path, code=0)
    time.sleep(2)
    daemon.cassin("rm", "b", code=0)
    for name in ("a", "c"):
        equal(daemon.await_state(name, "exited", 120)["exit_code"], 0, "every word is as it was")
    daemon.cassin("rm", "--all", code=0)
    equal(daemon.request("GET", "/v1/stats", status=200).json()["swap_bytes"], 0, "bytes in the swap file afterwards")
