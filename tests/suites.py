#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the suites named on the command line, in that order, and adds up their tests.

The last line is "N passed, M failed"; the exit status is 0 only if M is 0. ./x test calls this.
"""

import itertools
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import groups
import tap

HERE = os.path.dirname(os.path.abspath(__file__))
KVM = os.access("/dev/kvm", os.R_OK | os.W_OK)
BACKENDS = ["kvm", "process"] if KVM else ["process"]  # the first is what a program takes here of its own accord
SLOWER = 5   # by how much the emulated machine is, at most, in what has a time limit
LANES = 2    # programs at a time that do not mind one another
SHORT = 180  # seconds that a program of unit tests has
MACHINE_MEMORY = "8G"
# The end-to-end tests of what depends on the backend most: for the one that is not this host's, and for the emulated machine, where
# the checks of conformance are among the guest tests.
E2E_SOME = [f"test_{what}::*" for what in ("run", "debug", "park", "account", "conformance", "storm")]
E2E_FEW = ["*hello_prints*", "*exit_code_is*", "*input_reaches*", "*a_crash_ends*", "*recursion_off*", "*a_port_serves*", "*memory_is_the*",
           "*two_runs*", "*a_restart_policy_works*", "*ctrl_c_stops_a_guest*", "test_debug::*to_its_end", "test_debug::*steps_calls*",
           "test_debug::*crash_stops*", "test_debug::*two_guests*", "test_park::*answer_all_the_same", "test_park::*clones_are_parked",
           "test_park::*come_back", "test_park::*back_to_the_host"]
SANITIZERS = {
    "asan": {"ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1:log_path=build-asan/report",
             "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:log_path=build-asan/report"},
    "tsan": {"TSAN_OPTIONS": "history_size=5:log_path=build-tsan/report:"
                             f"suppressions={os.path.abspath('tests/tsan-suppressions')}"},
}
# Of the daemon; the guest tests are for the engine. None that ends `cassin trace` by a signal: this sanitizer keeps a handler back
# until recv() has returned.
TSAN_E2E = ["*parallel*", "test_debug::test_a_client*", "test_debug::test_a_stopped*", "test_debug::test_the_daemon*"]


@dataclass
class Step:
    """A program that prints TAP; `beside`: it may run beside another such; `machine`: it runs in one of its own."""
    command: list
    seconds: int
    env: dict = field(default_factory=dict)
    beside: bool = False
    machine: bool = False

    def __str__(self):
        words = self.command[self.command.index("--") + 1:] if self.machine else self.command
        where = " (kvm-amd)" if self.machine else f" ({self.env['CASSIN_BACKEND']})" if "CASSIN_BACKEND" in self.env else ""
        return " ".join([os.path.basename(words[0])] + [os.path.relpath(w) if w.startswith("/") else w for w in words[1:]]) + where


def programs(folder):
    """The executables in a folder, or the folder itself (which then fails to run, by name) if there are none."""
    found = []
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                found.append(path)
    return found or [folder]


machines = itertools.count(1)


def in_machine(options, build, command, seconds, env):
    """A step on stock kvm_amd, in a machine that QEMU emulates."""
    more = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    return Step(["tests/kvm-amd/run", "--name", f"machine-{next(machines)}", "--seconds", str(seconds - 30), *options, *more, build,
                 "--", *command], seconds, beside=True, machine=True)


def native(command, seconds, slow=1, backend=None, beside=False, **env):
    """A step on this host, whose guests run on the backend; None: as programs choose of their own accord. `slow` multiplies its time
    limits."""
    return Step(command, seconds, {**env, "CASSIN_TEST_SLOW": str(slow), **({"CASSIN_BACKEND": backend} if backend else {})}, beside)


def guest_tests(build, seconds, slow=1, backend=None, **env):
    """Most of these wait most of the time: parts of them run side by side."""
    for part in range(LANES):
        yield native([f"{build}/tests/guests/guest-tests", "--part", f"{part + 1}/{LANES}"], seconds, slow, backend, True, **env)


def unit(build="build", env=None):
    for path in programs(f"{build}/tests/unit"):
        yield Step([path, "--tap"], SHORT, env or {}, beside=True)
    if build == "build":  # comparisons of texts and objects: once is enough
        yield Step([sys.executable, "tests/docs/check_conformance.py", build], 60)
        yield Step([sys.executable, "tests/lint/check_calls.py", build], 60)
        yield Step([sys.executable, "tests/docs/check_hostile.py", build], 60)


def guests():
    for backend in BACKENDS:
        yield from guest_tests("build", 600, backend=backend)


def e2e():
    yield native([sys.executable, "tests/e2e/run.py", "build"], 900)
    for backend in BACKENDS[1:]:
        yield native([sys.executable, "tests/e2e/run.py", "build", *E2E_SOME], 600, backend=backend)


def asan():
    yield from unit("build-asan", SANITIZERS["asan"])
    yield from guest_tests("build-asan", 900, 3, **SANITIZERS["asan"])


def tsan():
    yield from guest_tests("build-tsan", 900, 5, **SANITIZERS["tsan"])
    yield native([sys.executable, "tests/e2e/run.py", "build-tsan", *TSAN_E2E], 600, 5, **SANITIZERS["tsan"])


def coverage():
    yield from unit("build-coverage")
    for backend in BACKENDS:
        yield from guest_tests("build-coverage", 600, backend=backend)


def fuzz():
    yield Step([sys.executable, "tests/fuzzers.py", "build-fuzz", "5"], 300)


def kvm_amd():
    """Stock kvm_amd, in machines that QEMU emulates, of which each needs a CPU. They stand still when the host has other things to
    do, and a test of time then fails by chance: what fails is run once more, and a pass at that second try is counted and listed as
    one. A program that died, or a sanitizer's finding, is never chance."""
    env = {"CASSIN_TEST_SLOW": str(SLOWER), "CASSIN_BACKEND": "kvm"}
    for part in range(LANES):
        yield in_machine(["--dir", "tests/guests", "--dir", "examples"], "build",
                         ["tests/guests/guest-tests", "--own-machine", "--light", "--again", "--part", f"{part + 1}/{LANES}"], 1800, env)
    if os.getuid() != 0:
        print("# kvm-amd: the end-to-end tests are left out: only root can share this host's files with a machine", flush=True)
        return
    yield in_machine(["--host-files", "--memory", MACHINE_MEMORY, "--keep", os.path.abspath("build")], "build",
                     [sys.executable, os.path.abspath("tests/e2e/run.py"), "--again", "build", *E2E_FEW], 1500, env)


