/* SPDX-License-Identifier: MIT */
/* A guest's pending operations against a model: a list, in the order in which they were started. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake_guest.h"

#define MOST 2000u
#define STEPS 60000u

static void cancel(struct op *op)
{
	(void)op;
}

static struct model {
	struct op *op[MOST];
	uint64_t user_data[MOST];
	unsigned n;
} model;

static struct op *start(struct guest *g, uint64_t user_data)
{
	struct request request = {.op = CASSIN_OP_TIMEOUT, .user_data = user_data};
	struct op *op = op_new(g, &request, cancel);
	cr_assert_not_null(op);
	return op;
}

static struct op *model_find(uint64_t user_data)
{
	for (unsigned i = 0; i < model.n; i++) {
		if (model.user_data[i] == user_data)
			return model.op[i];
	}
	return NULL;
}

static void model_drop(unsigned i)
{
	op_drop(model.op[i]);
	model.n--;
	memmove(&model.op[i], &model.op[i + 1], (model.n - i) * sizeof *model.op);
	memmove(&model.user_data[i], &model.user_data[i + 1], (model.n - i) * sizeof *model.user_data);
}

Test(ops, the_oldest_of_those_with_one_user_data_is_found_whatever_came_and_went)
{
	struct fake_guest *f = fake_guest_new();
	srand(11);
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t user_data = (uint64_t)rand() % 3000u * (rand() % 2 ? UINT64_C(0x100000001) : 1);
		bool grows = step / 10000 % 2 == 0;
		if (model.n < MOST && (!model.n || rand() % 8 < (grows ? 5 : 3))) {
			model.op[model.n] = start(&f->guest, user_data);
			model.user_data[model.n++] = user_data;
		} else {
			model_drop((unsigned)rand() % model.n);
		}
		cr_assert_eq(op_find(&f->guest, user_data), model_find(user_data), "step %u", step);
		cr_assert_eq(f->guest.nops, model.n);
	}
	fake_guest_free(f);
}

Test(ops, operations_that_wait_leave_their_queue_from_any_place)
{
	struct fake_guest *f = fake_guest_new();
	struct op_queue q;
	struct op *op[5];
	op_queue_init(&q);
	for (unsigned i = 0; i < 5; i++)
		op_enqueue(&q, op[i] = start(&f->guest, i));
	op_dequeue(&q, op[2]);
	op_dequeue(&q, op[4]);
	op_dequeue(&q, op[0]);
	cr_assert_eq(q.first, op[1]);
	cr_assert_eq(q.first->queue_next, op[3]);
	op_enqueue(&q, op[0]);
	cr_assert_eq(op[3]->queue_next, op[0]);
	op_dequeue(&q, op[1]);
	op_dequeue(&q, op[3]);
	op_dequeue(&q, op[0]);
	cr_assert_null(q.first);
	op_enqueue(&q, op[4]);
	cr_assert_eq(q.first, op[4]);
	fake_guest_free(f);
}
