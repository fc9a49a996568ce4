#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What becomes of a run of suites that is interrupted: nothing lives on, and nothing more is started. Prints TAP.

The suites here are stand-ins: programs that note that they were started, start one of their own, and wait. All of them hold
a lock that is free when the last of them has ended.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 60  # until which everything must have come; as a rule it takes a fraction of one

PROGRAM = """
import fcntl, os, subprocess, sys
sys.path.append(sys.argv[1])
import groups
lock = os.open("lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_SH)
os.set_inheritable(lock, True)
def wait():
    command = ["sleep", "1000"]
    child = (groups.start(command, close_fds=False) if sys.argv[2] == "group" else
             subprocess.Popen(groups.bound(command), close_fds=False))
    with open("started", "a") as started:
        started.write("1")
    child.wait()
if sys.argv[2] == "group":
    groups.run(wait)
wait()
"""

SUITES = """
import os, sys
sys.path.append(sys.argv[1])
import groups, suites
_, tests, kind, where = sys.argv
def steps():
    for _ in range(6):
        yield suites.Step([sys.executable, "program", tests, kind, "--", "stand-in"], 1000, apart=where == "apart")
suites.HERE = os.path.abspath("tests")
suites.SUITES = {"stand-in": (None, steps)}
sys.argv[1:] = []
groups.run(suites.main)
"""


def wait_until(holds, what):
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {SECONDS} s")
        time.sleep(0.05)


def started(folder):
    path = os.path.join(folder, "started")
    return os.path.getsize(path) if os.path.exists(path) else 0


def all_ended(folder):
    lock = os.open(os.path.join(folder, "lock"), os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(lock)


def slow_setpriv(folder):
    """Half a second lies between the start of a program and that of its binding to who starts it. Gives the PATH for it."""
    path = os.path.join(folder, "bin", "setpriv")
    os.mkdir(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as script:
        script.write(f'#!/bin/sh\nsleep 0.5\nexec {shutil.which("setpriv")} "$@"\n')
    os.chmod(path, 0o755)
    return f"{os.path.dirname(path)}:{os.environ['PATH']}"


def interrupt(number, kind, where, status, says, slow=False):
    """Starts suites, waits until as many programs run as may, and sends the signal."""
    at_once = 2 if where == "apart" else 1
    with tempfile.TemporaryDirectory(prefix="cassin-suites-") as folder:
        with open(os.path.join(folder, "program"), "w", encoding="utf-8") as program:
            program.write(PROGRAM)
        env = {**os.environ, "PATH": slow_setpriv(folder)} if slow else None
        run = subprocess.Popen([sys.executable, "-c", SUITES, HERE, kind, where], cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        wait_until(lambda: started(folder) == at_once or run.poll() is not None, "the programs run")
        run.send_signal(number)
        output, _ = run.communicate(timeout=SECONDS)
        wait_until(lambda: all_ended(folder), "all have ended")
        assert run.returncode == status, f"exit status {run.returncode}, not {status}: {output}"
        assert (output.splitlines() or [""])[-1].startswith(says), output
        assert started(folder) == at_once, f"{started(folder)} programs were started, not {at_once}"


TESTS = [
    ("SIGTERM ends machines that run side by side, and those that wait never start", signal.SIGTERM, "bound", "apart", 143,
     "interrupted by SIGTERM"),
    ("SIGINT does", signal.SIGINT, "bound", "apart", 130, "interrupted by SIGINT"),
    ("SIGINT ends a program with what it has started in groups of its own", signal.SIGINT, "group", "in turn", 130,
     "interrupted by SIGINT"),
    ("nothing outlives suites that are killed", signal.SIGKILL, "bound", "apart", -9, ""),
    ("nor do the groups that a program has started", signal.SIGKILL, "group", "in turn", -9, ""),
    ("nor what is just being started", signal.SIGKILL, "bound", "apart", -9, "", True),
]


def main():
    bad = 0
    print(f"1..{len(TESTS)}")
    for number, (name, *how) in enumerate(TESTS, 1):
        try:
            interrupt(*how)
            good = True
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            print("\n".join(f"# {line}" for line in str(failure).splitlines()))
            good = False
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
