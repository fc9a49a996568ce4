# SPDX-License-Identifier: MIT
"""Guests in a daemon, one by one: ps, inspect, logs, stop, kill, restart, rm, stats, restart policies."""

import json
import os
import re
import signal
import subprocess
import time

from cassin_test import contains, equal, holds, http_get, one_line, wait_until


def spawn(daemon, name, *args, options=()):
    daemon.cassin("spawn", "--name", name, *options, *args, code=0)


def sleeper(t, daemon, *names):
    for name in names:
        spawn(daemon, name, t.guest("life"), "sleep")


def names(daemon):
    return [g["name"] for g in daemon.guests()]


def test_ps_shows_a_table_for_people(t):
    daemon = t.daemon()
    equal(daemon.cassin("ps", code=0).out.count("\n"), 1, "lines without a guest")
    sleeper(t, daemon, "one", "two")
    spawn(daemon, "done", t.guest("hello"))
    daemon.await_state("done", "exited")
    lines = daemon.cassin("ps", code=0).out.splitlines()
    equal(len(lines), 4, "lines")
    contains(lines[0], "NAME", "STATE", "MEMORY")
    contains(lines[1], "one", "running")
    contains(lines[3], "done", "exited")
    equal([line for line in lines if line != line.rstrip()], [], "lines with blanks at their end")


def test_ps_by_name_glob_and_quiet(t):
    daemon = t.daemon()
    sleeper(t, daemon, "web-0", "web-1", "db")
    equal(daemon.cassin("ps", "-q", code=0).out, "web-0\nweb-1\ndb\n", "names")
    equal(daemon.cassin("ps", "-q", "web-*", code=0).out, "web-0\nweb-1\n", "names")
    equal(daemon.cassin("ps", "-q", "web-[!0]", "db", code=0).out.split(), ["web-1", "db"], "names")
    equal(daemon.cassin("ps", "-q", "nothing*", code=0).out, "", "names")
    result = daemon.cassin("ps", "-q", "nobody", "web-1", code=1)
    one_line(result.err, 'no guest is named "nobody"')
    equal(result.out, "web-1\n", "names")
    equal(daemon.cassin("ps", "nobody", code=1).out, "", "a table of none")


def test_json_everywhere_is_one_document(t):
    daemon = t.daemon()
    result = daemon.cassin("spawn", "--json", "-n", 2, "--name", "g", t.guest("life"), "sleep", code=0).json()
    equal((result["count"], result["running"], result["failed"]), (2, 2, []), "summary")
    equal([g["name"] for g in daemon.cassin("ps", "--json", code=0).json()["guests"]], ["g-0", "g-1"], "ps")
    shown = daemon.cassin("inspect", "--json", "g-0", code=0).json()
    equal([g["name"] for g in shown], ["g-0"], "inspect")
    contains(json.dumps(shown[0]), "spec", "counters", "report")
    equal(len(daemon.cassin("inspect", "--json", "--all", code=0).json()), 2, "inspect --all")
    equal(daemon.cassin("stats", "--json", code=0).json()["running"], 2, "stats")
    equal([g["name"] for g in daemon.cassin("stats", "--json", "g-*", code=0).json()], ["g-0", "g-1"], "stats of guests")
    version = daemon.cassin("version", "--json", code=0).json()
    equal(version["daemon"]["version"], version["client"], "version")


def test_inspect_for_people(t):
    daemon = t.daemon()
    spawn(daemon, "g", t.guest("life"), "sleep", options=("--memory", "2M", "--domain", "d"))
    text = daemon.cassin("inspect", "g", code=0).out
    contains(text, "of 2.0 MiB", '"sleep"')
    for key, value in (("name", "g"), ("state", "running"), ("domain", "d"), ("work outside turns", "")):
        holds(re.search(f"^{key:19} {value}", text, re.MULTILINE), f"{key} is told, in its column")
    result = daemon.cassin("inspect", "g", "nobody", code=1)
    one_line(result.err, "nobody")
    contains(result.out, f"{'name':19} g\n")


