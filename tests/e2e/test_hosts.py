# SPDX-License-Identifier: MIT
"""Guests on hosts that forbid, lack or limit things: they run, or one line names the rule and the cure, before any guest begins."""

import errno
import os

from cassin_test import contains, equal, have, holds, one_line, wait_until
from hosts import Group, deaf, filtered, in_container, in_namespace, limited, traced, without_call, without_kvm, without_new_machines
from test_backend import Anybody, stubs

PROCESS = {"CASSIN_BACKEND": "process"}
AUTO = {"CASSIN_BACKEND": ""}


def both_say(t, surround, *parts, env=None):
    """`cassin run` and `cassind` do not start there, in one line."""
    env = env or PROCESS
    one_line(t.run(surround(t.tool("cassin"), "run", t.guest("hello")), env=env, code=125).err, *parts)
    one_line(t.run(surround(t.tool("cassind"), "--socket", t.path("none.sock")), env=env, code=3).err, *parts)
    holds(not os.path.exists(t.path("none.sock")), "no socket is left")


def doctor(t, surround=lambda *command: command, **how):
    return t.run(surround(t.tool("cassin"), "doctor", "--json"), **how).json()


def says_hello(t, surround=lambda *command: command, env=None):
    equal(t.run(surround(t.tool("cassin"), "run", t.guest("hello")), env=env or PROCESS, code=0).out, "hello from hello\n", "its words")


def serves(t, surround, *options):
    """A daemon in such surroundings has guests that run."""
    daemon = t.daemon("--backend", "process", *options, prefix=surround())
    daemon.cassin("spawn", "-n", 5, "--name", "w", t.guest("life"), "wait", code=0)
    equal(daemon.cassin("ps", code=0).out.count("running"), 5, "guests that run")
    return daemon


# ---- Somebody traces ----

def test_guests_run_where_this_program_and_all_its_children_are_traced(t):
    result = t.run(traced(t.tool("cassin"), "run", t.guest("hello")), env=PROCESS, code=0)
    equal(result.out, "hello from hello\n", "its words")
    contains(result.err, "traced")
    serves(t, traced)


def test_guests_run_under_strace_and_gdb(t):
    for tracer in ([have("strace"), "-f", "-o", "calls"],
                   [have("gdb"), "-q", "-batch", "-return-child-result", "-ex", "set follow-fork-mode child", "-ex",
                    "handle SIG36 SIG38 nostop noprint pass", "-ex", "run", "--args"]):
        contains(t.run([*tracer, t.tool("cassin"), "run", t.guest("hello")], env=PROCESS, code=0).out, "hello from hello\n")


def test_the_doctor_names_who_traces(t):
    holds(doctor(t)["host"]["traced by"] == "-", "nobody traces here")
    holds(doctor(t, traced)["host"]["traced by"].isdigit(), "the tracer is named")


# ---- Containers ----

# needs: namespaces
def test_guests_run_under_a_containers_filter_and_capabilities(t):
    says_hello(t, in_container)
    serves(t, in_container)
    found = doctor(t, lambda *command: without_kvm(*in_container(*command)), code=0)
    equal((found["auto"], found["sandbox"]["available"], found["host"]["seccomp"]), ("process", True, "2"), "what the doctor finds")


def test_guests_run_under_the_filter_of_an_older_container(t):
    def older(*command):
        return filtered([(errno.EPERM, "close_range", None), (errno.ENOSYS, "clone3", None), (errno.EPERM, "openat2", None)], *command)
    says_hello(t, older)
    daemon = serves(t, older)
    daemon.cassin("kill", "--all", code=0)


# needs: namespaces
def test_a_container_that_forbids_a_step_is_told_in_one_line(t):
    for call, parts in (("ptrace", ("process cells: ptrace: Operation not permitted", "--cap-add SYS_PTRACE")),
                        ("execveat", ("process cells: start of a process: Operation not permitted", "rule forbids it"))):
        both_say(t, lambda *command, call=call: without_call(call, *command), *parts)
    found = doctor(t, lambda *command: without_kvm(*without_call("execveat", *command)), code=1)
    equal([step["passed"] for step in found["process"]["steps"]], [True, False, None, None, None], "steps")


def test_a_step_that_is_forbidden_is_told_to_one_who_began_without_news_of_its_children(t):
    says_hello(t, deaf)
    both_say(t, lambda *command: without_call("execveat", *deaf(*command)),
             "process cells: start of a process: Operation not permitted", "rule forbids it")


