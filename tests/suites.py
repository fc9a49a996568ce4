#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the suites named on the command line, in that order, and adds up their tests.

The last line is "N passed, M failed"; the exit status is 0 only if M is 0. ./x test calls this.
"""

import os
import signal
import subprocess
import sys
import time

import tap

HERE = os.path.dirname(os.path.abspath(__file__))
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1:log_path=build-asan/report",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:log_path=build-asan/report",
}


def programs(folder):
    """The executables in a folder, or the folder itself (which then fails to run, by name) if there are none."""
    found = []
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                found.append(path)
    return found or [folder]


def unit(build, env=None):
    for path in programs(f"{build}/tests/unit"):
        yield [path, "--tap"], 180, env


def guests(build, env=None, seconds=300):
    yield [f"{build}/tests/guests/guest-tests"], seconds, env


def e2e():
    yield [sys.executable, "tests/e2e/run.py", "build"], 600, None


def asan():
    yield from unit("build-asan", SANITIZERS)
    yield from guests("build-asan", {**SANITIZERS, "CASSIN_TEST_SLOW": "3"}, 600)


def fuzz():
    yield [sys.executable, "tests/fuzzers.py", "build-fuzz", "10"], 300, None


def kvm_amd():
    yield ["tests/kvm-amd/run", "--dir", "tests/guests", "--dir", "examples", "--env", "CASSIN_TEST_SLOW=5", "build", "--",
           "tests/guests/guest-tests", "--own-machine"], 900, None


def lint():
    yield [sys.executable, "tests/lint/run"], 120, None
    yield [sys.executable, "tests/docs/check_abi.py"], 120, None


# Name, the variant of ./x build that it needs (None: none), its programs.
SUITES = {
    "unit": ("", lambda: unit("build")),
    "guests": ("", lambda: guests("build")),
    "e2e": ("", e2e),
    "asan": ("asan", asan),
    "fuzz": ("fuzz", fuzz),
    "kvm-amd": ("", kvm_amd),
    "lint": (None, lint),
}


def build(variant, done):
    """Builds a variant once. Returns whether it is there."""
    if variant not in done:
        print(f"== build {variant}".rstrip(), flush=True)
        command = ["./x", "build"] + ([variant] if variant else [])
        done[variant] = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0
    return done[variant]


def forget_reports():
    for name in os.listdir("build-asan") if os.path.isdir("build-asan") else []:
        if name.startswith("report."):
            os.unlink(os.path.join("build-asan", name))


def show_reports():
    names = sorted(os.listdir("build-asan")) if os.path.isdir("build-asan") else []
    for name in [name for name in names if name.startswith("report.")][:10]:
        with open(os.path.join("build-asan", name), encoding="utf-8", errors="replace") as report:
            print(report.read()[:8000])


def run_suite(name, built):
    """Returns how many tests passed and the lines of those that failed."""
    variant, steps = SUITES[name]
    if variant is not None and not build(variant, built):
        return 0, [f"{name}: the build failed"]
    passed, failed = 0, []
    if name == "asan":
        forget_reports()
    for command, seconds, env in steps():
        print(f"== {name}: {' '.join([os.path.basename(command[0])] + command[1:])}", flush=True)
        began = time.monotonic()
        tally = tap.run(command, seconds, env)
        passed += tally.passed
        where = f"{name}/{os.path.basename(command[0])}" if name in ("unit", "asan") else name
        failed += [f"{where}: {text}" for text in tally.failed]
        print(f"# {name}: {tally.passed} passed, {len(tally.failed)} failed, {time.monotonic() - began:.1f} s",
              flush=True)
    if name == "asan" and failed:
        show_reports()
    return passed, failed


def main():
    os.chdir(os.path.dirname(HERE))
    built, passed, failed = {}, 0, []
    names = sys.argv[1:] or list(SUITES)
    for name in names:
        if name not in SUITES:
            sys.exit(f"suites: no such suite: {name} ({', '.join(SUITES)})")
    for name in names:
        more, bad = run_suite(name, built)
        passed += more
        failed += bad
    if failed:
        print("== failed")
        for text in failed:
            print(f"  {text}")
    print(f"{passed} passed, {len(failed)} failed", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the program that runs now is ended too
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