def test_globs_that_match_nothing_are_an_error(t):
    daemon = t.daemon()
    for command in ("inspect", "logs", "stop", "kill", "restart", "rm", "stats"):
        one_line(daemon.cassin(command, "no-*", code=1).err, "no-*")
        daemon.cassin(command, "nobody", code=1)
        daemon.cassin(command, "--all", code=0)
        if command != "stats":
            daemon.cassin(command, code=2)


def test_all_beside_a_name_touches_nobody(t):
    daemon = t.daemon()
    sleeper(t, daemon, "one", "two")
    for command in ("kill", "stop", "restart", "rm", "logs", "inspect", "stats"):
        result = daemon.cassin(command, "--all", "one", code=2)
        contains(result.err, f"cassin {command}: --all and names of guests: say one or the other")
        equal(result.out, "", command)
    equal([(g["name"], g["state"], g["restarts"]) for g in daemon.guests()],
          [("one", "running", 0), ("two", "running", 0)], "guests")


def test_logs_and_what_is_no_longer_kept(t):
    daemon = t.daemon()
    spawn(daemon, "hello", t.guest("hello"))
    daemon.await_state("hello", "exited")
    contains(daemon.cassin("logs", "hello", code=0).out.lower(), "hello")
    path = t.compile("talk", 'int main(void) { for (int i = 0; i < 5000; i++) cassin_print("line %d\\n", i); return 0; }')
    spawn(daemon, "talk", path)
    daemon.await_state("talk", "exited")
    result = daemon.cassin("logs", "talk", code=0)
    holds(result.out.endswith("line 4999\n"), "the end is kept")
    equal(len(result.out), 16384, "bytes kept")
    one_line(result.err, "no longer kept")
    total = sum(len(f"line {i}\n") for i in range(5000))
    contains(result.err, str(total - 16384))
    equal(daemon.guest("talk")["counters"]["log_lost"], total - 16384, "log_lost")


def test_logs_of_several_under_their_names(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 2, t.guest("hello"), code=0)
    out = daemon.cassin("logs", "--all", code=0).out
    contains(out, "==> hello-0 <==\n", "==> hello-1 <==\n")


def test_logs_follow_until_the_guest_ends(t):
    daemon = t.daemon()
    path = t.compile("steady", 'int main(void) { for (int i = 0; i < 10; i++) { cassin_print("tick %d\\n", i); '
                     "cassin_sleep_until(cassin_now() + 100000000); } return 0; }")
    spawn(daemon, "steady", path)
    result = daemon.cassin("logs", "-f", "steady", code=0)
    equal(result.out, "".join(f"tick {i}\n" for i in range(10)), "output")


def test_logs_follow_ends_with_the_guests_removal_and_with_the_daemon(t):
    daemon = t.daemon()
    sleeper(t, daemon, "a", "b")
    followers = [t.start([t.tool("cassin"), "--socket", daemon.socket, "logs", "-f", name], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL) for name in ("a", "b")]
    for follower in followers:
        equal(follower.stdout.readline(), b"sleeping\n", "first line")
    daemon.cassin("rm", "a", code=0)
    equal(followers[0].wait(10), 0, "exit code after rm")
    equal(daemon.end(), 0, "the daemon's exit code")
    equal(followers[1].wait(10), 1, "exit code after the daemon's end")
    daemon.cassin("logs", "-f", "a", code=1)


def test_follow_takes_one_guest(t):
    daemon = t.daemon()
    sleeper(t, daemon, "a", "b")
    contains(daemon.cassin("logs", "-f", "--all", code=2).err, "one guest")


def test_a_flooding_console_is_bounded_and_its_loss_counted(t):
    daemon = t.daemon()
    flood = t.compile("flood", 'int main(void) { for (;;) cassin_print("all work and no play\\n"); }')
    spawn(daemon, "flood", flood, options=("--timeout", "0"))
    spawn(daemon, "web", t.guest("http"))
    wait_until(lambda: daemon.guest("flood")["counters"]["log_lost"] > 100000, "100 kB are lost")
    equal(len(daemon.cassin("logs", "flood", code=0).out), 16384, "bytes kept")
    contains(daemon.cassin("connect", "web", "80", input="GET / HTTP/1.0\r\n\r\n", code=0).out, "200 OK")
    follower = t.start([t.tool("cassin"), "--socket", daemon.socket, "logs", "-f", "flood"], stdout=subprocess.PIPE)
    holds(len(follower.stdout.read(200000)) == 200000, "a follower gets output")
    follower.kill()
    daemon.cassin("kill", "flood", code=0)