def test_a_sandbox_that_cannot_be_had_is_told_by_the_doctor(t):
    found = doctor(t, lambda *command: without_call("capget", *command), code=1)
    equal((found["auto"], found["sandbox"]["available"]), (None, False), "what the doctor finds")
    contains(found["sandbox"]["why"], "capabilities")
    both_say(t, lambda *command: without_call("capget", *command), "capabilities")


# ---- KVM that is there and cannot be had ----

# needs: kvm
def test_kvm_that_makes_no_machine_is_passed_over(t):
    for error, words in ((errno.ENODEV, "No such device"), (errno.EBUSY, "another hypervisor")):
        def surround(*command, error=error):
            return without_new_machines(error, *command)
        says_hello(t, surround, AUTO)
        both_say(t, surround, "/dev/kvm: cannot make a virtual machine", words, env={"CASSIN_BACKEND": "kvm"})
        found = doctor(t, surround, code=0)
        equal((found["auto"], [step["passed"] for step in found["kvm"]["steps"]]), ("process", [True, True, True, False]), "steps")
        daemon = t.daemon("--backend", "auto", prefix=surround())
        contains(daemon.log(), "backend: process, as KVM cannot be had: /dev/kvm: cannot make a virtual machine")
        contains(daemon.cassin("version", code=0).out, "backend process)")


# needs: root namespaces
def test_kvm_that_a_container_or_its_owner_forbids_is_told_apart(t):
    who = Anybody(t, False)
    image = who.image("hello")
    for setup, words in (("mount -t tmpfs none /dev && mknod -m 600 /dev/kvm c 10 232", "no group may open it: sudo chgrp kvm"),
                         ("mount -t tmpfs none /dev && mknod -m 660 /dev/kvm c 10 232", "no group may open it: sudo chgrp kvm"),
                         ("mount -t tmpfs none /dev && mknod -m 660 /dev/kvm c 10 232 && chgrp 109 /dev/kvm",
                          "permission denied: add yourself to its group (sudo usermod -aG kvm $USER)"),
                         ("mount -t tmpfs -o nodev none /dev && mknod -m 666 /dev/kvm c 10 232", "nodev")):
        command = in_namespace(setup, *who.prefix, t.path("cassin"), "run")
        equal(t.run([*command, image], env=AUTO, code=0).out, "hello from hello\n", "what auto gives him")
        one_line(t.run([*command, "--backend", "kvm", image], code=125).err, "/dev/kvm: permission denied", words)
    with Group("devices", "devices.deny", "devices.deny", "c 10:232 rwm") as group:
        if group.made and os.path.exists("/dev/kvm"):
            both_say(t, group, "/dev/kvm: forbidden by the rules of a container", env={"CASSIN_BACKEND": "kvm"})
            says_hello(t, group, AUTO)


# ---- What is not mounted ----

# needs: namespaces
def test_guests_run_without_proc(t):
    def surround(*command):
        return in_namespace("mount -t tmpfs none /proc", *command)
    says_hello(t, surround)
    serves(t, surround)
    equal(doctor(t, surround, code=0)["process"]["available"], True, "process cells")


# needs: root namespaces
def test_guests_run_where_processes_of_others_and_sys_are_hidden(t):
    def surround(*command):
        return in_namespace("mount -t proc -o hidepid=2 proc /proc && mount -o bind,remount,ro /sys", *command)
    who = Anybody(t, False)
    image = who.image("hello")
    equal(t.run(surround(*who.prefix, t.path("cassin"), "run", "--backend", "process", image), code=0).out, "hello from hello\n")
    says_hello(t, surround)
    serves(t, surround)


# ---- Settings and limits ----

# needs: root namespaces
def test_memory_files_that_must_not_be_programs_are_told(t):
    def surround(value):
        return lambda *command: in_namespace(f"echo {value} >/proc/sys/vm/memfd_noexec", *command, kinds=("-p", "-f", "--mount-proc"))
    if not os.path.exists("/proc/sys/vm/memfd_noexec"):  # Linux 6.3
        equal(doctor(t)["host"]["vm.memfd_noexec"], "-", "the doctor's word")
        return
    says_hello(t, surround(1))
    both_say(t, surround(2), "vm.memfd_noexec is 2", "sysctl vm.memfd_noexec=1")
    found = doctor(t, lambda *command: without_kvm(*surround(2)(*command)), code=1)
    contains(found["process"]["why"], "vm.memfd_noexec is 2")
    equal(found["host"]["vm.memfd_noexec"], "2", "the setting")


