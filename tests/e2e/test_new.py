# SPDX-License-Identifier: MIT
"""`cassin new`: projects that build and run as they are made."""

import os
import shutil
import signal
import subprocess

from cassin_test import contains, equal, have, holds, http_get, wait_until


def path_with_tools(t):
    return {"PATH": ":".join([os.path.join(t.build, "tools"), os.path.join(t.build, "guest-lib"), os.environ["PATH"]])}


def test_a_new_service_is_built_and_answers(t):
    contains(t.cassin("new", "shop.2", code=0).out, "cd shop.2 && make && make run")
    made = sorted(os.listdir(t.path("shop.2")))
    equal(made, [".gitignore", "Makefile", "README.md", "shop.2.c", "shop.2.json"], "files")
    for name in made:
        with open(os.path.join(t.path("shop.2"), name), encoding="utf-8") as file:
            holds("@NAME@" not in file.read(), f"{name} has the name filled in")
    t.run([have("make"), "-C", "shop.2"], env=path_with_tools(t), code=0)
    port = t.ports()
    service = t.start(["make", "-C", "shop.2", "run", f"PORT={port}"], env=path_with_tools(t), start_new_session=True,
                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        def answer():
            try:
                return http_get(port, "/")
            except OSError:
                return None
        equal(wait_until(answer, "an answer").text, "hello from shop.2, request 1\n", "page")
        equal(http_get(port, "/nothing").status, 404, "status")
        equal(http_get(port, "/", method="POST").status, 501, "status")
    finally:
        os.killpg(service.pid, signal.SIGINT)
        service.wait(20)


def test_a_new_kernel_is_built_with_nothing_but_a_compiler_and_runs(t):
    t.cassin("new", "core", "--kernel", code=0)
    t.run([have("make"), "-C", "core"], code=0)
    out = t.run(["make", "-C", "core", "run"], env=path_with_tools(t), code=0).out
    contains(out, "thread: has met the other: 1", "ticker: exit 7")


def test_a_new_project_takes_no_name_that_a_guest_cannot_have_and_replaces_nothing(t):
    for name in ("", ".", "..", "a/b", "-x", "é", "a b", "x" * 64):
        contains(t.cassin("new", "--", name, code=2).err, "letters, digits")
    contains(t.cassin("new", code=2).err, "name the project")
    contains(t.cassin("new", "one", "two", code=2).err, "unexpected argument: two")
    t.write("file", "kept")
    os.mkdir(t.path("folder"))
    os.symlink("nowhere", t.path("link"))
    before = sorted(os.listdir(t.folder))
    for name in ("file", "folder", "link"):
        contains(t.cassin("new", name, code=1).err, f"{name}: File exists")
    equal(sorted(os.listdir(t.folder)), before, "files")
    equal(os.listdir(t.path("folder")), [], "files of the folder")


def test_a_new_project_that_cannot_be_finished_leaves_nothing(t):
    os.makedirs(t.path("bin/new/service/deep"))
    program = shutil.copy(t.tool("cassin"), t.path("bin"))
    contains(t.run([program, "new", "--kernel", "core"], code=1).err, "new/kernel")
    t.write("bin/new/service/deep/NAME.c", "@NAME@")
    t.run([program, "new", "whole"], code=0)
    with open(t.path("whole/deep/whole.c"), encoding="utf-8") as file:
        equal(file.read(), "whole", "a file")
    os.symlink("nowhere", t.path("bin/new/service/deep/NAME.h"))
    contains(t.run([program, "new", "half"], code=1).err, "NAME.h: No such file")
    holds(not os.path.exists(t.path("half")), "nothing is left")
