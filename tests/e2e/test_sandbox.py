# SPDX-License-Identifier: MIT
"""What the daemon and `cassin run` give up: privileges, and the system calls that a thread's role does not need."""

import os
import re
import signal
import socket
import subprocess
import time

from cassin_test import Failed, contains, equal, have, holds, http_get, one_line, wait_until

BIND = 1 << 10  # CAP_NET_BIND_SERVICE
# A launcher under whose filter seccomp() fails, as in some containers.
WITHOUT_SECCOMP = """
import ctypes, os, sys
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
filter = ctypes.c_void_p(lib.seccomp_init(0x7fff0000))
assert lib.seccomp_rule_add(filter, 0x00050001, 317, 0) == 0 and lib.seccomp_load(filter) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def threads(pid):
    """Of each thread: its name, and the fields of its status."""
    found = []
    for task in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as status:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in status)
        found.append((fields["Name"], fields))
    return found


def confined(pid, first):
    """Every thread has given up its privileges and has a filter; returns the names of threads, the first of which is the program's."""
    all_threads = threads(pid)
    for name, fields in all_threads:
        equal(fields["NoNewPrivs"], "1", f"no_new_privs of {name}")
        equal(fields["Seccomp"], "2", f"mode of seccomp of {name}")
        for which in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            equal(int(fields[which], 16) & ~BIND, 0, f"{which} of {name}")
        if os.geteuid() == 0:
            equal(int(fields["CapBnd"], 16), BIND, f"bounding set of {name}")
    names = [name for name, _ in all_threads if not name.startswith("kvm-")]  # newer kernels' own
    equal(names[0], first, "the first thread")
    return names


def test_every_thread_of_the_daemon_is_confined(t):
    daemon = t.daemon("--workers", 2)
    daemon.cassin("spawn", "--name", "debugged", t.guest("life"), "sleep", code=0)
    with daemon.connect(suffix=".gw") as debugger:
        debugger.sendall(b"debugged gdb\n")
        equal(debugger.recv(3), b"OK\n", "the debugger's answer")
        names = confined(daemon.process.pid, "cassind")
    count = {name: names.count(name) for name in set(names)}
    lanes = {"cassin-control": count.pop("cassin-control"), "cassin-loader": count.pop("cassin-loader")}
    equal(count, {"cassind": 1, "cassin-worker": 2, "cassin-watcher": 1, "cassin-debugger": 1,
                  **({"cassin-maker": 1} if t.backend() == "process" else {})}, "threads")
    if not (3 <= lanes["cassin-control"] <= 16 and 3 <= lanes["cassin-loader"] <= 36):
        raise AssertionError(f"threads in lanes: {lanes}")


def test_threads_that_are_needed_are_confined_too(t):
    """Eight commands at a time, of which each takes a thread while there are some."""
    daemon = t.daemon()
    before = len(threads(daemon.process.pid))
    commands = [t.start([t.tool("cassin"), "spawn", "--socket", daemon.socket, "--name", f"g{i}", t.guest("life"), "sleep"])
                for i in range(8)]
    for command in commands:
        equal(command.wait(timeout=60), 0, "exit status")
    names = confined(daemon.process.pid, "cassind")
    if not before < len(names) <= before + 35:
        raise AssertionError(f"{before} threads, then {len(names)}")


