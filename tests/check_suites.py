#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What becomes of a run of suites that is interrupted: nothing lives on, and nothing more is started. And how what programs print
is taken. Prints TAP.

The suites here are stand-ins: programs that note that they were started, start one of their own, and wait. All of them hold
a lock that is free when the last of them has ended.
"""

import contextlib
import fcntl
import importlib.machinery
import importlib.util
import io
import os
import re
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
        beside = where == "beside"
        yield suites.Step([sys.executable, "program", tests, kind, "--", "stand-in"], 1000, beside=beside, machine=beside)
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
    at_once = 2 if where == "beside" else 1
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


def a_second_try_is_told():
    """A pass at a second try is passed, and said to be one."""
    program = ("import groups, suites, sys\n"
               "tap = 'print(\"1..2\\\\nok 1 - good # 0.1 s\\\\nok 2 - late # second try, 0.2 s\")'\n"
               "suites.SUITES = {'stand-in': (None, lambda: [suites.Step([sys.executable, '-c', tap], 60)])}\n"
               "sys.argv[1:] = []\n"
               "groups.run(suites.main)\n")
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": HERE}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stdout}"
    assert done.stdout.splitlines()[-3:] == ["== passed at a second try only", "  stand-in: late",
                                             "2 passed, 0 failed, 1 of those passed at a second try"], done.stdout


def load_machine():
    """The class of tests/kvm-amd/run, which is a program without .py."""
    loader = importlib.machinery.SourceFileLoader("run", os.path.join(HERE, "kvm-amd", "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
    sys.dont_write_bytecode = True
    sys.path.append(os.path.join(HERE, "kvm-amd"))
    loader.exec_module(module)
    return module.Machine


def a_machine_says(program):
    """What is shown of a program's output, and its status, as the machine's init ends."""
    with open(os.path.join(HERE, "kvm-amd", "init"), encoding="utf-8") as init:
        end = re.search(r"^.*@exit.*$", init.read(), re.MULTILINE).group(0)
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        machine = load_machine()(["sh", "-c", f"echo @up; {program}; (exit 7); {end}"], SECONDS)
        status = machine.run()
    assert machine.failure is None and status == 7, f"status {status}: {machine.failure}"
    return shown.getvalue()


def a_last_line_may_lack_its_feed():
    for program, shown in (("printf 'one\\ntwo'", "one\ntwo\n"), ("printf 'one\\n'", "one\n"), ("printf 'one\\n\\n'", "one\n\n"),
                           ("printf 'a\\n\\n\\nb\\n'", "a\n\n\nb\n"), ("true", "")):
        got = a_machine_says(program)
        assert got == shown, f"{program}: {got!r}, not {shown!r}"


def end_to_end_tests_are_read_once():
    """By whoever lists them, with what the lines above them say, however many there are in a file."""
    spec = importlib.util.spec_from_file_location("e2e_run", os.path.join(HERE, "e2e", "run.py"))
    sys.path.append(os.path.join(HERE, "e2e"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    opened = []

    def counted(path, *args, **named):
        opened.append(path)
        return open(path, *args, **named)
    module.open = counted
    notes = module.discover()
    with contextlib.redirect_stdout(io.StringIO()):
        module.possible(module.chosen(notes, []), notes)
    files = {test.split("::")[0] for test in notes}
    assert len(opened) == len(set(opened)) >= len(files) > 1, f"{len(opened)} reads of {len(files)} files"
    assert any("needs" in above for above in notes.values()) and any("seconds" in above for above in notes.values())


TESTS = [
    ("SIGTERM ends machines that run side by side, and those that wait never start", interrupt, signal.SIGTERM, "bound", "beside", 143,
     "interrupted by SIGTERM"),
    ("SIGINT does", interrupt, signal.SIGINT, "bound", "beside", 130, "interrupted by SIGINT"),
    ("SIGINT ends a program with what it has started in groups of its own", interrupt, signal.SIGINT, "group", "in turn", 130,
     "interrupted by SIGINT"),
    ("nothing outlives suites that are killed", interrupt, signal.SIGKILL, "bound", "beside", -9, ""),
    ("nor do the groups that a program has started", interrupt, signal.SIGKILL, "group", "in turn", -9, ""),
    ("nor what is just being started", interrupt, signal.SIGKILL, "bound", "beside", -9, "", True),
    ("a pass at a second try is listed as one", a_second_try_is_told),
    ("a machine's program may end in the middle of a line", a_last_line_may_lack_its_feed),
    ("files of end-to-end tests are read once", end_to_end_tests_are_read_once),
]


def main():
    bad = 0
    print(f"1..{len(TESTS)}")
    for number, (name, check, *how) in enumerate(TESTS, 1):
        try:
            check(*how)
            good = True
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            print("\n".join(f"# {line}" for line in str(failure).splitlines()))
            good = False
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
