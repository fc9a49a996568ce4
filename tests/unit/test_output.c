/* SPDX-License-Identifier: MIT */
/* Output of a guest that cannot be kept until it is read: it is said what was lost, and why. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../tools/cassin/output.h"

#define LINE 1000u

/* The linker puts it in place of malloc: a thread whose heap cannot be made, where a process may have no more mappings, has none. */
extern void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static atomic_bool no_memory;
static int ends[2];
static struct output *o;
static char got[1 << 17];

void *__wrap_malloc(size_t size)
{
	return atomic_load(&no_memory) ? NULL : __real_malloc(size);
}

static void broken(void *opaque)
{
	(void)opaque;
}

static void begin(void)
{
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_geq(fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
	o = output_start(ends[1], "words", NULL, broken, NULL);
	cr_assert_not_null(o);
}

/* Reads all of it. What output_lost() says in the end. */
static int all_is_read(void)
{
	struct pollfd written = {.fd = output_end(o), .events = POLLIN};
	size_t n = 0;
	do {
		struct pollfd there = {.fd = ends[0], .events = POLLIN};
		while (poll(&there, 1, 0) > 0) {
			ssize_t r = read(ends[0], got + n, sizeof got - 1 - n);
			cr_assert_gt(r, 0);
			n += (size_t)r;
		}
	} while (!poll(&written, 1, 1));
	for (ssize_t r; n < sizeof got - 1 && poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 0) > 0;
	     n += (size_t)r) {
		r = read(ends[0], got + n, sizeof got - 1 - n);
		cr_assert_gt(r, 0);
	}
	got[n] = '\0';
	int lost = output_lost(o);
	output_free(o);
	return lost;
}

TestSuite(output, .init = begin, .timeout = 60);

Test(output, the_first_bytes_need_no_memory)
{
	atomic_store(&no_memory, true);
	output_write(o, "hello\n", 6);
	cr_assert_eq(all_is_read(), 0);
	cr_assert_str_eq(got, "hello\n");
}

Test(output, what_there_was_no_memory_for_is_said_and_an_error)
{
	char x[LINE];
	memset(x, 'x', sizeof x);
	atomic_store(&no_memory, true);
	for (int i = 0; i < 100; i++)
		output_write(o, x, sizeof x);
	cr_assert_eq(all_is_read(), ENOMEM);
	cr_assert(strstr(got, " bytes of words lost: there was no memory for them]"), "%s", got);
}

Test(output, all_of_it_comes_where_there_is_memory)
{
	char x[LINE];
	memset(x, 'x', sizeof x);
	for (int i = 0; i < 100; i++)
		output_write(o, x, sizeof x);
	cr_assert_eq(all_is_read(), 0);
	cr_assert_eq(strlen(got), 100 * LINE);
}