def test_every_thread_of_run_is_confined(t):
    process = t.start([t.tool("cassin"), "run", "--gdb", "0", f"--trace={t.path('trace')}", t.guest("life"), "sleep"],
                      stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    contains(process.stderr.readline(), "waits for a debugger")
    wait_until(lambda: "cassin-debugger" in [name for name, _ in threads(process.pid)], "its debugger's thread is confined")
    maker = ["cassin-maker"] if t.backend() == "process" else []
    equal(sorted(confined(process.pid, "cassin")),
          ["cassin", "cassin-control", "cassin-debugger", *maker, "cassin-watcher", "cassin-worker", "cassin-writer", "cassin-writer"],
          "threads")


def test_it_is_confined_before_kept_guests_run(t):
    os.mkdir(t.path("state"))
    t.write("state/kept.json", f'{{"name": "kept", "image": "{t.guest("http")}", "restart": "always"}}')
    daemon = t.daemon("--state", t.path("state"))
    equal([guest["state"] for guest in daemon.guests()], ["running"], "guests")
    confined(daemon.process.pid, "cassind")


def injected(t, pid, thread, call):
    """Has a thread of a running process make a call, as whoever has taken it over might."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as comm:
            if comm.read().strip() == thread:
                break
    else:
        raise Failed(f"no thread {thread}")
    t.run([have("gdb"), "-nx", "-batch", "-p", pid, "-ex", "set confirm off", "-ex", f"python "
           f"[th.switch() for th in gdb.selected_inferior().threads() if th.ptid[1] == {task}]", "-ex", f"print (long)syscall({call})"])


# seconds: 120
def test_a_forbidden_call_of_any_thread_ends_the_daemon(t):
    for thread in ("cassind", "cassin-worker", "cassin-watcher", "cassin-control", "cassin-loader"):
        daemon = t.daemon("--workers", 1)
        daemon.cassin("spawn", "--name", "guest", t.guest("life"), "sleep", code=0)
        injected(t, daemon.process.pid, thread, "39")  # getpid
        daemon.cassin("ps", code=0)
        injected(t, daemon.process.pid, thread, "101, 0x7fff, 0, 0, 0")  # ptrace
        equal(daemon.process.wait(20), -signal.SIGSYS, f"end of the daemon after ptrace() by {thread}")


def test_with_log_a_forbidden_call_goes_on(t):
    daemon = t.daemon("--sandbox", "log", "--workers", 1)
    contains(daemon.log(), "the sandbox only logs")
    confined(daemon.process.pid, "cassind")
    injected(t, daemon.process.pid, "cassin-worker", "101, 0x7fff, 0, 0, 0")
    daemon.cassin("spawn", "--name", "guest", t.guest("hello"), code=0)


def test_off_confines_nothing_and_says_so(t):
    daemon = t.daemon("--sandbox", "off")
    contains(daemon.log(), "runs without a sandbox")
    equal({(fields["Seccomp"], fields["NoNewPrivs"]) for _, fields in threads(daemon.process.pid)}, {("0", "0")}, "threads")
    daemon.cassin("spawn", t.guest("hello"), code=0)


def test_modes_are_checked(t):
    for command in ([t.tool("cassind")], [t.tool("cassin"), "run"]):
        result = t.run([*command, "--sandbox", "strict", t.guest("hello")], code=2)
        contains(result.err, "--sandbox strict", "on, log or off")


def test_where_the_kernel_refuses_nothing_goes_on_silently(t):
    launcher = ["python3", "-c", WITHOUT_SECCOMP]
    result = t.run([*launcher, t.tool("cassind"), "--socket", t.path("s.sock")], code=3)
    one_line(result.err, "the kernel refuses the sandbox", "--sandbox off")
    holds(not os.path.exists(t.path("s.sock")), "no socket is left")
    result = t.run([*launcher, t.tool("cassin"), "run", t.guest("hello")], code=125)
    one_line(result.err, "the kernel refuses the sandbox", "--sandbox off")
    if t.backend() == "process":  # whose stubs have a filter whatever the program's mode is
        result = t.run([*launcher, t.tool("cassin"), "run", "--sandbox", "off", t.guest("hello")], code=125)
        one_line(result.err, "process cells: seccomp", "rule forbids it")
        return
    equal(t.run([*launcher, t.tool("cassin"), "run", "--sandbox", "off", t.guest("hello")], code=0).out, "hello from hello\n", "output")
    t.daemon("--sandbox", "off", prefix=launcher).cassin("spawn", t.guest("hello"), code=0)


# needs: root
def test_low_ports_can_be_bound_all_the_same(t):
    daemon = t.daemon()
    for port in range(700, 1000):
        if daemon.cassin("spawn", "--name", "low", "-p", f"{port}:80", t.guest("http")).code == 0:
            equal(http_get(port, "/status").json()["name"], "low", "who answers")
            daemon.cassin("restart", "low", code=0)
            return
    raise Failed("no port below 1024 can be bound")


# needs: root
def test_root_is_told_that_it_need_not_be(t):
    contains(t.daemon().log(), "runs as root")


def test_the_kernels_choice_when_memory_runs_out(t):
    def weight(daemon):
        with open(f"/proc/{daemon.process.pid}/oom_score_adj", encoding="ascii") as file:
            return int(file.read())
    equal(weight(t.daemon()), 200, "weight")
    equal(weight(t.daemon(prefix=["sh", "-c", 'echo 30 >/proc/self/oom_score_adj && exec "$@"', "sh"])), 30,
          "a weight that somebody has chosen")


def dumped(pid):
    """What a core dump has of a process: the pages that are there of all mappings that are not left out of it."""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as smaps:
        areas = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps.read(), flags=re.MULTILINE)
    with open(f"/proc/{pid}/mem", "rb", 0) as memory, open(f"/proc/{pid}/pagemap", "rb", 0) as pages:
        for area in areas:
            if not area or re.search(r"VmFlags:.* (dd|io|pf)\b", area) or "[v" in area.split("\n", 1)[0]:
                continue
            first, end = (int(number, 16) // 4096 for number in area.split(" ", 1)[0].split("-"))
            pages.seek(8 * first)
            entries = pages.read(8 * (end - first))
            for page in range(first, end):
                if entries[8 * (page - first) + 7] >> 7:
                    memory.seek(4096 * page)
                    yield memory.read(4096)


def test_guests_memory_is_not_in_core_dumps(t):
    port = t.ports()
    daemon = t.daemon("--pool", "64M")
    daemon.cassin("spawn", "--name", "db", "-p", f"{port}:6379", "--memory", "8M", t.guest("kv"), code=0)
    secret = "-".join(["keep", "this", "to", "yourself"]).encode()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"SET word " + secret + b"\r\n")
        equal(client.recv(100), b"+OK\r\n", "answer")
        client.sendall(b"GET word\r\n")
        contains(client.recv(100), secret)
    dump = b"".join(dumped(daemon.process.pid))
    holds(daemon.socket.encode() in dump, "the dump has the daemon's own memory")
    holds(secret not in dump, "and nothing of the guest's")


# Makes a secret of its argument, each letter of which is one too far, and waits.
KEEPER = """
static volatile char word[64];

int main(int argc, char **argv)
{
	for (unsigned i = 0; argc > 1 && argv[1][i]; i++)
		word[i] = argv[1][i] - 1;
	argv[1][0] = 0;
	cassin_ready();
	for (;;)
		cassin_sleep_until(cassin_now() + 1000000000);
}
"""


def test_copies_of_guests_memory_are_not_in_core_dumps_either(t):
    secret = "-".join(["nobody", "else", "reads", "this"])
    keeper = t.compile("keeper", KEEPER)
    daemon = t.daemon("--pool", "64M")
    daemon.cassin("template", "create", "keeper", keeper, "".join(chr(ord(c) + 1) for c in secret), code=0)
    daemon.cassin("spawn", "-n", 3, "--template", "keeper", code=0)
    holds(secret.encode() not in b"".join(dumped(daemon.process.pid)), "a template's memory is not in the dump")


def test_a_stopped_daemon_goes_on(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 5, t.guest("hog"), "spin", "--timeout", "0", code=0)
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(0.2)
    daemon.process.send_signal(signal.SIGCONT)
    daemon.cassin("kill", "--all", code=0)
