# SPDX-License-Identifier: MIT
"""Programs that do not outlive who started them, even if that is killed: each in a process group of its own, ended as a whole."""

import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
import threading

GRACE = 5  # seconds from SIGTERM to SIGKILL

lock = threading.Lock()
running = set()
stopped = False


class Stopped(Exception):
    """end_all() was called: nothing is started any more."""


def bound(command, name="KILL"):
    """The command, which gets the signal when the thread that starts it ends, or its whole process does."""
    if not shutil.which(command[0]):
        raise FileNotFoundError(f"no such program: {command[0]}")
    # Who has died before the signal was asked for sends none: the program then has another parent already, and does not begin.
    return ["setpriv", "--pdeathsig", name, "sh", "-c", f'[ "$PPID" = {os.getpid()} ] && exec "$@"', "sh", *command]


def start(command, **how):
    """subprocess.Popen() in a group of its own, for end(). Should this process die, the program gets SIGTERM."""
    with lock:
        if stopped:
            raise Stopped
        process = subprocess.Popen(bound(command, "TERM"), start_new_session=True, **how)
        running.add(process)
    return process


def signal_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def end(process):
    """Ends what is left of a program's group: at once, but for a program that still runs, which gets some grace."""
    if process.poll() is None:
        signal_group(process, signal.SIGTERM)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
    signal_group(process, signal.SIGKILL)
    process.wait()
    with lock:
        running.discard(process)


def end_all():
    """Ends all that run, and lets nothing start from here on."""
    global stopped
    with lock:
        stopped = True
        left = list(running)
    for process in left:
        signal_group(process, signal.SIGTERM)
    for process in left:
        end(process)


class Pool(concurrent.futures.ThreadPoolExecutor):
    """Threads that start programs. An exception in its block ends all programs, those that wait for their turn as well."""

    def __exit__(self, kind, value, trace):
        if kind:
            end_all()
            self.shutdown(cancel_futures=True)
        return super().__exit__(kind, value, trace)


class Interrupted(BaseException):
    """A signal has asked this process to end."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


def heed():
    """From now on a signal that asks for the end raises Interrupted in the main thread, once."""
    asking = [s for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if s == signal.SIGINT or signal.getsignal(s) != signal.SIG_IGN]

    def interrupted(number, _):
        for each in asking:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    for each in asking:
        signal.signal(each, interrupted)


def run(main):
    """main(), which a signal that asks for the end ends with all that runs."""
    heed()
    try:
        main()
    except Interrupted as interrupted:
        end_all()
        print(f"interrupted by {interrupted}: what ran was ended, the rest was not run", flush=True)
        sys.exit(interrupted.status)
