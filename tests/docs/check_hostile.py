#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The hostile cases of docs/threat-model.md: at least a hundred, each held by tests that exist. Usage: check_hostile.py BUILD.
Prints TAP."""

import os
import re
import subprocess
import sys

from results import report

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEAST = 100
NAMED = re.compile(r"`(guests|unit|e2e|fuzz): ([\w.-]+)`")


def rows():
    with open(os.path.join(ROOT, "docs", "threat-model.md"), encoding="utf-8") as page:
        section = page.read().partition("\n## Hostile cases\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", section, re.MULTILINE)
    return [row for row in found if row[0] != "case"]


def guest_tests(build):
    listed = subprocess.run([os.path.join(build, "tests", "guests", "guest-tests"), "-l", "--own-machine"],
                            stdout=subprocess.PIPE, text=True, check=True)
    return {line.split()[0] for line in listed.stdout.splitlines() if line.strip()}


def missing(tests, guests):
    """What is wrong with the second column of a row."""
    named = NAMED.findall(tests)
    rest = NAMED.sub("", tests).replace(",", "").strip()
    wrong = [f"not understood: {rest}"] if rest or not named else []
    places = {"unit": "tests/unit/test_{}.c", "e2e": "tests/e2e/test_{}.py", "fuzz": "tests/fuzz/fuzz_{}.c"}
    for kind, name in named:
        if kind == "guests" and name not in guests:
            wrong.append(f"no guest test {name}")
        elif kind != "guests" and not os.path.exists(os.path.join(ROOT, places[kind].format(name))):
            wrong.append(f"no {places[kind].format(name)}")
    return wrong


def main():
    guests, found = guest_tests(sys.argv[1]), rows()
    wrong = [f"{case}: {why}" for case, tests, _ in found for why in missing(tests, guests)]
    twice = sorted({case for case, _, _ in found if [c for c, _, _ in found].count(case) > 1})
    results = [("every hostile case names tests that exist", wrong), ("no case is there twice", twice),
               (f"there are at least {LEAST} hostile cases", [] if len(found) >= LEAST else [f"{len(found)} cases"])]
    return report(results)


if __name__ == "__main__":
    sys.exit(main())
