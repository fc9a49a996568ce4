/* SPDX-License-Identifier: MIT */
#include "base/account.h"

#include <errno.h>

#define PAGE 4096u

int frame_pool_take(struct frame_pool *p, uint64_t n)
{
	if (atomic_fetch_add(&p->used, n) + n <= p->limit)
		return 0;
	atomic_fetch_sub(&p->used, n);
	return -ENOMEM;
}

void frame_pool_give(struct frame_pool *p, uint64_t n)
{
	atomic_fetch_sub(&p->used, n);
}

bool frame_pool_reclaim(struct frame_pool *p)
{
	return p->reclaim && atomic_load(&p->quarantined) && p->reclaim(p->opaque);
}

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
 * the pool has the pages of the sum. Returns what the pool has in use then, or 0 when it was not asked. */
static uint64_t add(struct account *a, enum account_kind kind, uint64_t bytes)
{
	atomic_fetch_add_explicit(&a->bytes[kind], bytes, memory_order_relaxed);
	uint64_t before = atomic_fetch_add_explicit(&a->total, bytes, memory_order_relaxed);
	uint64_t more = pages(before + bytes) - pages(before);
	if (!a->pool || !more)
		return 0;
	atomic_fetch_add_explicit(&a->pool->host, more, memory_order_relaxed);
	return atomic_fetch_add(&a->pool->used, more) + more;
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
	atomic_fetch_sub(&a->pool->used, less);
}

/* What its limit holds for. */
static uint64_t limited(const struct account *a)
{
	return atomic_load_explicit(&a->total, memory_order_relaxed) - account_bytes(a, ACCOUNT_PARKED) -
	       account_bytes(a, ACCOUNT_TRACES);
}

int account_charge(struct account *a, enum account_kind kind, uint64_t bytes)
{
	uint64_t used = add(a, kind, bytes);
	if (!a->pool || (used <= a->pool->limit && limited(a) <= a->limit))
		return 0;
	account_uncharge(a, kind, bytes);
	return -ENOMEM;
}

uint64_t account_bytes(const struct account *a, enum account_kind kind)
{
	return atomic_load_explicit(&a->bytes[kind], memory_order_relaxed);
}