def test_guests_run_within_small_limits(t):
    for name, value in (("as", 1 << 30), ("nofile", 64), ("memlock", 0), ("stack", 1 << 18), ("core", 0), ("rtprio", 0)):
        says_hello(t, lambda *command, name=name, value=value: limited(name, value, *command))
    daemon = serves(t, lambda *command: limited("as", 3 << 30, *command))
    pool = daemon.request("GET", "/v1/stats", status=200).json()["pool_frames"] * 4096
    holds(0 < pool <= 3 << 29, f"a pool of {pool} bytes leaves room in the address space")
    equal(doctor(t, lambda *command: limited("as", 1 << 30, *command), code=0)["host"]["RLIMIT_AS"], str(1 << 30), "the limit")


def test_limits_that_are_too_small_are_named(t):
    for name, value, parts in (("nofile", 16, ("Too many open files", "ulimit -n")),
                               ("fsize", 4096, ("File too large", "ulimit -f")),
                               ("sigpending", 0, ("cannot start the workers", "ulimit -i")),
                               ("data", 1000000, ("cannot start a thread", "ulimit -u, -v and -d"))):
        both_say(t, lambda *command, name=name, value=value: limited(name, value, *command), *parts)


# ---- Control groups ----

# needs: root
def test_the_pool_fits_the_control_groups_memory(t):
    with Group("memory", "memory.max", "memory.limit_in_bytes", 512 << 20) as group:
        daemon = serves(t, group)
        pool = daemon.request("GET", "/v1/stats", status=200).json()["pool_frames"] * 4096
        told = doctor(t, group, code=0)["host"]["memory.max"]
        if group.made:
            equal(pool, 384 << 20, "three quarters of the group's memory")
            equal(told, str(512 << 20), "what the doctor tells")
        daemon.end()


# needs: root
def test_a_control_group_that_is_full_is_told_and_nothing_hangs(t):
    with Group("pids", "pids.max", "pids.max", 1) as group:
        found = doctor(t, group)
        if not group.made:
            return
        equal(found["host"]["pids.max"], "1", "what the doctor tells")
        equal((found["auto"], found["sandbox"]["available"]), (None, False), "what auto gives")
        both_say(t, group, "cannot start a thread")
        if t.cassin("doctor", "--json").json()["kvm"]["available"] and not found["kvm"]["available"]:
            contains(found["kvm"]["why"], "cannot make a vCPU", "pids.max")


# needs: root kvm
def test_virtual_machines_that_a_control_group_lets_nobody_have_end_their_guest(t):
    with Group("pids", "pids.max", "pids.max", 40) as group:
        daemon = t.daemon("--backend", "kvm", "--workers", 1, prefix=group())
        daemon.cassin("spawn", "-n", 60, "--name", "vm", "--isolation", "vm", t.guest("life"), "wait")
        for guest in daemon.guests():
            name = guest["name"]
            ends = wait_until(lambda name=name: daemon.guest(name)["state"] == "crashed" and "crashed" or
                              "waiting" in daemon.cassin("logs", name, code=0).out and "waits", f"{name} waits or has crashed")
            if ends == "crashed":
                contains(daemon.cassin("inspect", name, code=0).out, "cannot make a vCPU", "pids.max")
        daemon.cassin("kill", "--all")
        equal(daemon.end(), 0, "the daemon's end")


# needs: root
def test_guests_share_the_processes_that_the_control_group_lets_them_have(t):
    with Group("pids", "pids.max", "pids.max", 60) as group:
        daemon = serves(t, group, "--workers", 1)
        daemon.cassin("spawn", "-n", 100, "--name", "more", t.guest("life"), "wait", code=0)
        equal(daemon.cassin("ps", code=0).out.count("running"), 105, "guests that run")
        if group.made:
            equal(doctor(t, group)["host"]["pids.max"], "60", "what the doctor tells")
            holds(len(stubs(daemon)) < 60, "guests share processes")
        daemon.cassin("kill", "more*", code=0)
        daemon.cassin("spawn", "--name", "last", t.guest("life"), "wait", code=0)
        daemon.await_state("last", "running")
        equal(daemon.end(), 0, "the daemon's end")
