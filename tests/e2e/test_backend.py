# SPDX-License-Identifier: MIT
"""What runs guests: KVM, or processes of the host; which one a program takes, what it says of it, and what a host can do."""

import os
import re
import shutil
import signal
import subprocess

from cassin_test import contains, equal, have, holds, http_get, one_line, wait_until
from hosts import without_call, without_kvm

NOBODY = 65534
LONELY = (64123, 64124)  # who have no other process, one for each test: limits of processes are of a user

class Anybody:
    """The programs as an ordinary user has them: copies that he can reach, and a folder of his own; or as root."""

    def __init__(self, t, root, user=NOBODY):
        self.t = t
        other = not root and os.geteuid() == 0
        self.prefix = [] if not other else ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups"]
        os.chmod(t.folder, 0o755)
        self.own = t.path("own")
        os.mkdir(self.own)
        if other:
            os.chown(self.own, user, user)
        for path in (t.tool("cassin"), t.tool("cassind")):
            shutil.copy(path, t.folder)

    def image(self, name):
        return shutil.copy(self.t.guest(name), self.t.folder)

    def cassin(self, *args, **how):
        return self.t.run([*self.prefix, self.t.path("cassin"), *args], **how)

    def daemon(self, *options, prefix=(), **how):
        # What the harness names is the build's own, which he may not reach: the copy goes in its place.
        copy = ["sh", "-c", f'shift; exec {self.t.path("cassind")} "$@"', "sh"]
        return self.t.daemon("--socket", os.path.join(self.own, "d.sock"), *options, prefix=[*self.prefix, *prefix, *copy], **how)


