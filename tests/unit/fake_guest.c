/* SPDX-License-Identifier: MIT */
#include "fake_guest.h"

#include "base/container.h"
#include "device/console.h"
#include "base/time.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fake_guest *fake_guest_new(void)
{
	struct fake_guest *f = aligned_alloc(PAGE_SIZE, (sizeof *f + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE);
	if (!f)
		abort();
	memset(f, 0, sizeof *f);
	f->limit = FAKE_BASE + FAKE_SIZE;
	f->pool.limit = FAKE_SIZE;
	f->host.pool = &f->pool;
	f->guest.host = &f->host;
	f->guest.run = RUN_ON_CPU;
	f->guest.share.weight = SHARE_WEIGHT;
	atomic_init(&f->guest.worker, &f->worker);
	console_init(&f->guest.console);
	device_register(&basic_device);
	device_register(&console_device);
	return f;
}

void fake_guest_free(struct fake_guest *f)
{
	op_drop_some(&f->guest, UINT32_MAX);
	user_forget(&f->guest);
	upcall_suspend(&f->guest);
	upcall_forget(&f->guest);
	console_destroy(&f->guest.console);
	free(f);
}

void *fake_at(struct fake_guest *f, uint64_t va)
{
	return f->bytes + (va - FAKE_BASE);
}

static struct fake_guest *of_memory(struct memory *m)
{
	return (struct fake_guest *)CONTAINER_OF(m, struct guest, memory);
}

int memory_check_for(struct memory *m, gva_t va, size_t len, unsigned want)
{
	struct fake_guest *f = of_memory(m);
	(void)want;
	if (!len)
		return 0;
	return va.v >= FAKE_BASE && va.v < f->limit && len <= f->limit - va.v ? 0 : -EFAULT;
}

int memory_copyin(struct memory *m, void *to, gva_t from, size_t len)
{
	int r = memory_check_for(m, from, len, CASSIN_READ);
	if (!r)
		memcpy(to, fake_at(of_memory(m), from.v), len);
	return r;
}

int memory_copyout(struct memory *m, gva_t to, const void *from, size_t len)
{
	int r = memory_check_for(m, to, len, CASSIN_WRITE);
	if (!r)
		memcpy(fake_at(of_memory(m), to.v), from, len);
	return r;
}

int memory_span_for(struct memory *m, gva_t va, size_t len, unsigned want, struct iovec *iov, int max)
{
	int n = 0, r = memory_check_for(m, va, len, want);
	for (uint64_t at = va.v; !r && len && n < max; n++) {
		size_t room = PAGE_SIZE - at % PAGE_SIZE;
		iov[n] = (struct iovec){fake_at(of_memory(m), at), len < room ? len : room};
		at += iov[n].iov_len;
		len -= iov[n].iov_len;
	}
	return r ? r : n;
}

struct cassin_info_page *memory_info(struct memory *m)
{
	return &of_memory(m)->info;
}

void worker_turn_until(struct worker *w, uint64_t until)
{
	(void)w;
	(void)until;
}

void guest_wake(struct guest *g)
{
	((struct fake_guest *)g)->wakes++;
}

void worker_enqueue(struct worker *w, struct guest *g, enum share_why why)
{
	(void)w;
	(void)why;
	g->run = RUN_RUNNABLE;
	((struct fake_guest *)g)->turns++;
}

void worker_enqueue_work(struct worker *w, struct guest *g)
{
	(void)w;
	((struct fake_guest *)g)->work_turns++;
}

void worker_entered(struct worker *w, struct guest *g)
{
	(void)g;
	atomic_fetch_add(&w->runnable, 1);
}

void worker_left(struct worker *w, struct guest *g)
{
	(void)g;
	atomic_fetch_sub(&w->runnable, 1);
}

void worker_post(struct worker *w, struct message *m)
{
	m->next = NULL;
	*(w->inbox_end ? w->inbox_end : &w->inbox) = m;
	w->inbox_end = &m->next;
}

void worker_post_arrival(struct worker *w, struct worker *_Atomic *owner, struct message *m)
{
	atomic_store(owner, w);
	worker_post(w, m);
}

void guest_put(struct guest *g)
{
	atomic_fetch_sub(&g->refs, 1);
}

void guest_port_settled(struct guest *g, const struct port_path *at)
{
	(void)g;
	(void)at;
}

void guest_print(struct guest *g, const char *bytes, size_t len)
{
	console_write(&g->console, bytes, len);
}

void worker_deadline(struct worker *w, struct deadline *d, uint64_t when)
{
	deadlines_set(&w->deadlines, d, when);
}

static uint64_t now = 1000;

void fake_time_passes(uint64_t ns)
{
	now += ns;
}

uint64_t monotonic_ns(void)
{
	return now;
}

uint64_t realtime_ns(void)
{
	return 1000;
}
