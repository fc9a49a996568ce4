#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every fuzzer of a build for some seconds, one on each CPU: fuzzers.py BUILD SECONDS. Prints TAP.

A fuzzer is an executable BUILD/tests/fuzz/fuzz-NAME linked with libFuzzer. Its seeds are in tests/fuzz/seeds/NAME, if
there are any; what it finds worth keeping stays in BUILD/corpus/NAME, and what it fails on in BUILD/corpus/NAME-fail-*.
"""

import concurrent.futures
import os
import subprocess
import sys


def fuzz(path, build, seconds):
    name = os.path.basename(path)[len("fuzz-"):]
    corpus = os.path.join(build, "corpus", name)
    os.makedirs(corpus, exist_ok=True)
    command = [path, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
               f"-artifact_prefix={corpus}-fail-", corpus]
    seeds = os.path.join("tests", "fuzz", "seeds", name)
    if os.path.isdir(seeds):
        command.append(seeds)
    env = {**os.environ, "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", env=env, check=False)
    runs = [line.split()[-1] for line in done.stdout.splitlines() if "number_of_executed_units" in line]
    return done.returncode == 0 and bool(runs), runs[0] if runs else "no", done.stdout


def main():
    build, seconds = sys.argv[1], int(sys.argv[2])
    folder = os.path.join(build, "tests", "fuzz")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    fuzzers = [os.path.join(folder, name) for name in names
               if name.startswith("fuzz-") and os.path.isfile(os.path.join(folder, name))]
    print(f"1..{len(fuzzers)}", flush=True)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda path: fuzz(path, build, seconds), fuzzers)
        for number, (path, (good, runs, output)) in enumerate(zip(fuzzers, results), 1):
            if not good:
                bad += 1
                for line in output.splitlines()[-40:]:
                    print(f"# {line}")
            print(f"{'ok' if good else 'not ok'} {number} - {os.path.basename(path)} survives {runs} inputs", flush=True)
    if not fuzzers:
        print(f"# no fuzzers in {folder}")
    sys.exit(1 if bad or not fuzzers else 0)


if __name__ == "__main__":
    main()
