# SPDX-License-Identifier: MIT
"""Stacks that are too small for a local variable: the guard page is hit, and nothing behind it written."""

from cassin_test import contains, equal, holds

LARGE = """
static int large(int at)
{
	volatile char room[SIZE];
	room[at] = 1;
	return room[at];
}
"""

MAIN = """
int main(int argc, char **argv)
{
	(void)argv;
	return large(argc - 1) - 1;
}
"""

THREAD = """
#include <cassin/kernel.h>

static int run(void *arg)
{
	return large(arg != NULL) - 1;
}

int main(void)
{
	static struct cassin_thread *t;
	int result;
	static char *below; /* memory of somebody else, where the stack's variable would be */
	below = cassin_zalloc(1, 300000);
	cassin_thread_create(&t, NULL, run, NULL);
	cassin_thread_join(t, &result, CASSIN_FOREVER);
	cassin_print("not noticed\\n");
	return below == NULL;
}
"""


def test_a_large_local_variable_hits_the_guard_page(t):
    for name, source, options, says in (("main", MAIN, (), "stack guard"),
                                        ("thread", THREAD, ("--kernel",), "at the stack pointer"),
                                        ("libc", MAIN, ("--libc",), "at the stack pointer")):
        size = 1 << 20 if name == "libc" else 80000
        image = t.compile(name, LARGE + source, "-O0", f"-DSIZE={size + 100000}", *options)
        result = t.cassin("run", image, code=134)
        contains(result.err, "stack has overflowed")
        holds("not noticed" not in result.out, says)
        fits = t.compile(f"{name}-fits", LARGE + source, "-O0", "-DSIZE=5000", *options)
        equal(t.cassin("run", fits).code, 0, "exit code of one that fits")
