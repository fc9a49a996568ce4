#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Denali's evaluation, reproduced: denali.py BUILD [--quick] [--only PART,...] [--out DIR]. ./x denali calls this.

Measures part by part and writes DIR/report.html after each. Exits 0 only if every part was measured.
"""

import argparse
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(os.path.dirname(HERE), room) for room in ("demo", "bench")]

import page  # noqa: E402
import parts  # noqa: E402
from lab import Broken, Lab  # noqa: E402

INTERRUPTED = 130


def parse():
    parser = argparse.ArgumentParser(description="Denali's evaluation on Cassin, with a report.")
    parser.add_argument("build", help="the build directory")
    parser.add_argument("--quick", action="store_true", help="few guests, short times: to see that all of it works")
    parser.add_argument("--only", metavar="PART,...", help="these parts: " + ", ".join(part.key for part in parts.PARTS))
    parser.add_argument("--out", metavar="DIR", help="the report's folder (BUILD/denali)")
    options = parser.parse_args()
    keys = options.only.split(",") if options.only else [part.key for part in parts.PARTS]
    unknown = [key for key in keys if key not in {part.key for part in parts.PARTS}]
    if unknown:
        parser.error(f"--only: no such part: {unknown[0]}")
    options.parts = [part for part in parts.PARTS if part.key in keys]
    options.build = os.path.abspath(options.build)
    options.out = os.path.abspath(options.out or os.path.join(options.build, "denali"))
    return options


def interrupt(number, frame):
    raise KeyboardInterrupt


def measure(lab, part):
    """An Outcome, or why there is none."""
    try:
        return part.measure(lab)
    except Broken as why:
        return str(why)
    except (OSError, ValueError, KeyError, RuntimeError, subprocess.SubprocessError) as why:
        return f"{type(why).__name__}: {why}"


def say(text):
    print(text, flush=True)


def main():
    signal.signal(signal.SIGTERM, interrupt)
    options = parse()
    began = time.time()
    os.makedirs(options.out, exist_ok=True)
    lab = Lab(options.build, options.out, options.quick)
    path = os.path.join(options.out, "report.html")
    outcomes, interrupted = {}, False
    for i, part in enumerate(options.parts):
        say(f"\n{i + 1} of {len(options.parts)}: {part.title} ({(time.time() - began) / 60:.0f} min so far)")
        try:
            outcomes[part.key] = measure(lab, part)
        except KeyboardInterrupt:
            interrupted = True
        outcome = outcomes.get(part.key, "interrupted")
        for sentence in [f"not measured: {outcome}"] if isinstance(outcome, str) else outcome.found:
            say(f"  {sentence}")
        page.write(path, options.parts, outcomes, lab.settings, options.quick, began)
        page.write_plots(os.path.join(options.out, "plots"), options.parts, outcomes)
        if interrupted:
            break
    measured = sum(not isinstance(outcome, str) for outcome in outcomes.values())
    say(f"\n{measured} of {len(options.parts)} parts measured; the report: {path}")
    sys.exit(INTERRUPTED if interrupted else 0 if measured == len(options.parts) else 1)


if __name__ == "__main__":
    main()
