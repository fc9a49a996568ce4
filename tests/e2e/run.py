#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""End-to-end tests through the real binaries: run.py [--part I/N] [--again] BUILD [GLOB...], as TAP.

Every function test_* of tests/e2e/test_*.py runs in a process of its own, with a temporary folder, a range of host
ports and a time limit. A GLOB picks tests by "file::name" or by name ("test_run*", "*crash*").
"""

import argparse
import fnmatch
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.dirname(HERE))
import groups  # pylint: disable=wrong-import-position
from namespaces import namespace  # pylint: disable=wrong-import-position
SECONDS = 60
SLOW = int(os.environ.get("CASSIN_TEST_SLOW", "1"))  # multiplies time limits, as in cassin_test.py
JOBS = 3 if SLOW == 1 else 2
ENDED_BADLY = 3  # exit status of a test whose daemon did
PORT_FIRST = 11000
PORTS_EACH = 120
PORT_ROOMS = 175


def discover():
    """"file::name" of every test, in the order of the files' names and then of the source, and what the lines above it say of it:
    {"seconds": "90", "needs": "root"}."""
    found = {}
    for file in sorted(os.listdir(HERE)):
        if file.startswith("test_") and file.endswith(".py"):
            with open(os.path.join(HERE, file), encoding="utf-8") as source:
                tests = re.findall(r"^((?:# \w+: .*\n)*)def (test_\w+)\(", source.read(), re.MULTILINE)
            found |= {f"{file[:-3]}::{name}": dict(re.findall(r"^# (\w+): (.*)$", above, re.MULTILINE)) for above, name in tests}
    return found


def chosen(tests, globs):
    if not globs:
        return list(tests)
    return [t for t in tests if any(fnmatch.fnmatch(t, g) or fnmatch.fnmatch(t.split("::")[1], g) for g in globs)]


def child(build, test, folder, first_port):
    """Runs one test in this process. What it prints is shown if it fails."""
    import cassin_test
    module, name = test.split("::")
    t = cassin_test.Test(build, folder, int(first_port), PORTS_EACH)
    status = 0
    try:
        getattr(importlib.import_module(module), name)(t)
    except cassin_test.Failed as failure:
        print(f"{failure}")
        for frame in traceback.extract_tb(failure.__traceback__):
            if os.path.basename(frame.filename).startswith("test_"):
                print(f"  at {os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}")
        status = 1
    except Exception:  # pylint: disable=broad-exception-caught
        print(traceback.format_exc())
        status = 1
    finally:
        ended_badly = t.end()
    if ended_badly:
        print(ended_badly)
        status = ENDED_BADLY
    if status:
        t.explain()
    sys.stdout.flush()
    os._exit(status)


def namespaces():
    """Whether this user may have mount namespaces."""
    return subprocess.run(namespace(["-m"], "true"), stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


# What a test may need of a host: # needs: root
NEEDS = {"root": lambda: os.geteuid() == 0, "namespaces": namespaces, "kvm": lambda: os.access("/dev/kvm", os.R_OK | os.W_OK)}


def possible(tests, notes):
    """Those that this host has all for. The others are named: they are not run, and count as nothing."""
    have = {need: there() for need, there in NEEDS.items()}
    missing = {test: [need for need in notes[test].get("needs", "").split() if not have[need]] for test in tests}
    for need in NEEDS:
        without = [test for test in tests if missing[test] and missing[test][0] == need]
        if without:
            print(f"# left out, for want of {need}: {', '.join(without)}")
    return [test for test in tests if not missing[test]]


def first_port(index):
    """Each test has ports of its own, below those that the kernel gives to clients; two runs seldom have the same."""
    return PORT_FIRST + (os.getpid() * 37 + index) % PORT_ROOMS * PORTS_EACH


def run_test(build, test, limit, first_port, again):
    """As run_one(), and whether there was a second try, which a test that fails gets if there are such and nothing has died."""
    passed, output, took, may_be_chance = run_one(build, test, limit, first_port)
    second = again and not passed and may_be_chance
    if second:
        passed, more, longer, _ = run_one(build, test, limit, first_port)
        output, took = f"{output}\nonce more:\n{more}", took + longer
    return passed, second, output, took


def run_one(build, test, limit, first_port):
    """Returns whether it passed, what it printed, how long it took, and whether a failure may be chance."""
    folder = tempfile.mkdtemp(prefix="cassin-e2e-")
    began = time.monotonic()
    process = groups.start(
        [sys.executable, os.path.abspath(__file__), "--child", build, test, folder, str(first_port)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = process.communicate(timeout=limit)
        passed, may_be_chance = process.returncode == 0, process.returncode == 1
    except subprocess.TimeoutExpired:
        groups.signal_group(process, signal.SIGKILL)
        output, _ = process.communicate()
        output += f"\ndid not end within {limit} s\n".encode()
        passed, may_be_chance = False, True
        for name in sorted(os.listdir(folder)):
            if name.endswith((".log", ".commands")):
                with open(os.path.join(folder, name), "rb") as log:
                    output += f"--- {name}\n".encode() + log.read()[-6000:]
    finally:
        groups.end(process)
        shutil.rmtree(folder, ignore_errors=True)
    return passed, output.decode(errors="replace"), time.monotonic() - began, may_be_chance


def run_all(build, tests, notes, again):
    """A test that needs more than the usual time says so: # seconds: N."""
    print("TAP version 13")
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    with groups.Pool(JOBS) as pool:
        limits = [SLOW * int(notes[test].get("seconds", SECONDS)) for test in tests]
        runs = [pool.submit(run_test, build, test, limits[i], first_port(i), again) for i, test in enumerate(tests)]
        for i, (test, run) in enumerate(zip(tests, runs)):
            passed, second, output, took = run.result()
            name = test.replace("::test_", ": ").removeprefix("test_").replace("_", " ")
            print(f"{'ok' if passed else 'not ok'} {i + 1} - {name}{' # second try' if second else ''}")
            failed += not passed
            if output and (again or not passed):
                print(f"# {test} in {took:.1f} s")
                print("\n".join(f"# {line}" for line in output.splitlines()))
            sys.stdout.flush()
    return failed


def part(text):
    """"2/4" is the second quarter of the tests."""
    which, _, parts = text.partition("/")
    if not (which.isdigit() and parts.isdigit() and 1 <= int(which) <= int(parts)):
        raise argparse.ArgumentTypeError("must be I/N with 1 <= I <= N")
    return int(which), int(parts)


def main():
    sys.path.insert(0, HERE)
    sys.dont_write_bytecode = True
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        child(*sys.argv[2:])
    parser = argparse.ArgumentParser(usage="run.py [--part I/N] [--again] BUILD [GLOB...]")
    parser.add_argument("--part", type=part, default=(1, 1))
    parser.add_argument("--again", action="store_true", help="a test that fails gets a second try, unless its daemon has died")
    parser.add_argument("build", type=os.path.abspath)
    parser.add_argument("globs", nargs="*")
    options = parser.parse_args()
    which, parts = options.part
    build, notes = options.build, discover()
    tests = chosen(notes, options.globs)[which - 1::parts]
    if not tests:
        sys.exit("run.py: no test has such a name")
    sys.exit(1 if run_all(build, possible(tests, notes), notes, options.again) else 0)


if __name__ == "__main__":
    groups.run(main)
