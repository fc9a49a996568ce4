# SPDX-License-Identifier: MIT
"""What a guest causes is its own: guests that ask for as much work as they can, capped, and beside one that computes."""

import contextlib
import json
import socket
import threading
import time

from cassin_test import equal, have, holds, http_get, one_line, wait_until

STORMS = ("random", "console", "listen", "cancel", "sends")
SECONDS = 4


@contextlib.contextmanager
def sink():
    """A socket that reads all it gets; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def read():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        while connection.recv(1 << 20):
                            pass
        threading.Thread(target=read, daemon=True).start()
        yield server.getsockname()[1]


def spec_of(t, name, kind, port, **more):
    return t.write(f"{name}.json", json.dumps({"name": name, "image": t.guest("storm"), "memory": "16M", "args": [kind], "streams": 8000,
                                         "connect": [{"name": "sink", "target": f"tcp:127.0.0.1:{port}"}], **more}))


def charged(daemon, name):
    counters = daemon.guest(name)["counters"]
    return (counters["virtual_ns"] + counters["work_ns"]) / 1e9


def test_a_cap_holds_for_what_is_done_outside_turns(t):
    """A whole daemon's CPU time is looked at, as what nobody is charged with would be missing from the guest's own figures."""
    with sink() as port:
        for kind in STORMS:
            daemon = t.daemon("--workers", "1")
            daemon.cassin("spawn", "--spec", spec_of(t, "storm", kind, port, cpu_max="1000 100000"), code=0)
            wait_until(lambda d=daemon: charged(d, "storm") > 0, f"{kind}: it runs")
            before, began = daemon.cpu_seconds(), time.monotonic()
            time.sleep(SECONDS)
            used, took = daemon.cpu_seconds() - before, time.monotonic() - began
            holds(daemon.guest("storm")["state"] == "running", f"{kind}: it still runs")
            holds(used <= 0.06 * took, f"{kind}: capped at 1 %, {used / took:.1%} of a CPU were used for it")
            daemon.process.kill()
            daemon.process.wait()


def test_a_storm_takes_no_more_than_its_share(t):
    with sink() as port:
        daemon = t.daemon("--workers", "1")
        daemon.cassin("spawn", "--name", "victim", t.guest("hog"), "spin", code=0)
        for kind in STORMS:
            daemon.cassin("spawn", "--spec", spec_of(t, "storm", kind, port), code=0)
            wait_until(lambda: charged(daemon, "storm") > 0, f"{kind}: it runs")
            before = charged(daemon, "victim"), charged(daemon, "storm"), daemon.cpu_seconds()
            time.sleep(SECONDS)
            victim, storm, both = (now - then for now, then in zip(
                (charged(daemon, "victim"), charged(daemon, "storm"), daemon.cpu_seconds()), before))
            holds(victim >= 0.4 * both, f"{kind}: the neighbour had {victim:.2f} s of {both:.2f} s, the storm {storm:.2f} s")
            daemon.cassin("rm", "storm", code=0)


def test_a_guest_with_all_connections_shuts_nobody_out(t):
    """Neither the operator nor another guest, where the process may have few descriptors."""
    daemon = t.daemon("--workers", "1", prefix=[have("prlimit"), "--nofile=128:128"])
    hog, other = t.ports(), t.ports()
    daemon.cassin("spawn", "--name", "hog", "-p", f"{hog}:7", t.guest("echo"), code=0)
    daemon.cassin("spawn", "--name", "other", "-p", f"{other}:80", t.guest("http"), code=0)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", hog)))
            connection.setblocking(False)
        wait_until(lambda: daemon.guest("hog")["counters"]["accepted"] > 15, "connections are accepted")
        stats = daemon.request("GET", "/v1/stats", status=200).json()
        holds(stats["descriptors"] <= stats["descriptors_most"] == 32, f"descriptors of guests: {stats['descriptors']}")
        holds(daemon.guest("hog")["counters"]["accepted"] <= 24, "the hog has three quarters of them")
        equal(http_get(other, "/status").json()["name"], "other", "the other guest answers")
        for command in (["ps"], ["stats"], ["inspect", "hog"], ["spawn", "--name", "third", t.guest("hello")], ["kill", "hog"]):
            daemon.cassin(*command, code=0)
    daemon.cassin("rm", "--all", code=0)
    equal(daemon.request("GET", "/v1/stats", status=200).json()["descriptors"], 0, "descriptors afterwards")


def test_ports_beyond_what_guests_may_have_are_refused(t):
    daemon = t.daemon("--workers", "1", prefix=[have("prlimit"), "--nofile=128:128"])
    ports = [{"host": f"tcp:127.0.0.1:{t.ports()}", "guest": i + 1} for i in range(30)]
    path = t.write("many.json", json.dumps({"name": "many", "image": t.guest("http"), "ports": ports}))
    one_line(daemon.cassin("spawn", "--spec", path, code=1).err, "many", "descriptors")
    daemon.cassin("spawn", t.guest("hello"), code=0)
