/* SPDX-License-Identifier: MIT */
#include "base/account.h"

#include <errno.h>

#define PAGE 4096u

void account_init(struct account *a, struct frame_pool *pool, uint64_t limit)
{
	a->pool = pool;
	a->limit = limit;
}

static uint64_t pages(uint64_t bytes)
{
	return bytes / PAGE + (bytes % PAGE != 0);
}

/* Each change of the sum moves the pool by the pages between the old sum and the new one. So, in whatever order threads come,
 * the pool has the pages of the sum. False: they are beyond what there is. */
static bool add(struct account *a, enum account_kind kind, uint64_t bytes)
{
	atomic_fetch_add_explicit(&a->bytes[kind], bytes, memory_order_relaxed);
	uint64_t before = atomic_fetch_add_explicit(&a->total, bytes, memory_order_relaxed);
	uint64_t more = pages(before + bytes) - pages(before);
	if (!a->pool || !more)
		return true;
	atomic_fetch_add_explicit(&a->pool->host, more, memory_order_relaxed);
	return frame_pool_force(a->pool, a->part, more);
}

void account_force(struct account *a, enum account_kind kind, uint64_t bytes)
{
	add(a, kind, bytes);
}

void account_uncharge(struct account *a, enum account_kind kind, uint64_t bytes)
{
	atomic_fetch_sub_explicit(&a->bytes[kind], bytes, memory_order_relaxed);
	uint64_t before = atomic_fetch_sub_explicit(&a->total, bytes, memory_order_relaxed);
	uint64_t less = pages(before) - pages(before - bytes);
	if (!a->pool || !less)
		return;
	atomic_fetch_sub_explicit(&a->pool->host, less, memory_order_relaxed);
	frame_pool_give(a->pool, a->part, less);
}

/* What its limit holds for. */
static uint64_t limited(const struct account *a)
{
	return atomic_load_explicit(&a->total, memory_order_relaxed) - account_bytes(a, ACCOUNT_PARKED) -
	       account_bytes(a, ACCOUNT_TRACES) - account_bytes(a, ACCOUNT_PROCESSES);
}

static int charge(struct account *a, enum account_kind kind, uint64_t bytes, bool whatever)
{
	bool fits = add(a, kind, bytes);
	if (!a->pool || ((fits || whatever) && limited(a) <= a->limit))
		return 0;
	int r = limited(a) > a->limit ? -EDQUOT : -ENOMEM;
	account_uncharge(a, kind, bytes);
	return r;
}

int account_charge(struct account *a, enum account_kind kind, uint64_t bytes)
{
	unsigned tries = 0;
	int r;
	do
		r = charge(a, kind, bytes, false);
	while (r == -ENOMEM && frame_pool_reclaim(a->pool, &tries));
	return r;
}

int account_replace(struct account *a, enum account_kind kind, uint64_t bytes)
{
	return charge(a, kind, bytes, true);
}

int account_try(struct account *a, enum account_kind kind, uint64_t bytes)
{
	return charge(a, kind, bytes, false);
}

uint64_t account_bytes(const struct account *a, enum account_kind kind)
{
	return atomic_load_explicit(&a->bytes[kind], memory_order_relaxed);
}
