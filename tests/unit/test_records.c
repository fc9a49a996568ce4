/* SPDX-License-Identifier: MIT */
/*
 * What the host keeps for each guest that waits, however little it does: a parked guest is hardly more than its records. Who
 * makes one larger says so here, and in CHANGELOG.md if it is much; what only some guests need is made when they need it.
 */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdlib.h>

#include "device/stream.h"
#include "device/stream_table.h"
#include "fake_guest.h"

/* Bytes. The budgets are what is needed today, and may only be spent once. */
#define GUEST_BUDGET 1896u
#define OPERATION_BUDGET 200u /* that pends */
#define LISTENER_BUDGET 168u
#define TABLE_BUDGET 64u /* of handles, the first places apart */
#define WAITING_BUDGET (GUEST_BUDGET + OPERATION_BUDGET + LISTENER_BUDGET + TABLE_BUDGET)

struct part {
	const char *of_a_guest;
	size_t size, budget;
};

Test(records, a_guest_is_within_its_budget)
{
	const struct part parts[] = {
		{"memory", sizeof(struct memory), 232},    {"account", sizeof(struct account), 120},
		{"console", sizeof(struct console), 96},   {"work", sizeof(struct work_list), 64},
		{"ring", sizeof(struct ring), 56},         {"submission", sizeof(struct submission), 56},
		{"deadline", sizeof(struct deadline), 40},
	};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		cr_assert_leq(parts[i].size, parts[i].budget, "%s: %zu bytes", parts[i].of_a_guest, parts[i].size);
	cr_assert_leq(sizeof(struct guest), GUEST_BUDGET, "%zu bytes", sizeof(struct guest));
}

Test(records, an_operation_that_pends_is_within_its_budget)
{
	cr_assert_leq(sizeof(struct op), OPERATION_BUDGET, "%zu bytes", sizeof(struct op));
}

/* What a guest takes that waits for a connection, in blocks of the C library's. */
Test(records, a_guest_that_listens_is_within_its_budget)
{
	struct fake_guest *f = fake_guest_new();
	struct guest *g = &f->guest;
	device_register(&streams_device);
	g->spec.streams = 4;
	struct stream *s = listener_new(g, 80);
	cr_assert_eq(stream_add(g, s, &listener_kind), 0);
	size_t listener = malloc_usable_size(s), table = malloc_usable_size(g->streams);
	cr_assert_leq(listener, LISTENER_BUDGET, "%zu bytes", listener);
	cr_assert_leq(table, TABLE_BUDGET, "%zu bytes", table);
	struct op *op = stream_queue(s, &s->receivers, &(struct request){.op = CASSIN_OP_ACCEPT});
	cr_assert_leq(sizeof *g + malloc_usable_size(op) + listener + table, WAITING_BUDGET);
	stream_finish(op, -ECANCELED);
	for (uint32_t at = 0; streams_end(g, &at);)
		;
	fake_guest_free(f);
}

/* What most guests never ask for is not there. */
Test(records, what_is_rare_is_made_when_it_is_needed)
{
	struct fake_guest *f = fake_guest_new();
	const struct guest *g = &f->guest;
	cr_assert_null(g->upcalls.handler);
	cr_assert_null(g->user.caller);
	cr_assert_null(g->cap);
	cr_assert_null(g->want);
	cr_assert_null(g->swapping);
	cr_assert_null(g->freezing);
	cr_assert_null(g->paths);
	cr_assert_null(atomic_load(&g->unread));
	cr_assert_null(atomic_load(&g->console.input));
	upcall_raise(&f->guest, CASSIN_EVENT_STOP);
	cr_assert_eq(upcall_set(&f->guest, &(struct upcall_wanted){.timer = CASSIN_FOREVER}), 0);
	cr_assert_null(g->upcalls.handler, "a timer that is turned off needs none");
	fake_guest_free(f);
}
