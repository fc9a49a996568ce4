# SPDX-License-Identifier: MIT
"""Shares of the CPU: weights while others want it, caps always."""

import time

from cassin_test import contains, equal, holds, http_get, mistaken, wait_until

SECONDS = 3


def hogs(t, daemon, *options):
    """A hog for each set of options: hog-0, hog-1, ..."""
    for i, own in enumerate(options):
        daemon.cassin("spawn", "--name", f"hog-{i}", *own, t.guest("hog"), "spin", code=0)


def preemptions(daemon):
    return daemon.request("GET", "/v1/stats", status=200).json()["preemptions"]


def virtual_seconds(daemon, count):
    return [daemon.guest(f"hog-{i}")["counters"]["virtual_ns"] / 1e9 for i in range(count)]


def run_times(daemon, count, seconds=SECONDS):
    """Virtual seconds of each hog, and how long was watched."""
    began, before = time.monotonic(), virtual_seconds(daemon, count)
    time.sleep(seconds)
    after, took = virtual_seconds(daemon, count), time.monotonic() - began
    return [b - a for a, b in zip(before, after)], took


def capped(got, took, quota_ms, period_ms):
    """It ran, and never for more than its quota in each period, the one at either end included, and a slice's overrun."""
    most = (took * 1000 / period_ms + 2) * quota_ms / 1000
    holds(0 < got <= 1.1 * most, f"it ran for {got:.3f} s of {took:.3f} s, capped at {quota_ms} ms of each {period_ms}")


def near(got, want, part, what):
    holds(abs(got - want) <= part * want, f"{what}: {got:.3f}, not {want:.3f} within {part:.0%}")


def shares(daemon, *wanted):
    """Watched for as long as it takes on a host whose other processes take turns away: who shares otherwise never comes near."""
    before, deadline = virtual_seconds(daemon, len(wanted)), time.monotonic() + 40
    while True:
        time.sleep(1)
        times = [b - a for a, b in zip(before, virtual_seconds(daemon, len(wanted)))]
        got = [each / sum(times) for each in times]
        if all(abs(share - want) <= 0.1 * want for share, want in zip(got, wanted)) or time.monotonic() > deadline:
            break
    for i, want in enumerate(wanted):
        near(got[i], want, 0.1, f"share of hog-{i}")


def test_a_worker_is_shared_by_weight(t):
    daemon = t.daemon("--workers", "1")
    hogs(t, daemon, ["--weight", "100"], ["--weight", "300"], ["--weight", "600"])
    shares(daemon, 0.1, 0.3, 0.6)


def test_equal_weights_share_equally_whatever_they_are(t):
    daemon = t.daemon("--workers", "1")
    hogs(t, daemon, ["--weight", "10000"], ["--weight", "10000"])
    shares(daemon, 0.5, 0.5)


def test_one_alone_has_it_all_whatever_its_weight(t):
    daemon = t.daemon("--workers", "1")
    hogs(t, daemon, ["--weight", "1"])
    before = daemon.guest("hog-0")["counters"]["virtual_ns"]
    wait_until(lambda: daemon.guest("hog-0")["counters"]["virtual_ns"] - before > 1e9, "it runs for a second")  # not a hundred


def test_a_cap_holds_with_nobody_else_there(t):
    daemon = t.daemon("--workers", "1")
    hogs(t, daemon, ["--cpu-max", "20000 100000"])
    times, took = run_times(daemon, 1)
    capped(times[0], took, 20, 100)


def test_what_a_cap_leaves_goes_to_others(t):
    daemon = t.daemon("--workers", "1")
    hogs(t, daemon, ["--cpu-max", "1000 10000", "--weight", "10000"], [])
    times, took = run_times(daemon, 2)
    capped(times[0], took, 1, 10)
    holds(times[1] > 3 * times[0], f"the other ran for {times[1]:.2f} s beside {times[0]:.2f} s")


def test_a_capped_guest_still_answers(t):
    daemon = t.daemon("--workers", "1")
    port = t.ports()
    daemon.cassin("spawn", "--name", "web", "--cpu-max", "5000 50000", "-p", f"{port}:80", t.guest("http"), code=0)
    hogs(t, daemon, [], [])
    for _ in range(20):
        equal(http_get(port, "/status", seconds=5).json()["name"], "web", "name")


def test_a_capped_guest_can_be_stopped_killed_and_restarted(t):
    daemon = t.daemon("--workers", "1")
    hogs(t, daemon, ["--cpu-max", "1000 1000000"], ["--cpu-max", "1000 1000000"])
    time.sleep(0.3)
    daemon.cassin("stop", "-t", "1", "hog-0", code=0)
    daemon.cassin("restart", "hog-1", code=0)
    daemon.cassin("kill", "hog-1", code=0)
    equal({g["state"] for g in daemon.guests()}, {"killed"}, "states")


def test_a_light_guest_that_sleeps_answers_beside_heavy_hogs(t):
    daemon = t.daemon("--workers", "1")
    port = t.ports()
    daemon.cassin("spawn", "--name", "web", "--weight", "10", "-p", f"{port}:80", t.guest("http"), code=0)
    hogs(t, daemon, *[["--weight", "100"]] * 4)
    slices = []
    for _ in range(30):
        before = preemptions(daemon)
        equal(http_get(port, "/status").status, 200, "status")
        slices.append(preemptions(daemon) - before)
    # It weighs a fortieth of them: were it to wait for its share, they would have forty slices for each of its own.
    holds(min(slices) <= 10, f"while it was asked the hogs had so many slices: {slices}")


def test_restarts_keep_weight_and_cap(t):
    daemon = t.daemon("--workers", "1")
    hogs(t, daemon, ["--cpu-max", "20000 100000", "--weight", "50"])
    daemon.cassin("restart", "hog-0", code=0)
    guest = daemon.guest("hog-0")
    equal((guest["weight"], guest["cpu_max"]), (50, "20000 100000"), "guest")
    times, took = run_times(daemon, 1, 2)
    capped(times[0], took, 20, 100)


def test_they_are_shown(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "a", "--weight", "250", "--cpu-max", "max 50000", t.guest("life"), "sleep", code=0)
    daemon.cassin("spawn", "--name", "b", t.guest("life"), "sleep", code=0)
    guest = daemon.guest("a")
    equal((guest["weight"], guest["cpu_max"], guest["spec"]["weight"], guest["spec"]["cpu_max"]),
          (250, "max 50000", 250, "max 50000"), "guest")
    equal((daemon.guest("b")["weight"], daemon.guest("b")["cpu_max"]), (100, "max 100000"), "defaults")
    shown = [line.split() for line in daemon.cassin("inspect", "a", code=0).out.splitlines()]
    contains(shown, ["weight", "250"], ["cpu", "max", "max", "50000"])


def test_what_cannot_be_is_refused(t):
    daemon = t.daemon()
    image = t.guest("hello")
    for key, values in (("weight", (0, 10001, -1, "100", 1.5)),
                        ("cpu_max", ("0", "999", "max 999", "max 1000001", "64001 1000", "5 5 5", "half", "", 50000))):
        for value in values:
            answer = daemon.request("POST", "/v1/guests", {"name": "x", "image": image, key: value}, status=400)
            contains(answer.json()["error"], key)
    for options in (["--weight", "0"], ["--weight", "ten"], ["--cpu-max", "half"]):
        for command in ("spawn", "run"):
            mistaken(daemon.cassin(command, *options, image), command, " ".join(options))
    mistaken(daemon.cassin("spawn", "--cpu-max", "999", image), "spawn", "cpu_max")
    equal(daemon.guests(), [], "guests")
