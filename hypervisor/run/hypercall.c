/* SPDX-License-Identifier: MIT */
/* The calls of the ABI. Each reads its arguments from the guest's registers and answers in rax. */
#include <errno.h>
#include <string.h>

#include "run/hypercall.h"
#include "base/hot.h"
#include "base/time.h"
#include "cell/cell.h"
#include "guest/guest.h"
#include "guest/trace_records.h"
#include "image/files.h"
#include "run/clone.h"
#include "run/life.h"

#define LOG_MOST 4096u

typedef enum hypercall_next (*call_fn)(struct guest *g);

static enum hypercall_next answer(struct guest *g, int64_t result)
{
	g->cpu.regs.rax = (uint64_t)result;
	return NEXT_RUN;
}

HOT static enum hypercall_next call_null(struct guest *g)
{
	return answer(g, 0);
}

static enum hypercall_next call_enter(struct guest *g)
{
	uint64_t submit = g->cpu.regs.rdi, least = (uint32_t)g->cpu.regs.rsi, deadline = g->cpu.regs.rdx;
	uint64_t wake = g->cpu.regs.rsi >> CASSIN_WAKE_SHIFT;
	if (least > g->ring.cq_entries || wake & ~(uint64_t)CASSIN_EVENT_ALL)
		return answer(g, -EINVAL);
	if (upcall_wanted(&g->upcalls)->entry && !upcall_mask_there(g))
		return NEXT_AGAIN;
	int n = ring_submit(g, submit);
	if (n == RING_AGAIN)
		return NEXT_AGAIN; /* the registers still hold the call */
	answer(g, n);
	if (n < 0)
		return NEXT_RUN;
	if (g->doomed)
		return NEXT_RUN;   /* to its end */
	if (!g->ring.cq_entries) { /* no ring: a plain sleep */
		if (deadline == CASSIN_FOREVER)
			return answer(g, -EINVAL);
	} else if (ring_unread(&g->ring) >= least && least) {
		return NEXT_RUN;
	}
	if (deadline <= monotonic_ns() || (!least && g->ring.cq_entries))
		return NEXT_RUN;
	if (upcall_before_wait(g, wake))
		return NEXT_RUN;
	g->wait_count = least ? (uint32_t)least : UINT32_MAX;
	g->wait_until = deadline;
	return NEXT_BLOCK;
}

static enum hypercall_next call_ring_setup(struct guest *g)
{
	const struct cpu_registers *r = &g->cpu.regs;
	return answer(g, ring_setup(g, gva(r->rdi), gva(r->rsi), r->rdx, gva(r->r10), r->r8));
}

static enum hypercall_next call_exit(struct guest *g)
{
	g->exit_value = (int)(g->cpu.regs.rdi & 0xff);
	return NEXT_EXIT;
}

static enum hypercall_next call_log(struct guest *g)
{
	char text[LOG_MOST];
	uint64_t len = g->cpu.regs.rsi;
	if (len > sizeof text)
		return answer(g, -EINVAL);
	int r = memory_copyin(&g->memory, text, gva(g->cpu.regs.rdi), len);
	if (r)
		return answer(g, r);
	guest_print(g, text, len);
	return answer(g, (int64_t)len);
}

static enum hypercall_next call_yield(struct guest *g)
{
	answer(g, 0);
	return NEXT_YIELD;
}

static enum hypercall_next call_info(struct guest *g)
{
	const struct memory *m = &g->memory;
	struct cassin_info info = {
		.pages = m->pages,
		.pages_used = m->used,
		.table_pages = m->table_frames,
		.virtual_ns = guest_virtual(g, monotonic_ns()),
		.exits = atomic_load_explicit(&g->count.exits, memory_order_relaxed),
		.hypercalls = atomic_load_explicit(&g->count.hypercalls, memory_order_relaxed),
		.started_at = g->record.started_mono,
		.restarts = g->record.restarts,
	};
	uint64_t len = g->cpu.regs.rsi < sizeof info ? g->cpu.regs.rsi : sizeof info;
	int r = memory_copyout(&g->memory, gva(g->cpu.regs.rdi), &info, len);
	return answer(g, r ? r : (int64_t)len);
}

