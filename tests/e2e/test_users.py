# SPDX-License-Identifier: MIT
"""User programs inside a guest: the example's shell, and programs as an outsider builds them."""

import os
import subprocess

from cassin_test import ROOT, contains, equal, holds


class Shell:
    """The console of `users` under `cassin run`."""

    def __init__(self, t):
        self.process = t.start([t.tool("cassin"), "run", t.guest("users")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.prompt()

    def prompt(self):
        said = b""
        while not said.endswith(b"$ "):
            byte = self.process.stdout.read(1)
            holds(byte, f"the shell goes on after {said}")
            said += byte
        return said[:-2].decode()

    def obeys(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.prompt()


def test_a_shell_inside_a_guest_survives_what_its_programs_do(t):
    shell = Shell(t)
    equal(shell.obeys("ls").split(), ["init", "bomb", "crash", "echo", "greedy", "loop"], "programs")
    equal(shell.obeys("echo hello  world"), "hello world\n[2] exit 0\n", "echo")
    said = shell.obeys("crash")
    contains(said, "so long\n", "(crash) crashed: page fault: write to 0x10 at 0x", "[3] crashed\n")
    equal(shell.obeys("loop &"), "[4] loop\n", "beside")
    contains(shell.obeys("greedy"), "pages, and no more\n", "exit 0")
    contains(shell.obeys("bomb"), "exit ")
    processes = shell.obeys("ps").splitlines()[1:]
    equal([line.split()[-1] for line in processes], ["init", "loop"], "processes")
    equal(shell.obeys("nothing"), "nothing: no such program\n", "an unknown name")
    equal(shell.obeys("kill 1"), "kill: no such child\n", "kill of itself")
    # It is told of with one of the next prompts, when it has ended.
    said = shell.obeys("kill 4")
    while "[4] killed" not in said:
        said += shell.obeys("")
    out, _ = shell.process.communicate(timeout=40)
    equal((shell.process.returncode, out), (0, b"\n"), "at the end of input")


def test_the_manuals_user_program_is_built_by_cassin_cc_and_packed(t):
    program, kernel = t.programs_of("user-programs.md")[:2]
    t.write("hello.c", program)
    t.write("kernel.c", kernel)
    compiler = t.compiler()
    t.run([compiler, "--user", "-Wall", "-Werror", "hello.c", "-o", "hello.elf"], code=0)
    t.run([os.path.join(ROOT, "guest-user", "cassin-pack"), "programs.cpio", "hello.elf"], code=0)
    t.run([compiler, "--kernel", "-Wall", "-Werror", "kernel.c", "-o", "kernel.elf"], code=0)
    equal(t.cassin("run", t.path("kernel.elf"), code=0).out, "somebody: I am process 1\n", "output")
    contains(t.cassin("run", t.path("hello.elf")).err, "not a guest")
    refused = t.run([compiler, "--user", "--kernel", "hello.c"])
    equal(refused.code, 2, "code for --user with --kernel")
    contains(refused.err, "--user goes without --kernel, --libc and -static-pie")
    pack = os.path.join(ROOT, "guest-user", "cassin-pack")
    holds(t.run([pack, "none.cpio", "nothing.elf"]).code, "a missing file is refused")
    contains(t.run([pack], code=2).err, "Usage: cassin-pack OUTPUT FILE...")
    contains(t.run([pack, "--help"], code=0).out, "Usage: cassin-pack OUTPUT FILE...")