def test_stop_asks_and_waits(t):
    daemon = t.daemon()
    spawn(daemon, "polite", t.guest("life"), "accept")
    equal(daemon.cassin("stop", "polite", code=0).out, "polite\n", "output")
    guest = daemon.guest("polite")
    equal((guest["state"], guest["exit_code"]), ("exited", 0), "state")
    contains(daemon.cassin("logs", "polite", code=0).out, "asked to stop")


def test_stop_kills_after_the_grace(t):
    daemon = t.daemon()
    sleeper(t, daemon, "deaf")
    spawn(daemon, "busy", t.guest("hog"), "spin", options=("--timeout", "0"))
    began = time.monotonic()
    equal(daemon.cassin("stop", "-t", "1", "--all", code=0).out.split(), ["deaf", "busy"], "output")
    holds(time.monotonic() - began >= 0.9, "it waited for the grace")
    equal([g["state"] for g in daemon.guests()], ["killed", "killed"], "states")
    equal(daemon.guest("deaf")["exit_code"], 137, "exit code")


def test_stop_without_waiting(t):
    daemon = t.daemon()
    sleeper(t, daemon, "deaf")
    daemon.cassin("stop", "--no-wait", "-t", "3600", "deaf", code=0)
    equal(daemon.guest("deaf")["state"], "running", "state")
    daemon.cassin("stop", "-t", "3601", "deaf", code=2)
    daemon.cassin("kill", "deaf", code=0)


def test_kill_leaves_it_listed_and_frees_its_memory(t):
    daemon = t.daemon()
    sleeper(t, daemon, "g", "other")
    equal(daemon.cassin("kill", "g", code=0).out, "g\n", "output")
    guest = daemon.guest("g")
    equal((guest["state"], guest["exit_code"], guest["used_bytes"], guest["uptime_ns"]), ("killed", 137, 0, 0), "the guest")
    equal(daemon.guest("other")["state"], "running", "the other")
    daemon.cassin("kill", "g", code=0)


def test_restart_keeps_name_id_and_port(t):
    daemon = t.daemon()
    port = t.ports()
    spawn(daemon, "web", t.guest("http"), options=("-p", f"{port}:80"))
    before = daemon.guest("web")
    equal(http_get(port, "/status").json()["requests"], 1, "requests")
    equal(daemon.cassin("restart", "web", code=0).out, "web\n", "output")
    after = daemon.guest("web")
    equal(after["id"], before["id"], "id")
    equal(after["restarts"], 1, "restarts")
    status = http_get(port, "/status").json()
    equal((status["requests"], status["restarts"]), (1, 1), "it began anew")


def test_restart_brings_the_ended_back(t):
    daemon = t.daemon()
    sleeper(t, daemon, "killed")
    spawn(daemon, "crashed", t.guest("life"), "sleep")
    daemon.cassin("kill", "killed", code=0)
    daemon.cassin("restart", "killed", "crash*", code=0)
    for name in ("killed", "crashed"):
        daemon.await_state(name, "running")


def test_rm_by_name_glob_and_all(t):
    daemon = t.daemon()
    sleeper(t, daemon, "a", "b", "web-1", "web-2")
    equal(daemon.cassin("rm", "a", code=0).out, "a\n", "output")
    equal(daemon.cassin("rm", "web-*", code=0).out, "web-1\nweb-2\n", "output")
    equal(names(daemon), ["b"], "guests")
    result = daemon.cassin("rm", "nobody", "b", code=1)
    one_line(result.err, "nobody")
    equal(result.out, "b\n", "the other was removed")
    sleeper(t, daemon, "c", "d")
    daemon.cassin("rm", "-a", code=0)
    equal(names(daemon), [], "guests")


