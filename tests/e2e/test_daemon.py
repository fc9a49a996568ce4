# SPDX-License-Identifier: MIT
"""cassind: its start, its sockets, its end, and what a kill -9 leaves."""

import json
import os
import signal
import socket
import stat
import subprocess
import time

from cassin_test import contains, equal, holds, http_get, one_line, port_free, wait_until


def start_fails(t, *options, code=3, env=None):
    return t.run([t.tool("cassind"), *options], code=code, env=env, seconds=20)


def test_it_tells_that_it_is_ready_and_answers(t):
    daemon = t.daemon()
    equal(daemon.request("GET", "/v1/version", status=200).json()["pid"], daemon.process.pid, "pid")
    contains(daemon.log(), "listens on", daemon.socket)


def test_a_command_right_after_the_daemons_start_waits_for_it(t):
    path = t.path("soon.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    for name, command in (("refuses", ["ps"]), ("is not there", ["--socket", t.path("late.sock"), "ps"])):
        process = t.start([t.tool("cassin"), "--socket", path, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.3)  # it finds no daemon
        if name == "refuses":
            listener.listen(1)
        else:
            os.rename(path, t.path("late.sock"))
        with listener.accept()[0] as connection:
            contains(connection.recv(4096).decode(), "GET /v1/guests")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        contains(process.communicate(timeout=15)[0].decode(), "NAME")
        equal(process.returncode, 0, f"exit code where the socket {name}")


def test_its_sockets_are_for_their_owner_only(t):
    daemon = t.daemon()
    for suffix in ("", ".gw"):
        mode = os.stat(daemon.socket + suffix).st_mode
        holds(stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, f"mode of {suffix}: {mode:o}")


def test_the_socket_can_be_told_by_the_environment(t):
    path = t.path("env.sock")
    process = t.start([t.tool("cassind")], env={"CASSIN_SOCKET": path}, stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(path), "the socket is there")
    wait_until(lambda: t.cassin("ps", env={"CASSIN_SOCKET": path}).code == 0, "it answers")
    process.terminate()
    equal(process.wait(15), 0, "exit code")
    os.mkdir(t.path("runtime"))
    process = t.start([t.tool("cassind")], env={"XDG_RUNTIME_DIR": t.path("runtime")}, stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(t.path("runtime/cassin.sock")), "the socket is there")
    process.terminate()
    equal(process.wait(15), 0, "exit code")


def test_a_socket_path_too_long_is_refused(t):
    path = t.path("x" * 120)
    result = start_fails(t, "--socket", path, code=2)
    one_line(result.err, "too long", "104")
    one_line(t.cassin("--socket", path, "ps", code=2).err, "too long")
    one_line(t.cassin("ps", env={"CASSIN_SOCKET": path}, code=2).err, "too long")
    one_line(start_fails(t, "--socket", "", code=2).err, "empty")


def test_the_longest_socket_path_works(t):
    path = t.path("y" * (104 - len(t.folder) - 1))
    equal(len(path), 104, "length")
    daemon = t.daemon("--socket", path)
    daemon.cassin("ps", code=0)
    start_fails(t, "--socket", path + "y", code=2)


def test_a_socket_of_a_live_daemon_is_refused_and_kept(t):
    daemon = t.daemon()
    one_line(start_fails(t, "--socket", daemon.socket).err, "another cassind", daemon.socket)
    daemon.cassin("ps", code=0)


def test_a_socket_of_another_program_is_refused_and_kept(t):
    path = t.path("other.sock")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        one_line(start_fails(t, "--socket", path).err, "another process", path)
    holds(os.path.exists(path), "the socket is kept")
    holds(not os.path.exists(path + ".gw"), "no gateway is left")


def test_a_file_that_is_no_socket_is_refused_and_kept(t):
    path = t.write("precious", "text")
    one_line(start_fails(t, "--socket", path).err, "no socket", path)
    with open(path, encoding="utf-8") as kept:
        equal(kept.read(), "text", "content")
    one_line(start_fails(t, "--socket", t.path("no/such/folder/s")).err, "no/such/folder")


def test_bad_options_are_refused(t):
    for options in (["--workers", "65"], ["--workers", "-1"], ["--workers", "two"], ["--pool", "0"], ["--pool", "lots"],
                    ["--ready-fd", "x"], ["--nonsense"], ["stray"],
                    ["--swap-size", "1G"]):
        holds(start_fails(t, *options, code=2).err, f"{options} is refused with words")


def test_a_pool_beyond_the_reach_of_a_cell_is_refused(t):
    one_line(start_fails(t, "--pool", "600G").err, "600.0 GiB", "504 GiB")
    daemon = t.daemon("--pool", "504G")  # a number: nothing is allocated
    daemon.cassin("spawn", t.guest("hello"), code=0)


def test_sigterm_ends_it_cleanly(t):
    for number in (signal.SIGTERM, signal.SIGINT):
        daemon = t.daemon()
        first = t.ports(10)
        daemon.cassin("spawn", "-n", 10, "-p", f"{first}+:80", t.guest("http"), code=0)
        daemon.cassin("spawn", "--name", "busy", "--timeout", "0", t.guest("hog"), "spin", code=0)
        equal(daemon.end(number), 0, "exit code")
        equal([n for n in os.listdir(t.folder) if ".sock" in n], [], "files that are left")
        holds(all(port_free(first + i) for i in range(10)), "the ports are free")


def test_sigterm_at_any_moment_of_the_start_leaves_no_socket(t):
    path = t.path("s.sock")
    for i in range(15):
        process = t.start([t.tool("cassind"), "--socket", path], stderr=subprocess.DEVNULL)
        if i % 3:
            wait_until(lambda: os.path.exists(path), "the socket is there")
        else:
            time.sleep(0.004 * i)
        process.terminate()
        code = process.wait(15)
        holds(code == 0 or (code == -signal.SIGTERM and i % 3 == 0), f"exit code: {code}")
        holds(not os.path.exists(path), "no socket is left")


def test_sigterm_while_clients_and_spawns_are_under_way(t):
    daemon = t.daemon()
    follower = t.start([t.tool("cassin"), "--socket", daemon.socket, "spawn", "-n", 3000, t.guest("life"), "sleep"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    idle = [daemon.connect() for _ in range(10)]
    wait_until(lambda: daemon.request("GET", "/v1/stats").json()["guests"] > 10, "the spawn is under way")
    equal(daemon.end(), 0, "exit code")
    follower.wait(10)
    for connection in idle:
        connection.close()


def test_after_kill_9_the_next_start_works_and_the_state_is_right(t):
    path, state = t.path("d.sock"), t.path("state")
    first = t.ports(2)
    daemon = t.daemon("--socket", path, "--state", state)
    daemon.cassin("spawn", "--name", "kept", "--restart", "always", "-p", f"{first}:80", t.guest("http"), code=0)
    daemon.cassin("spawn", "--name", "lost", "-p", f"{first + 1}:80", t.guest("http"), code=0)
    daemon.end(signal.SIGKILL)
    holds(os.path.exists(path), "the stale socket is there")
    daemon = t.daemon("--socket", path, "--state", state)
    equal([g["name"] for g in daemon.guests()], ["kept"], "guests")
    equal(http_get(first, "/status").json()["name"], "kept", "who answers")
    daemon.cassin("spawn", "--name", "lost", "-p", f"{first + 1}:80", t.guest("http"), code=0)


def test_kill_9_with_a_thousand_guests_leaves_nothing(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 500, t.guest("life"), "sleep", code=0)
    daemon.end(signal.SIGKILL)
    again = t.daemon("--socket", daemon.socket)
    equal(again.guests(), [], "guests")
    again.cassin("spawn", "-n", 100, t.guest("life"), "sleep", code=0)


def test_kept_guests_come_back_until_they_are_removed(t):
    state = t.path("state")
    daemon = t.daemon("--state", state)
    daemon.cassin("spawn", "-n", 3, "--name", "k", "--restart", "always", t.guest("life"), "sleep", code=0)
    daemon.cassin("rm", "k-1", code=0)
    equal(daemon.end(), 0, "exit code")
    equal(sorted(n for n in os.listdir(state) if n.endswith(".json")), ["k-0.json", "k-2.json"], "kept specs")
    daemon = t.daemon("--state", state)
    equal([g["name"] for g in daemon.guests()], ["k-0", "k-2"], "guests")
    daemon.cassin("rm", "--all", code=0)
    equal(daemon.end(), 0, "exit code")
    equal(t.daemon("--state", state).guests(), [], "guests")


def test_a_broken_kept_spec_stops_nothing(t):
    state = t.path("state")
    os.mkdir(state)
    t.write("state/good.json", json.dumps({"name": "good", "image": t.guest("life"), "args": ["sleep"], "restart": "always"}))
    t.write("state/gone.json", json.dumps({"name": "gone", "image": "/nowhere.elf", "restart": "always"}))
    t.write("state/torn.json", '{"name": "torn", "ima')
    t.write("state/liar.json", json.dumps({"name": "other", "image": t.guest("life")}))
    daemon = t.daemon("--state", state)
    equal([g["name"] for g in daemon.guests()], ["good"], "guests")
    contains(daemon.log(), "torn.json", "liar.json", "gone")


def test_a_state_folder_belongs_to_one_daemon(t):
    t.daemon("--state", t.path("state"))
    one_line(start_fails(t, "--socket", t.path("2.sock"), "--state", t.path("state")).err, "another cassind", "state")
    t.write("file", "")
    one_line(start_fails(t, "--socket", t.path("2.sock"), "--state", t.path("file")).err, "file")


def test_no_guest_is_a_process_or_a_thread_or_holds_a_descriptor(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "first", t.guest("life"), "sleep", code=0)
    pid = daemon.process.pid

    def held():
        return len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))
    time.sleep(0.2)
    before = held()
    daemon.cassin("spawn", "-n", 300, t.guest("life"), "sleep", code=0)
    time.sleep(0.2)
    after = held()
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        equal(children.read(), "", "child processes")
    holds(after[0] <= before[0] + 16 and after[1] <= before[1] + 4, f"threads and descriptors: {before}, then {after}")


def test_idle_guests_cost_no_processor_time(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 300, t.guest("http"), code=0)

    def ticks():
        with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as line:
            fields = line.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    time.sleep(0.5)
    before = ticks()
    time.sleep(3)
    used = (ticks() - before) / os.sysconf("SC_CLK_TCK")
    holds(used <= 0.15, f"300 idle guests used {used} s of processor time in 3 s")


def test_workers_are_as_many_as_asked_for(t):
    for workers in (1, 3):
        daemon = t.daemon("--workers", workers)
        equal(daemon.request("GET", "/v1/stats").json()["workers"], workers, "workers")
        daemon.cassin("spawn", "-n", 6, t.guest("life"), "sleep", code=0)
        daemon.cassin("spawn", "-n", 6, t.guest("hello"), code=0)


def test_few_descriptors_are_told_and_survived(t):
    daemon = t.daemon(prefix=["sh", "-c", 'ulimit -n 100; exec "$@"', "sh"])
    first = t.ports(100)
    result = daemon.cassin("spawn", "-n", 100, "-p", f"{first}+:80", t.guest("http"))
    equal(result.code, 1, "exit code")
    contains(result.err, "no descriptors for its ports")
    daemon.cassin("rm", "--all", code=0)
    daemon.cassin("spawn", "-n", 10, "-p", f"{first}+:80", t.guest("http"), code=0)
    equal(http_get(first + 9, "/status").json()["name"], "http-9", "who answers")


def test_a_state_folder_with_what_is_no_file_is_survived(t):
    """A FIFO, which whoever opens it waits for ever; a folder; a link, wherever it leads."""
    state = t.path("state")
    os.mkdir(state, 0o700)
    os.mkfifo(os.path.join(state, "fifo.json"))
    os.mkdir(os.path.join(state, "folder.json"))
    os.symlink("nowhere", os.path.join(state, "link.json"))
    daemon = t.daemon("--state", state)
    daemon.cassin("ps", code=0)
    for name, kind in (("fifo", "a FIFO"), ("folder", "a folder"), ("link", "a symbolic link")):
        contains(daemon.log(), f"skipped: {state}/{name}.json: not a regular file, but {kind}")
    os.mkfifo(os.path.join(state, ".web.json"))  # where a spec is written before it has its name
    daemon.cassin("spawn", "--name", "web", "--restart", "always", t.guest("life"), "sleep", code=0)
    holds(os.path.isfile(os.path.join(state, "web.json")), "the spec is kept")


def test_a_kept_spec_that_becomes_a_fifo_while_it_is_read_holds_nobody_up(t):
    state = t.path("state")
    os.mkdir(state, 0o700)
    os.mkfifo(os.path.join(state, "fifo"))
    t.write("state/swapped.json", json.dumps({"name": "swapped", "image": t.guest("life"), "args": ["sleep"]}))
    preload = os.path.join(t.build, "tests", "e2e", "swapping.so")
    daemon = t.daemon("--state", state, prefix=["env", f"LD_PRELOAD={preload}"])
    wait_until(lambda: "swapped" in daemon.cassin("ps", code=0).out, "the kept guest, whose file it was when it was opened")
    holds(stat.S_ISFIFO(os.stat(t.path("state/swapped.json")).st_mode), "a FIFO has the file's place by now")


def test_a_lock_that_is_a_fifo_or_a_device_is_refused(t):
    for kind, make in (("a FIFO", os.mkfifo), ("a folder", os.mkdir), ("a symbolic link", lambda p: os.symlink("x", p))):
        state = t.path("state-" + kind.split()[-1])
        os.mkdir(state, 0o700)
        make(os.path.join(state, ".lock"))
        result = start_fails(t, "--socket", t.path("d.sock"), "--state", state)
        one_line(result.err, ".lock: not a regular file, but " + kind)