static enum hypercall_next call_ready(struct guest *g)
{
	answer(g, 0);
	if (g->freezing) {
		guest_freeze_begin(g);
		return NEXT_EXIT;
	}
	g->host->ready(g);
	return NEXT_RUN;
}

static enum hypercall_next call_ready_at_wait(struct guest *g)
{
	if (g->freezing)
		g->freezing->at_wait = true;
	else
		g->host->ready(g);
	return answer(g, 0);
}

static enum hypercall_next call_tls_set(struct guest *g)
{
	if (g->cpu.regs.rdi >= CASSIN_VA_END)
		return answer(g, -EINVAL);
	g->cpu.fs_base = g->cpu.regs.rdi;
	return answer(g, 0);
}

static enum hypercall_next call_map(struct guest *g)
{
	const struct cpu_registers *r = &g->cpu.regs;
	if (r->rdi >= SPACES_MAX)
		return answer(g, -EINVAL);
	return answer(g, memory_map(&g->memory, (unsigned)r->rdi, gva(r->rsi), r->rdx, r->r10, r->r8));
}

static enum hypercall_next call_unmap(struct guest *g)
{
	const struct cpu_registers *r = &g->cpu.regs;
	if (r->rdi >= SPACES_MAX)
		return answer(g, -EINVAL);
	return answer(g, memory_unmap(&g->memory, (unsigned)r->rdi, gva(r->rsi), r->rdx));
}

static enum hypercall_next call_protect(struct guest *g)
{
	const struct cpu_registers *r = &g->cpu.regs;
	if (r->rdi >= SPACES_MAX)
		return answer(g, -EINVAL);
	return answer(g, memory_protect(&g->memory, (unsigned)r->rdi, gva(r->rsi), r->rdx, r->r10));
}

static enum hypercall_next call_space_create(struct guest *g)
{
	return answer(g, memory_space_create(&g->memory));
}

static enum hypercall_next call_space_destroy(struct guest *g)
{
	if (g->cpu.regs.rdi >= SPACES_MAX)
		return answer(g, -EINVAL);
	int r;
	do
		r = memory_space_destroy(&g->memory, (unsigned)g->cpu.regs.rdi);
	while (r == 1 && !cell_flush_owed() && work_goes_on(g));
	return r == 1 ? NEXT_AGAIN : answer(g, r);
}

static enum hypercall_next call_time(struct guest *g)
{
	uint64_t now = monotonic_ns();
	switch (g->cpu.regs.rdi) {
	case CASSIN_CLOCK_MONOTONIC:
		return answer(g, (int64_t)now);
	case CASSIN_CLOCK_WALL:
		return answer(g, (int64_t)realtime_ns());
	case CASSIN_CLOCK_VIRTUAL:
		return answer(g, (int64_t)guest_virtual(g, now));
	default:
		return answer(g, -EINVAL);
	}
}

static enum hypercall_next call_user_run(struct guest *g)
{
	const struct cpu_registers *r = &g->cpu.regs;
	int err = user_enter(g, r->rdi, gva(r->rsi), r->rdx);
	return err ? answer(g, err) : NEXT_RUN;
}

static enum hypercall_next call_upcall_set(struct guest *g)
{
	const struct cpu_registers *r = &g->cpu.regs;
	const struct upcall_wanted wanted = {
		.entry = r->rdi,
		.stack = r->rsi,
		.stack_size = r->rdx,
		.mask = gva(r->r10),
		.timer = r->r8,
	};
	return answer(g, upcall_set(g, &wanted));
}

static enum hypercall_next call_upcall_return(struct guest *g)
{
	int err = upcall_return(g, gva(g->cpu.regs.rdi), g->cpu.regs.rsi);
	if (err)
		return answer(g, err);
	if (g->trace)
		trace_gone(g);
	return NEXT_RUN;
}

