# SPDX-License-Identifier: MIT
"""Runs a program that prints TAP: shows its output as it comes, counts its tests, and trusts nothing it leaves out."""

import os
import re
import subprocess
import sys
import threading

import groups

RESULT = re.compile(r"(not )?ok\b *(\d+)? *(?:- *)?(.*)")
PLAN = re.compile(r"1\.\.(\d+)")
AGAIN = re.compile(r"# *second try", re.IGNORECASE)
SKIP = re.compile(r"# *skip", re.IGNORECASE)


class Tally:
    """What one program's output says. `failed` holds a line for each failure, `again` one for each pass at a
    second try, which are counted in `passed` as well."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.again = []
        self.ran = 0
        self.plan = None

    def line(self, text):
        result = RESULT.match(text)
        if result:
            self.ran += 1
            bad, number, name = result.groups()
            name = name.strip() or f"test {number}"
            if bad:
                self.failed.append(name)
            elif SKIP.search(name):
                self.failed.append(f"{name} (a skipped test counts as failed)")
            else:
                self.passed += 1
                if AGAIN.search(name):
                    self.again.append(AGAIN.split(name)[0].strip())
        elif PLAN.match(text):
            self.plan = int(PLAN.match(text).group(1))
        elif text.startswith("Bail out!"):
            self.failed.append(text)

    def end(self, status):
        """Judges the run as a whole; `status` is an exit status, negative for a signal, or None for a time-out."""
        if status is None:
            self.failed.append(f"did not end in time, after {self.ran} tests")
        elif status < 0:
            self.failed.append(f"died of signal {-status}, after {self.ran} tests")
        elif self.ran == 0:
            self.failed.append(f"ran no test (exit status {status})")
        elif self.plan is None:
            self.failed.append("ended without a plan")
        elif self.plan != self.ran:
            self.failed.append(f"planned {self.plan} tests, ran {self.ran}")
        elif status > 0 and not self.failed:
            self.failed.append(f"exit status {status}, though no test failed")


def show(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def run(command, seconds, env=None, write=show):
    """Runs a command in a process group of its own, which does not outlive it. Returns its Tally; gives the lines of its
    output to `write` as they come."""
    tally = Tally()
    try:
        process = groups.start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={**os.environ, **(env or {})},
                               text=True, errors="replace")
    except OSError as error:
        tally.failed.append(f"cannot run: {error}")
        return tally

    def read():
        for text in process.stdout:
            write(text)
            tally.line(text.rstrip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        status = process.wait(timeout=seconds)
        reader.join(timeout=5)
        if reader.is_alive():
            tally.failed.append("left processes behind")
    except subprocess.TimeoutExpired:
        status = None
    finally:
        groups.end(process)
    reader.join(timeout=5)
    tally.end(status)
    return tally
