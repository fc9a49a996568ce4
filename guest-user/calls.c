/* SPDX-License-Identifier: MIT */
/* The system calls. All that comes from a program is a number until it has been looked at; its memory is only reached
 * through space_read() and space_write(). */
#include "processes.h"

#define WRITE_MOST 4096u
#define PIECE 512u /* of a write, on the thread's stack */

struct call {
	struct process *p;
	uint64_t a, b, c;
};

/* No program waits for ever in a way that its kernel would take for a deadlock. */
static uint64_t moment(uint64_t deadline)
{
	return deadline < CASSIN_FOREVER ? deadline : CASSIN_FOREVER - 1;
}

static int64_t sys_write(const struct call *c)
{
	char bytes[PIECE];
	size_t len = c->c < WRITE_MOST ? c->c : WRITE_MOST;
	if (c->a != 1 && c->a != 2)
		return -CASSIN_EBADF;
	for (size_t done = 0, n; done < len; done += n) {
		n = len - done < PIECE ? len - done : PIECE;
		if (space_read(&c->p->space, bytes, c->b + done, n))
			return done ? (int64_t)done : -CASSIN_EFAULT;
		cassin_write(bytes, n);
	}
	return (int64_t)len;
}

static int64_t sys_read(const struct call *c)
{
	char line[PIECE];
	uint32_t size = c->c < PIECE ? (uint32_t)c->c : PIECE;
	if (c->a)
		return -CASSIN_EBADF;
	if (!size)
		return 0;
	/* Nothing is taken that cannot be given. */
	memset(line, 0, sizeof line);
	if (space_write(&c->p->space, c->b, line, size))
		return -CASSIN_EFAULT;
	int32_t n = cassin_console_line(line, size, CASSIN_FOREVER);
	return n > 0 && space_write(&c->p->space, c->b, line, (size_t)n) ? -CASSIN_EFAULT : n;
}

/* Copies a text with its zero. */
static int read_name(const struct space *s, uint64_t va, char *to, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (space_read(s, to + i, va + i, 1))
			return -CASSIN_EFAULT;
		if (!to[i])
			return 0;
	}
	return -CASSIN_ENOENT; /* no program has such a name */
}

static int64_t sys_spawn(const struct call *c)
{
	char name[CASSIN_PROCESS_NAME_MAX], args[CASSIN_ARGS_MAX];
	int r = read_name(&c->p->space, c->a, name, sizeof name);
	if (!r && c->c > sizeof args)
		r = -CASSIN_EINVAL;
	if (!r)
		r = space_read(&c->p->space, args, c->b, c->c);
	return r ? r : process_spawn(c->p, name, args, c->c);
}

static int64_t sys_wait(const struct call *c)
{
	struct cassin_status status = {0};
	if (c->a > INT32_MAX)
		return -CASSIN_ECHILD;
	if (c->b && space_write(&c->p->space, c->b, &status, sizeof status))
		return -CASSIN_EFAULT;
	int r = process_wait(c->p, (int)c->a, &status, moment(c->c));
	if (r > 0 && c->b)
		space_write(&c->p->space, c->b, &status, sizeof status);
	return r == -CASSIN_ETIMEDOUT ? -CASSIN_EAGAIN : r;
}

static int64_t sys_sleep(const struct call *c)
{
	uint64_t until = moment(cassin_after(c->a));
	processes_lock();
	while (!c->p->killed && !cassin_cond_wait(&c->p->changed, &processes.lock, until))
		;
	processes_unlock();
	process_slice(c->p);
	return 0;
}

static int64_t sys_sbrk(const struct call *c)
{
	return space_grow(&c->p->space, c->a);
}

static int64_t sys_getpid(const struct call *c)
{
	return c->p->pid;
}

static int64_t sys_yield(const struct call *c)
{
	process_give_way(c->p);
	return 0;
}

static int64_t sys_clock(const struct call *c)
{
	if (c->a == CASSIN_CLOCK_MONOTONIC)
		return (int64_t)cassin_now();
	return c->a == CASSIN_CLOCK_WALL ? (int64_t)cassin_wall() : -CASSIN_EINVAL;
}

static int64_t sys_kill(const struct call *c)
{
	return c->a > INT32_MAX ? -CASSIN_ECHILD : process_kill(c->p, (int)c->a);
}

static int64_t sys_processes(const struct call *c)
{
	struct cassin_process_info info;
	uint64_t n = 0;
	for (unsigned i = 0; i < CASSIN_PROCESSES_MAX && n < c->b; i++) {
		if (!process_info(i, &info))
			continue;
		if (space_write(&c->p->space, c->a + n * sizeof info, &info, sizeof info))
			return -CASSIN_EFAULT;
		n++;
	}
	return (int64_t)n;
}

static int64_t sys_program(const struct call *c)
{
	struct archive_file f;
	if (c->a > UINT32_MAX || !archive_nth(&processes.archive, (unsigned)c->a, &f))
		return -CASSIN_ENOENT;
	size_t len = strlen(f.name);
	if (len >= c->c)
		return -CASSIN_EINVAL;
	return space_write(&c->p->space, c->b, f.name, len + 1) ? -CASSIN_EFAULT : (int64_t)len;
}

static int64_t (*const calls[CASSIN_SYS_END - CASSIN_SYS_EXIT])(const struct call *c) = {
	[CASSIN_SYS_WRITE - CASSIN_SYS_EXIT] = sys_write,         [CASSIN_SYS_READ - CASSIN_SYS_EXIT] = sys_read,
	[CASSIN_SYS_SPAWN - CASSIN_SYS_EXIT] = sys_spawn,         [CASSIN_SYS_WAIT - CASSIN_SYS_EXIT] = sys_wait,
	[CASSIN_SYS_SLEEP - CASSIN_SYS_EXIT] = sys_sleep,         [CASSIN_SYS_SBRK - CASSIN_SYS_EXIT] = sys_sbrk,
	[CASSIN_SYS_GETPID - CASSIN_SYS_EXIT] = sys_getpid,       [CASSIN_SYS_YIELD - CASSIN_SYS_EXIT] = sys_yield,
	[CASSIN_SYS_CLOCK - CASSIN_SYS_EXIT] = sys_clock,         [CASSIN_SYS_KILL - CASSIN_SYS_EXIT] = sys_kill,
	[CASSIN_SYS_PROCESSES - CASSIN_SYS_EXIT] = sys_processes, [CASSIN_SYS_PROGRAM - CASSIN_SYS_EXIT] = sys_program,
};

bool process_call(struct process *p)
{
	struct cassin_registers *r = &p->frame.regs;
	const struct call c = {p, r->rdi, r->rsi, r->rdx};
	if (r->rax == CASSIN_SYS_EXIT) {
		p->status = (struct cassin_status){
			.pid = p->pid, .end = CASSIN_END_EXIT, .code = (int32_t)(r->rdi & 255)};
		return false;
	}
	uint64_t n = r->rax - CASSIN_SYS_EXIT;
	r->rax = (uint64_t)(n < sizeof calls / sizeof *calls && calls[n] ? calls[n](&c) : -CASSIN_ENOSYS);
	return true;
}