def test_rm_frees_name_port_and_memory(t):
    daemon = t.daemon()
    port = t.ports()
    spawn(daemon, "warm", t.guest("http"))
    daemon.cassin("rm", "warm", code=0)
    used = daemon.request("GET", "/v1/stats", status=200).json()["used_frames"]
    for _ in range(20):
        spawn(daemon, "web", t.guest("http"), options=("-p", f"{port}:80"))
        equal(http_get(port, "/status").json()["name"], "web", "name")
        daemon.cassin("rm", "web", code=0)
    stats = daemon.request("GET", "/v1/stats", status=200).json()
    holds(stats["used_frames"] - stats["quarantined_frames"] <= used + 8, f"memory comes back: {used} before, {stats}")


def test_a_crash_is_seen_in_ps_inspect_and_the_report(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "bad", t.guest("life"), "crash", code=1)
    guest = daemon.await_state("bad", "crashed")
    equal(guest["exit_code"], 134, "exit code")
    contains(guest["report"], "invalid opcode", "rsp", "backtrace", "crashes+")
    contains(daemon.cassin("ps", code=0).out, "crashed")
    contains(daemon.cassin("inspect", "bad", code=0).out, "last crash", "invalid opcode", "crashes+")
    contains(daemon.request("GET", "/v1/guests/bad/report", status=200).text, "backtrace")
    contains(daemon.log(), "bad crashed")


def test_a_crash_harms_no_other(t):
    daemon = t.daemon()
    port = t.ports()
    spawn(daemon, "web", t.guest("http"), options=("-p", f"{port}:80"))
    daemon.cassin("spawn", "-n", 20, "--name", "bad", t.guest("life"), "crash", code=1)
    equal(http_get(port, "/status").json()["name"], "web", "name")
    equal(daemon.request("GET", "/v1/stats", status=200).json()["crashes"], 20, "crashes")
    equal(daemon.guest("web")["restarts"], 0, "restarts")


def test_policy_on_failure_restarts_with_growing_back_off(t):
    daemon = t.daemon()
    path = t.compile("fails", 'int main(void) { cassin_print("%llu\\n", (unsigned long long)cassin_now() / 1000000); return 3; }')
    spawn_result = daemon.cassin("spawn", "--name", "f", "--restart", "on-failure:4", "--timeout", "0", path)
    equal(spawn_result.code in (0, 1), True, "spawn returns")
    guest = daemon.await_state("f", "exited", 40)
    equal((guest["restarts"], guest["exit_code"]), (4, 3), "restarts and exit code")
    at = [int(line) for line in daemon.cassin("logs", "f", code=0).out.split()]
    gaps = [b - a for a, b in zip(at, at[1:])]
    equal(len(gaps), 4, "restarts in the log")
    holds(gaps[0] >= 50 and gaps[3] > 2 * gaps[0] and gaps[2] > gaps[1] > gaps[0], f"back-off grows: {gaps} ms")


def test_policy_on_failure_does_not_restart_a_success(t):
    daemon = t.daemon()
    spawn(daemon, "fine", t.guest("life"), "exit", "0", options=("--restart", "on-failure"))
    time.sleep(0.5)
    guest = daemon.guest("fine")
    equal((guest["state"], guest["restarts"]), ("exited", 0), "state")


def test_policy_on_failure_restarts_after_a_crash(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "r", "--restart", "on-failure", t.guest("life"), "recover", code=0)
    guest = daemon.await_state("r", "exited")
    equal((guest["restarts"], guest["exit_code"]), (2, 0), "restarts and exit code")
    contains(guest["report"], "invalid opcode")
    contains(daemon.cassin("logs", "r", code=0).out, "life 0\nlife 1\nlife 2\n")


def test_policy_always_restarts_a_success_but_not_what_was_killed(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "a", "--restart", "always", "--timeout", "0", t.guest("life"), "exit", "0")
    wait_until(lambda: daemon.guest("a")["restarts"] >= 2, "two restarts")
    daemon.cassin("kill", "a", code=0)
    restarts = daemon.guest("a")["restarts"]
    time.sleep(1)
    guest = daemon.guest("a")
    equal((guest["state"], guest["restarts"]), ("killed", restarts), "state")