static const struct file *file_numbered(const struct guest *g, uint64_t number)
{
	return g->files && number < g->files->n ? &g->files->file[number] : NULL;
}

static enum hypercall_next call_file_info(struct guest *g)
{
	const struct file *f = file_numbered(g, g->cpu.regs.rdi);
	if (!f)
		return answer(g, -ENOENT);
	struct cassin_file_info info = {.size = f->content->size};
	memcpy(info.name, f->name, sizeof info.name);
	return answer(g, memory_copyout(&g->memory, gva(g->cpu.regs.rsi), &info, sizeof info));
}

static enum hypercall_next call_file_read(struct guest *g)
{
	const struct cpu_registers *r = &g->cpu.regs;
	const struct file *f = file_numbered(g, r->rdi);
	if (!f)
		return answer(g, -ENOENT);
	if (r->r10 > CASSIN_IO_MAX)
		return answer(g, -EINVAL);
	uint64_t left = r->rsi < f->content->size ? f->content->size - r->rsi : 0;
	uint64_t len = r->r10 < left ? r->r10 : left;
	int err = memory_copyout(&g->memory, gva(r->rdx), f->content->bytes + f->content->size - left, len);
	return answer(g, err ? err : (int64_t)len);
}

static const call_fn calls[] = {
	[CASSIN_CALL_NULL] = call_null,
	[CASSIN_CALL_ENTER] = call_enter,
	[CASSIN_CALL_RING_SETUP] = call_ring_setup,
	[CASSIN_CALL_EXIT] = call_exit,
	[CASSIN_CALL_LOG] = call_log,
	[CASSIN_CALL_YIELD] = call_yield,
	[CASSIN_CALL_INFO] = call_info,
	[CASSIN_CALL_READY] = call_ready,
	[CASSIN_CALL_TLS_SET] = call_tls_set,
	[CASSIN_CALL_MAP] = call_map,
	[CASSIN_CALL_UNMAP] = call_unmap,
	[CASSIN_CALL_PROTECT] = call_protect,
	[CASSIN_CALL_SPACE_CREATE] = call_space_create,
	[CASSIN_CALL_SPACE_DESTROY] = call_space_destroy,
	[CASSIN_CALL_TIME] = call_time,
	[CASSIN_CALL_FILE_INFO] = call_file_info,
	[CASSIN_CALL_FILE_READ] = call_file_read,
	[CASSIN_CALL_READY_AT_WAIT] = call_ready_at_wait,
	[CASSIN_CALL_USER_RUN] = call_user_run,
	[CASSIN_CALL_UPCALL_SET] = call_upcall_set,
	[CASSIN_CALL_UPCALL_RETURN] = call_upcall_return,
};

/* A call that finds the pool full is made again when there is memory: its registers are as they were. */
static enum hypercall_next carry_out(struct guest *g, uint64_t number)
{
	if (number >= sizeof calls / sizeof *calls)
		return answer(g, -ENOSYS);
	g->memory.starved = false;
	enum hypercall_next next = calls[number](g);
	if (next != NEXT_RUN || !guest_starved(g, (int)g->cpu.regs.rax))
		return next;
	g->cpu.regs.rax = number;
	return NEXT_AGAIN;
}

/* A wait's end is put down when the guest runs again, the end of a user's run in user_leave(). */
static enum hypercall_next traced(struct guest *g, uint64_t number)
{
	if (!g->in_call)
		trace_call(g, number);
	enum hypercall_next next = carry_out(g, number);
	if ((next == NEXT_RUN || next == NEXT_YIELD) && !g->user.space)
		trace_return(g);
	return next;
}

enum hypercall_next hypercall(struct guest *g)
{
	uint64_t number = g->cpu.regs.rax;
	if (!g->in_call)
		atomic_fetch_add_explicit(&g->count.hypercalls, 1, memory_order_relaxed);
	enum hypercall_next next = __builtin_expect(g->trace != NULL, false) ? traced(g, number) : carry_out(g, number);
	g->in_call = next == NEXT_AGAIN;
	return next;
}
