# SPDX-License-Identifier: MIT
"""The kernel of examples/minikernel, as it is and with a main.c that asks more of it."""

import os
import re

from cassin_test import ROOT, contains, equal, have

HEAD = """
#include "kernel.h"

_Noreturn void kernel_main(const struct cassin_boot *boot);

static void start(const struct cassin_boot *boot)
{
	clock_page = (const struct cassin_clock_page *)boot->clock_page;
	page_start(boot);
	thread_start(boot);
	process_start();
}
"""


def build(t, main, programs=None):
    """The kernel with another main.c, and other user programs."""
    t.cassin("new", "--kernel", "core", code=0)
    t.write("core/main.c", HEAD + main)
    if programs:
        t.write("core/programs.S", programs)
    t.run([have("make"), "-C", "core"], code=0)
    return t.path("core/core.elf")


def test_the_lines_of_the_minikernels_readme_build_and_run_it(t):
    for name in ("examples", "guest-lib"):
        os.symlink(os.path.join(ROOT, name), t.path(name))
    with open(os.path.join(ROOT, "examples/minikernel/README.md"), encoding="utf-8") as readme:
        lines = re.search(r"```\n(.*?)```", readme.read(), re.DOTALL).group(1)
    equal(len(lines.splitlines()), 3, "lines")
    path = os.path.join(t.build, "tools") + ":" + os.environ["PATH"]
    contains(t.run(["sh", "-ec", lines], env={"PATH": path}, code=0).out, "ticker: exit 7")


def test_the_minikernel_panics_when_its_table_of_threads_is_full(t):
    image = build(t, """
static void body(void *argument)
{
	(void)argument;
}

void kernel_main(const struct cassin_boot *boot)
{
	start(boot);
	for (uint64_t n = 1;; n++) {
		thread_create(body, NULL);
		say("threads", "made:", n);
	}
}
""")
    result = t.cassin("run", image, code=134)
    contains(result.out, "threads: made: 8\n")
    contains(result.out, "panic: no room for a thread")


def test_the_minikernel_panics_when_its_table_of_processes_is_full(t):
    image = build(t, """
extern const char ticker[], ticker_end[];

void kernel_main(const struct cassin_boot *boot)
{
	start(boot);
	for (uint64_t n = 1;; n++) {
		process_create("ticker", ticker, ticker_end);
		say("processes", "made:", n);
	}
}
""")
    result = t.cassin("run", image, code=134)
    contains(result.out, "processes: made: 4\n")
    contains(result.out, "panic: no room for a process")


def test_the_minikernel_keeps_vector_registers_apart_with_xsave_and_with_fxsave(t):
    image = build(t, """
extern bool have_xsave;
extern const char one[], one_end[], two[], two_end[];

void kernel_main(const struct cassin_boot *boot)
{
	start(boot);
	if (boot->argc > 1)
		have_xsave = false;
	process_create("one", one, one_end);
	process_create("two", two, two_end);
	thread_run();
}
""", """
	/* Sleeps three times with its own number in registers: exit 0 if they are what they were. */
	.macro sleeper name, number
	.globl \\name, \\name\\()_end
\\name:
	mov $\\number, %ebp
	movq %rbp, %xmm0
	movq %rbp, %xmm15
	movq %rbp, %mm3
	mov $3, %ebx
1:	mov $1000000, %edi
	mov $2, %eax
	out %al, $0xca
	movq %xmm0, %rcx
	movq %xmm15, %rdx
	movq %mm3, %rsi
	mov $1, %edi
	cmp %rbp, %rcx
	jne 2f
	cmp %rbp, %rdx
	jne 2f
	cmp %rbp, %rsi
	jne 2f
	dec %ebx
	jnz 1b
	xor %edi, %edi
2:	xor %eax, %eax
	out %al, $0xca
\\name\\()_end:
	.endm

	.section .rodata
	sleeper one, 1111
	sleeper two, 2222
	.section .note.GNU-stack, "", @progbits
""")
    for arguments in ([], ["fxsave"]):
        contains(t.cassin("run", image, *arguments, code=0).out, "one: exit 0\n", "two: exit 0\n")