def lint():
    yield Step([sys.executable, "tests/lint/run"], 120)
    yield Step([sys.executable, "tests/lint/tidy", "build"], 900)
    yield Step(["tests/docs/check_headers"], 60)
    yield Step([sys.executable, "tests/docs/check_abi.py"], 120)
    yield Step([sys.executable, "tests/docs/check_openapi.py"], 60)
    yield Step([sys.executable, "tests/check_suites.py"], 300)


# Name, the variant of ./x build that it needs (None: none), its programs.
SUITES = {
    "unit": ("", unit),
    "guests": ("", guests),
    "e2e": ("", e2e),
    "asan": ("asan", asan),
    "tsan": ("tsan", tsan),
    "fuzz": ("fuzz", fuzz),
    "kvm-amd": ("", kvm_amd),
    "lint": ("", lint),
    "coverage": ("coverage", coverage),
}


def build(variant, done):
    """Builds a variant once. Returns whether it is there."""
    if variant not in done:
        print(f"== build {variant}".rstrip(), flush=True)
        command = ["./x", "build"] + ([variant] if variant else [])
        process = groups.start(command, stdin=subprocess.DEVNULL)
        try:
            done[variant] = process.wait() == 0
        finally:
            groups.end(process)
    return done[variant]


def reports(name):
    """What a sanitizer has written down in a suite's build folder."""
    folder = f"build-{name}"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names if name.startswith("report.")]


def show_reports(name):
    for path in reports(name)[:10]:
        with open(path, encoding="utf-8", errors="replace") as report:
            print(report.read()[:8000])


class Outcome:
    """What a suite has come to; `failed` holds a line for each failure, `again` one for each pass at a second try."""

    def __init__(self, name):
        self.name, self.passed, self.failed, self.again = name, 0, [], []

    def add(self, step, tally, seconds):
        self.passed += tally.passed
        program = step.command[0]
        where = f"{self.name}/{os.path.basename(program)}" if os.path.dirname(program).endswith("tests/unit") else self.name
        self.failed += [f"{where}: {text}" for text in tally.failed]
        self.again += [f"{where}: {text}" for text in tally.again]
        print(f"# {self.name}: {tally.passed} passed, {len(tally.failed)} failed, {seconds:.1f} s", flush=True)


def run_step(step, write):
    began = time.monotonic()
    tally = tap.run(step.command, step.seconds, step.env, write)
    return tally, time.monotonic() - began


def run_beside(step, said):
    """Beside others: the output is kept until it is this step's turn to be shown; meanwhile its failures are."""
    kept = []

    def write(text):
        kept.append(text)
        if text.startswith("not ok"):
            with said:
                print(f"# {step}: {text.rstrip()}", flush=True)
    return (kept, *run_step(step, write))


def run_all(suites, built):
    """Runs the suites that could be built: first the steps that want the host for themselves, then those that may go side by side: short
    ones, then the longest first, so that no lane stands empty at the end."""
    outcomes = {name: Outcome(name) for name in suites}
    plan = []
    for name in suites:
        variant, steps = SUITES[name]
        if variant is not None and not build(variant, built):
            outcomes[name].failed.append(f"{name}: the build failed")
            continue
        for path in reports(name):
            os.unlink(path)
        plan += [(name, step) for step in steps()]
    for name, step in plan:
        if not step.beside:
            print(f"== {name}: {step}", flush=True)
            outcomes[name].add(step, *run_step(step, tap.show))
    said = threading.Lock()
    with groups.Pool(LANES) as lanes:
        ordered = sorted((both for both in plan if both[1].beside), key=lambda both: (both[1].seconds > SHORT, -both[1].seconds))
        beside = [(name, step, lanes.submit(run_beside, step, said)) for name, step in ordered]
        for name, step, run in beside:
            kept, tally, seconds = run.result()
            with said:
                print(f"== {name}: {step}\n{''.join(kept)}", end="")
                outcomes[name].add(step, tally, seconds)
    return outcomes


def main():
    os.chdir(os.path.dirname(HERE))
    names = sys.argv[1:] or [name for name in SUITES if name != "coverage"]  # it repeats others
    for name in names:
        if name not in SUITES:
            sys.exit(f"suites: no such suite: {name} ({', '.join(SUITES)})")
    outcomes = run_all(names, {})
    for name in names:
        outcomes[name].failed += [f"{name}: {path}" for path in reports(name)]
        show_reports(name)
    passed = sum(outcome.passed for outcome in outcomes.values())
    failed = [text for outcome in outcomes.values() for text in outcome.failed]
    if failed:
        print("== failed")
        for text in failed:
            print(f"  {text}")
    again = [text for outcome in outcomes.values() for text in outcome.again]
    if again:
        print("== passed at a second try only")
        for text in again:
            print(f"  {text}")
    print(f"{passed} passed, {len(failed)} failed{f', {len(again)} of those passed at a second try' if again else ''}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    groups.run(main)
