# SPDX-License-Identifier: MIT
"""SQLite as a guest: its own speed test, with the answers that a process gives."""

import os
import re

from cassin_test import contains, equal


def verified(text):
    """What speedtest1 says of all its answers."""
    return re.findall(r"^Verification Hash: .*$", text, re.MULTILINE)


def same(t, *options):
    options = ["--verify", "--size", "1", *options]
    process = t.run([os.path.join(t.build, "tests", "native", "sqlite-speedtest1"), *options], code=0)
    guest = t.cassin("run", "--memory", "64M", t.guest("sqlite-speedtest1"), *options, code=0)
    contains(guest.out, "TOTAL")
    equal(len(verified(process.out)), 1, "hashes")
    equal(verified(guest.out), verified(process.out), "answers")


def test_sqlite_answers_its_speed_test_as_a_process_does(t):
    same(t)


def test_sqlite_answers_trees_and_floats_as_a_process_does(t):
    same(t, "--testset", "rtree")
    same(t, "--testset", "fp")


def test_sqlite_without_memory_says_so(t):
    result = t.cassin("run", "--memory", "2M", t.guest("sqlite-speedtest1"), "--size", "5", code=1)
    contains(result.out, "out of memory")


def test_sqlite_has_no_files(t):
    result = t.cassin("run", t.guest("sqlite-speedtest1"), "some.db", code=1)
    contains(result.out, "Cannot open database file: some.db")
