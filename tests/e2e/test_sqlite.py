# SPDX-License-Identifier: MIT
"""SQLite as a guest: its own speed test, with the answers that a process gives."""

import os
import re
import sqlite3

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


def shell(t, *words, lines="", **how):
    """What sqlite.elf says to lines of its console, or to SQL in its arguments."""
    how.setdefault("code", 0)
    return t.cassin("run", "--memory", "16M", *how.pop("options", []), t.guest("sqlite"), *words, input=lines, **how)


def test_sql_in_arguments_is_answered(t):
    equal(shell(t, ":memory:", "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2.5, NULL)", "SELECT * FROM t").out,
          "1|x\n2.5|\n", "rows")
    contains(shell(t, ":memory:", "SELEC 1", "SELECT 2", code=1).out, 'Error: near "SELEC": syntax error')


def test_sql_on_the_console_is_answered(t):
    lines = "create table stock (name text, count int);\n.tables\ninsert into stock\nvalues ('bread', 3), ('milk', 5);\n" \
            "nonsense;\nselect name, count * 2\nfrom stock order by 2 desc; -- twice\n.schema\nselect count(*) from stock"
    equal(shell(t, lines=lines).out.replace("sqlite> ", "").replace("   ...> ", ""),
          'stock\nError: near "nonsense": syntax error\nmilk|10\nbread|6\nCREATE TABLE stock (name text, count int);\n2\n', "answers")
    equal(shell(t, "-batch", lines="select 1;\nselec 2;\nselect 3;\n", code=1).out,
          '1\nError: near "selec": syntax error\n', "a batch ends with its first mistake")


def test_a_database_of_the_host_is_worked_on_as_a_copy(t):
    path = os.path.join(t.folder, "shop.db")
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE stock (name TEXT, count INT)")
        db.executemany("INSERT INTO stock VALUES (?, ?)", [(f"thing {i}", i) for i in range(5000)])
    db.close()
    options = ["--file", path]
    sql = "UPDATE stock SET count = 7; INSERT INTO stock SELECT name, 1 FROM stock; SELECT count(*), sum(count) FROM stock"
    equal(shell(t, "shop.db", sql, options=options).out, "10000|40000\n", "the copy")
    equal(shell(t, "shop.db", "SELECT count(*), sum(count) FROM stock", options=options).out, "5000|12497500\n", "the file")
    contains(shell(t, "other.db", "SELECT 1", options=options, code=1).out, "other.db: not among the files of the guest's spec")
    with open(path, "r+b") as file:
        file.write(b"something else")
    contains(shell(t, "shop.db", "SELECT 1", options=options, code=1).out, "shop.db: file is not a database")