def stubs(daemon):
    """The processes that its guests run in."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                name, _, rest = stat.read().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name == "cassin-guest" and int(rest.split()[1]) == daemon.process.pid:
            found.append(int(pid))
    return found


def serves(t, root):
    who = Anybody(t, root)
    equal(who.cassin("run", "--backend", "process", who.image("hello"), code=0).out.split()[0], "hello", "what the guest says")
    daemon = who.daemon("--backend", "process", "--park", 1)
    contains(daemon.log(), "backend: process\n")
    port = t.ports(4)
    daemon.cassin("spawn", "-n", 3, "--name", "web", "-p", f"{port}+:80", who.image("http"), code=0)
    equal(daemon.cassin("ps", code=0).out.count("running"), 3, "guests that run")
    for i in range(3):
        out = t.run([have("curl"), "-sS", f"http://127.0.0.1:{port + i}/status"], code=0, seconds=60).json()
        equal(out["name"], f"web-{i}", "who answers")
    wait_until(lambda: daemon.request("GET", "/v1/stats", status=200).json()["parked"] == 3, "all are parked")
    equal(http_get(port + 1, "/status").json()["name"], "web-1", "who answers after parking")
    daemon.cassin("template", "create", "base", t.path("http.elf"), code=0)
    daemon.cassin("spawn", "--name", "clone", "--template", "base", "-p", f"{port + 3}:80", code=0)
    equal(http_get(port + 3, "/status").json()["name"], "clone", "which clone answers")
    return daemon


# needs: root
def test_root_has_guests_in_processes(t):
    serves(t, True)


def test_an_ordinary_user_has_guests_in_processes(t):
    serves(t, False)


def test_debugger_and_trace_work_on_processes(t):
    who = Anybody(t, False)
    daemon = who.daemon("--backend", "process")
    port = t.ports()
    daemon.cassin("spawn", "--name", "web", "-p", f"{port}:80", who.image("http"), code=0)
    http_get(port, "/")
    trace = t.start([t.tool("cassin"), "--socket", daemon.socket, "trace", "web"], stdout=subprocess.PIPE, text=True)
    wait_until(lambda: daemon.guest("web")["traced"], "it is traced")
    http_get(port, "/")
    holds(any("accept" in trace.stdout.readline() for _ in range(40)), "the trace shows the connection")
    with daemon.connect(suffix=".gw") as debugger:
        debugger.sendall(b"web gdb\n")
        equal(debugger.recv(3), b"OK\n", "the debugger's answer")
        wait_until(lambda: daemon.guest("web")["stopped"], "the debugger has stopped it")
        debugger.sendall(b"$g#67")
        answer = b""
        while b"#" not in answer:
            answer += debugger.recv(4096)
        holds(re.search(rb"\$[0-9a-f]{300}", answer), "it tells the registers")
    wait_until(lambda: not daemon.guest("web")["debugged"], "the debugger has left")
    equal(http_get(port, "/status").json()["name"], "web", "who answers afterwards")


def test_a_daemon_that_is_killed_leaves_no_guest_behind(t):
    who = Anybody(t, False)
    daemon = who.daemon("--backend", "process")
    daemon.cassin("spawn", "-n", 5, "--name", "w", who.image("life"), "sleep", code=0)
    processes = wait_until(lambda: len(stubs(daemon)) >= 5 and stubs(daemon), "each has a process")
    daemon.end(signal.SIGKILL)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in processes), "all of them are gone")


def test_everything_names_the_backend(t):
    for backend in ("kvm", "process"):
        if backend == "kvm" and t.cassin("doctor", "--json").json()["auto"] != "kvm":
            continue
        daemon = t.daemon("--backend", backend)
        daemon.cassin("spawn", "--name", "g", t.guest("life"), "sleep", code=0)
        contains(daemon.log(), f"backend: {backend}\n")
        contains(daemon.cassin("version", code=0).out, f"backend {backend})")
        for command in (("stats",), ("inspect", "g")):
            lines = [line.split() for line in daemon.cassin(*command, code=0).out.splitlines()]
            holds(["backend", backend] in lines, f"{command} names it")
        contains(daemon.request("GET", "/metrics", status=200).text, f'\ncassin_backend_info{{backend="{backend}"}} 1\n')
        for target in ("/v1/version", "/v1/stats", "/v1/guests/g"):
            equal(daemon.request("GET", target, status=200).json()["backend"], backend, target)


# needs: namespaces
def test_the_environment_names_the_backend_unless_an_option_does(t):
    env = {"CASSIN_BACKEND": "nonsense"}
    one_line(t.cassin("run", t.guest("hello"), env=env, code=125).err, "CASSIN_BACKEND=nonsense", "auto, kvm or process")
    one_line(t.run([t.tool("cassind"), "--socket", t.path("n.sock")], env=env, code=2).err, "CASSIN_BACKEND=nonsense")
    t.cassin("run", "--backend", "process", t.guest("hello"), env=env, code=0)
    for command in (["run", "--backend", "xen", t.guest("hello")], ["conformance", "--backend", "xen"],
                    ["density", "--backend", "xen", "idle"]):
        contains(t.cassin(*command, code=2).err, "--backend xen: must be auto, kvm or process")
    contains(t.run([t.tool("cassind"), "--backend", "xen"], code=2).err, "--backend xen", "auto, kvm or process")
    hidden = t.run(without_kvm(t.tool("cassin"), "run", t.guest("hello")), env={"CASSIN_BACKEND": "kvm"}, code=125)
    one_line(hidden.err, "/dev/kvm")


# needs: namespaces
def test_without_kvm_auto_takes_processes_and_the_daemon_says_why(t):
    t.run(without_kvm(t.tool("cassin"), "run", t.guest("hello")), env={"CASSIN_BACKEND": ""}, code=0)
    daemon = t.daemon("--backend", "auto", prefix=without_kvm())
    contains(daemon.log(), "backend: process, as KVM cannot be had: /dev/kvm: not there")
    equal(daemon.request("GET", "/v1/version", status=200).json()["backend"], "process", "backend")


# needs: namespaces
def test_where_neither_can_be_had_one_line_says_both_reasons(t):
    for command, code in (([t.tool("cassin"), "run", t.guest("hello")], 125),
                          ([t.tool("cassind"), "--socket", t.path("no.sock")], 3)):
        result = t.run(without_kvm(*without_call("ptrace", *command)), env={"CASSIN_BACKEND": "auto"}, code=code)
        one_line(result.err, "neither", "/dev/kvm: not there", "modprobe", "process cells: ptrace: Operation not permitted",
                 "rule forbids it")
    holds(not os.path.exists(t.path("no.sock")), "no socket is left")


def test_processes_that_cannot_be_had_are_told_in_one_line(t):
    for call, words in (("ptrace", "process cells: ptrace: Operation not permitted"), ("memfd_create", "memory file")):
        command = without_call(call, t.tool("cassin"), "run", "--sandbox", "off", "--backend", "process",
                               t.guest("hello"))
        one_line(t.run(command, code=125).err, words)


# needs: root
def test_guests_of_an_ordinary_user_share_the_processes_that_he_may_have(t):
    who = Anybody(t, False, LONELY[0])
    daemon = who.daemon("--backend", "process", "--workers", 1, "--memory-wait", 1, prefix=["prlimit", "--nproc=60"])
    daemon.cassin("spawn", "-n", 100, "--name", "some", who.image("life"), "wait", code=0)
    equal(daemon.cassin("ps", code=0).out.count("running"), 100, "guests that run")
    holds(len(stubs(daemon)) < 60, "guests share processes")
    daemon.cassin("kill", "--all", code=0)
    equal(daemon.end(), 0, "the daemon's end")


# needs: root
def test_a_user_who_may_have_no_process_at_all_is_told_his_limits(t):
    who = Anybody(t, False, LONELY[1])
    daemon = who.daemon("--backend", "process", "--workers", 1, "--memory-wait", 1, prefix=["prlimit", "--nproc=60"])
    t.run([*who.prefix, "prlimit", "--pid", str(daemon.process.pid), "--nproc=1"], code=0)
    for name in ("first", "second"):
        daemon.cassin("spawn", "--name", name, who.image("hello"))  # it waits a little for one
        daemon.await_state(name, "crashed")
        contains(daemon.cassin("inspect", name, code=0).out, "no process for it",
                 "RLIMIT_NPROC (ulimit -u) is 60")
    equal(daemon.end(), 0, "the daemon's end")


# needs: namespaces
def test_the_doctor_tries_each_step(t):
    result = t.run(without_kvm(t.tool("cassin"), "doctor", "--json"), code=0).json()
    equal((result["auto"], result["kvm"]["available"], result["process"]["available"]), ("process", False, True), "backends")
    equal([step["passed"] for step in result["kvm"]["steps"]], [False, None, None, None], "steps to KVM")
    holds(all(step["passed"] for step in result["process"]["steps"]), "all steps to process cells")
    contains(result["kvm"]["why"], "/dev/kvm: not there")
    equal(result["process"]["why"], "", "why not process cells")
    for name in ("kernel.yama.ptrace_scope", "RLIMIT_NPROC", "pids.max", "kernel.pid_max", "vm.max_map_count", "vm.mmap_min_addr",
                 "RLIMIT_NOFILE", "seccomp"):
        holds(result["host"][name], f"{name} is told")
    table = t.run(without_kvm(t.tool("cassin"), "doctor"), code=0).out
    contains(table, "auto gives process, as KVM cannot be had: /dev/kvm", "process: ptrace ")


# needs: namespaces
def test_the_doctor_fails_where_no_guest_can_run(t):
    result = t.run(without_kvm(*without_call("ptrace", t.tool("cassin"), "doctor", "--json")), code=1).json()
    equal(result["auto"], None, "what auto gives")
    equal([step["passed"] for step in result["process"]["steps"]], [True, True, False, None, None], "steps to process cells")
    contains(result["process"]["why"], "ptrace")
    contains(t.run(without_kvm(*without_call("ptrace", t.tool("cassin"), "doctor")), code=1).out, "auto gives nothing")


def test_the_doctor_sees_permissions_and_limits_of_who_asks(t):
    who = Anybody(t, False)
    text = who.cassin("doctor", "--json", code=0).json()
    holds(text["process"]["available"], "an ordinary user has process cells")
    limited = t.run([*who.prefix, "prlimit", "--nproc=77", t.path("cassin"), "doctor", "--json"])
    equal(limited.json()["host"]["RLIMIT_NPROC"], "77", "his limit")
