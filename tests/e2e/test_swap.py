# SPDX-License-Identifier: MIT
"""A swap file that hangs, as on a disk that does not answer: it harms those whose memory is being read from it, and nobody else."""

import os
import signal
import socket

from cassin_test import contains, equal, holds, http_get, receive, stays, wait_until
from hanging import Hanging, paths_hang

PARKS = ("--workers", "1", "--park", "1")


def swapping(t):
    """A daemon of one worker, with four guests of which nothing is in memory."""
    hanging = Hanging(t, *PARKS, "--swap", t.path("swap"))
    port = t.ports(4)
    hanging.daemon.cassin("spawn", "-n", 4, "--name", "w", "-p", f"{port}+:80", t.guest("http"), code=0)
    swapped(hanging.daemon, ["w-0", "w-1", "w-2", "w-3"])
    return hanging, hanging.daemon, port


def swapped(daemon, names):
    def out_of_memory(name):
        guest = daemon.guest(name)
        return guest["parked"] and guest["account"]["parked"] == 0
    wait_until(lambda: all(out_of_memory(name) for name in names), "they are in the swap file")


def send(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.sendall(b"GET /status HTTP/1.0\r\n\r\n")
    return client


def test_a_read_of_the_swap_file_that_hangs_holds_up_its_guest_alone(t):
    hanging, daemon, port = swapping(t)
    with paths_hang(hanging, "reads", 2):
        clients = [send(port), send(port + 1)]
        for _ in range(3):
            for other in (2, 3):
                contains(http_get(port + other, "/status").text, f"w-{other}")
            swapped(daemon, ["w-2", "w-3"])
        contains(daemon.cassin("ps", code=0).out, "w-0", "w-3")
        stays(lambda: daemon.guest("w-0")["parked"], "it waits for the file", 0.3)
        holds(0 < daemon.guest("w-0")["account"]["parked"] < 65536, "where it is read to is its own memory")
        daemon.cassin("kill", "w-1", code=0)
        equal(daemon.guest("w-1")["state"], "killed", "state of one whose memory was being read")
        daemon.cassin("restart", "w-1", code=0)
        contains(http_get(port + 1, "/status").text, "w-1")
    contains(receive(clients[0]).decode(), '"name":"w-0"')
    for client in clients:
        client.close()
    daemon.cassin("rm", "--all", code=0)
    wait_until(lambda: daemon.request("GET", "/v1/stats", status=200).json()["swap_bytes"] == 0, "nothing is left in the file")


def test_writes_to_the_swap_file_that_hang_hold_up_nobody(t):
    """Who is parked has its memory compressed here until it is there."""
    hanging = Hanging(t, *PARKS, "--swap", t.path("swap"))
    daemon, port = hanging.daemon, t.ports(30)
    with paths_hang(hanging, "writes", 1000):
        daemon.cassin("spawn", "-n", 30, "--name", "w", "-p", f"{port}+:80", t.guest("http"), code=0)
        for requests in (1, 2):
            wait_until(lambda: daemon.request("GET", "/v1/stats", status=200).json()["parked"] == 30, "all are parked")
            for i in range(30):
                equal(http_get(port + i, "/status").json()["requests"], requests, "requests that it remembers")
        daemon.cassin("kill", "w-1?", code=0)
        daemon.cassin("restart", "w-1?", code=0)
        for i in range(10, 20):
            equal(http_get(port + i, "/status").json()["requests"], 1, "requests since it was restarted")
        wait_until(lambda: daemon.request("GET", "/v1/stats", status=200).json()["parked"] == 30, "all are parked")
        holds(all(guest["account"]["parked"] for guest in map(daemon.guest, ("w-0", "w-15"))), "here, and counted")
    for i in range(30):
        http_get(port + i, "/status")
    swapped(daemon, [f"w-{i}" for i in range(30)])
    daemon.cassin("rm", "--all", code=0)
    wait_until(lambda: daemon.request("GET", "/v1/stats", status=200).json()["swap_bytes"] == 0, "nothing is left in the file")


def test_the_daemon_ends_while_its_swap_file_hangs(t):
    hanging, daemon, port = swapping(t)
    with paths_hang(hanging, "reads", 1), send(port):
        wait_until(lambda: daemon.guest("w-0")["account"]["parked"], "it is being read")
        equal(daemon.end(signal.SIGTERM, 40), 0, "exit code")
    holds(not os.path.exists(t.path("swap")), "the file is gone")
