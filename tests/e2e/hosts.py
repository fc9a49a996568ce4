# SPDX-License-Identifier: MIT
"""Hosts that lack or forbid things, and who traces: launchers, which run a program in such surroundings."""

import errno
import json
import os
import signal
import sys
import time

from namespaces import namespace

NO_DEV = "mount -t tmpfs none /dev"
FILTER = """
import ctypes, json, os, sys
class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
filter = ctypes.c_void_p(lib.seccomp_init(0x7fff0000))
wanted = json.loads(sys.argv[1])
for error, name, condition in wanted["calls"]:
    number = name if isinstance(name, int) else lib.seccomp_syscall_resolve_name(name.encode())
    compare = (Compare * 1)(Compare(*(condition or [0, 0, 0, 0])))
    assert number >= 0 and lib.seccomp_rule_add_array(filter, 0x00050000 | error, number, bool(condition), compare) == 0, name
libc = ctypes.CDLL(None)
for capability in range(64):
    if wanted["capabilities"] is not None and capability not in wanted["capabilities"]:
        libc.prctl(24, capability, 0, 0, 0)
assert lib.seccomp_load(filter) == 0
os.execvp(sys.argv[2], sys.argv[2:])
"""
EQUAL, MASKED = 4, 7  # libseccomp's comparisons
KVM_CREATE_VM = 0xae01
# What the default profiles of docker, podman and containerd refuse; their clone may make no namespace, clone3 does not exist, and
# these capabilities are left.
OF_CONTAINERS = """acct add_key bpf clock_settime delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick get_mempolicy
    init_module io_uring_enter io_uring_register io_uring_setup kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind mount
    mount_setattr move_mount move_pages name_to_handle_at open_by_handle_at open_tree perf_event_open pivot_root process_madvise
    process_vm_readv process_vm_writev quotactl reboot request_key set_mempolicy setns settimeofday swapoff swapon umount2 unshare
    userfaultfd vhangup vmsplice""".split()
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
CAPABILITIES = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31]
AF_VSOCK = 40
# Traces a program and all that it starts, as strace -f does, and says how many there were.
TRACER = """
import ctypes, os, signal, sys
CONT, SEIZE, LISTEN = 7, 0x4206, 0x4208
FOLLOW = 2 | 4 | 8 | 16  # forks, vforks, clones and programs
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long] * 4
reader, writer = os.pipe()
first = os.fork()
if not first:
    os.read(reader, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
assert ptrace(SEIZE, first, 0, FOLLOW) == 0
signal.signal(signal.SIGTERM, lambda *_: os.kill(first, signal.SIGTERM))
os.write(writer, b"x")
seen, result = set(), None
while result is None:
    pid, status = os.waitpid(-1, 0x40000000)
    seen.add(pid)
    if os.WIFSTOPPED(status):
        event, number = status >> 16, os.WSTOPSIG(status)
        group = event == 128 and number in (19, 20, 21, 22)
        ptrace(LISTEN if group else CONT, pid, 0, 0 if event else number)
    elif pid == first:
        result = os.waitstatus_to_exitcode(status)
print("traced", len(seen), "tasks", file=sys.stderr)
sys.exit(result if result >= 0 else 128 - result)
"""


def in_namespace(setup, *command, kinds=("-m",)):
    """With the shell command `setup` done before, in a mount namespace, or another, of its own."""
    return namespace(kinds, "sh", "-c", f'{setup} && exec "$@"', "sh", *command)


def without_kvm(*command):
    return in_namespace(NO_DEV, *command)


def filtered(calls, *command, capabilities=None):
    """Calls, each (errno, name, condition or None), fail; all but these capabilities are gone for good."""
    return [sys.executable, "-c", FILTER, json.dumps({"calls": calls, "capabilities": capabilities}), *command]


def without_call(name, *command, error=errno.EPERM):
    return filtered([(error, name, None)], *command)


def without_new_machines(error, *command):
    """/dev/kvm opens and answers, and makes no virtual machine."""
    return filtered([(error, "ioctl", (1, MASKED, 0xffffffff, KVM_CREATE_VM))], *command)


def in_container(*command):
    calls = [(errno.EPERM, name, None) for name in OF_CONTAINERS] + [(errno.ENOSYS, "clone3", None)]
    calls += [(errno.EPERM, "clone", (0, MASKED, flag, flag)) for flag in NAMESPACES]
    calls += [(errno.EPERM, "socket", (0, EQUAL, AF_VSOCK, 0))]
    return filtered(calls, *command, capabilities=CAPABILITIES)


def traced(*command):
    return [sys.executable, "-c", TRACER, *command]


def deaf(*command):
    """As a program begins whose parent did not want to hear of its children: the kernel forgets its own as they end."""
    deed = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-c", deed, *command]


def limited(name, value, *command):
    return ["prlimit", f"--{name}={value}", *command]


class Group:
    """A control group of one controller, with a limit; `made` is false where this host lets nobody make one."""

    def __init__(self, controller, name, old, value):
        top = f"/sys/fs/cgroup/{controller}"
        first = os.path.exists(os.path.join(top, "cgroup.procs"))
        self.folder = os.path.join(top if first else "/sys/fs/cgroup", f"cassin-test-{os.getpid()}-{controller}")
        self.made = False
        try:
            os.mkdir(self.folder)
            with open(os.path.join(self.folder, old if first else name), "w", encoding="ascii") as file:
                file.write(str(value))
            self.made = True
        except OSError as error:
            print(f"no control group can be made here: {error}")

    def __call__(self, *command):
        return ["sh", "-c", f'echo $$ >{self.folder}/cgroup.procs && exec "$@"', "sh", *command] if self.made else [*command]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(100):
            try:
                os.rmdir(self.folder)
                return
            except FileNotFoundError:
                return
            except OSError:  # a test that failed has left processes, or its last one is just going
                self.kill()
                time.sleep(0.1)

    def kill(self):
        with open(os.path.join(self.folder, "cgroup.procs"), encoding="ascii") as members:
            for pid in members.read().split():
                os.kill(int(pid), signal.SIGKILL)