def test_policy_always_does_not_restart_what_was_stopped(t):
    daemon = t.daemon()
    spawn(daemon, "a", t.guest("life"), "accept", options=("--restart", "always"))
    daemon.cassin("stop", "a", code=0)
    time.sleep(0.5)
    equal(daemon.guest("a")["state"], "exited", "state")


def test_a_guest_that_waits_for_its_restart_can_be_stopped_and_removed(t):
    daemon = t.daemon()
    for end in ("stop", "kill", "rm"):
        daemon.cassin("spawn", "--name", "f", "--restart", "always", "--timeout", "0", t.guest("life"), "exit", "1")
        wait_until(lambda: daemon.guest("f")["restarts"] >= 2, "two restarts")
        daemon.cassin(end, "f", code=0)
        if end != "rm":
            daemon.cassin("rm", "f", code=0)
    equal(names(daemon), [], "guests")


def test_stats_for_people(t):
    daemon = t.daemon()
    sleeper(t, daemon, "a", "b")
    contains(daemon.cassin("stats", code=0).out, "workers", "running", "used_frames", "exits", "hypercalls", "uptime")
    lines = daemon.cassin("stats", "--all", code=0).out.splitlines()
    equal(len(lines), 3, "lines")
    contains(lines[0], "NAME", "VIRTUAL", "EXITS", "MEMORY")


def test_version_with_and_without_a_daemon(t):
    alone = t.cassin("--socket", t.path("none.sock"), "version", code=0)
    equal(alone.err, "", "stderr")
    contains(alone.out, "cassin 0.")
    daemon = t.daemon()
    contains(daemon.cassin("--version", code=0).out, "cassin 0.", "cassind 0.", str(daemon.process.pid))
    contains(t.run([t.tool("cassind"), "--version"], code=0).out, "cassind 0.")


def test_domains_never_share_a_cell(t):
    daemon = t.daemon()
    for name, options in (("a1", ["--domain", "a"]), ("b1", ["--domain", "b"]), ("a2", ["--domain", "a"]),
                          ("v1", ["--domain", "a", "--isolation", "vm"]), ("v2", ["--domain", "a", "--isolation", "vm"])):
        spawn(daemon, name, t.guest("life"), "sleep", options=options)
    cells = {g["name"]: g["cell"] for g in daemon.guests()}
    equal(cells["a1"], cells["a2"], "the cell of one domain")
    equal(len({cells["a1"], cells["b1"], cells["v1"], cells["v2"]}), 4, f"different cells: {cells}")
    equal(daemon.request("GET", "/v1/stats", status=200).json()["cells"], 4, "cells")


def test_a_client_that_dies_in_the_middle_harms_nothing(t):
    daemon = t.daemon()
    sleeper(t, daemon, "g")
    for _ in range(5):
        follower = t.start([t.tool("cassin"), "--socket", daemon.socket, "logs", "-f", "g"], stdout=subprocess.PIPE)
        equal(follower.stdout.readline(), b"sleeping\n", "first line")
        follower.send_signal(signal.SIGKILL)
        follower.wait()
    wait_until(lambda: daemon.request("GET", "/v1/stats").json()["api"]["connections"] == 1, "connections are gone")


def test_a_restart_whose_ports_folder_is_gone_says_so(t):
    daemon = t.daemon()
    os.mkdir(t.path("folder"))
    daemon.cassin("spawn", "--name", "web", "-p", f"unix:{t.path('folder/web.sock')}:80", t.guest("http"), code=0)
    os.rename(t.path("folder"), t.path("other"))
    one_line(daemon.cassin("restart", "web", code=1).err, "web", "folder/web.sock", f"the folder {t.path('folder')} is not there")
    os.rename(t.path("other"), t.path("folder"))
    daemon.cassin("restart", "web", code=0)
    equal(daemon.guest("web")["state"], "running", "it runs again")
