/* SPDX-License-Identifier: MIT */
/* The backend as a whole: opened with a probe, which shows that a process can be made, traced and confined. */
#include "process/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "process/charge.h"
#include "process/process_cell.h"
#include "process/process_vcpu.h"
#include "process/refusal.h"
#include "process/stub.h"
#include "process/supply.h"

#define EXTENDED_MOST (64u << 10)

static void close_backend(struct backend *b)
{
	struct process_backend *p = CONTAINER_OF(b, struct process_backend, backend);
	maker_stop(&p->maker);
	pthread_mutex_destroy(&p->lock);
	free(b->extended.initial);
	free(p);
}

static const struct backend_ops ops = {
	.name = "process",
	.traces = true,
	.close = close_backend,
	.reclaim = supply_reclaim,
	.spare = supply_spare,
	.cell_size = sizeof(struct process_cell),
	.cell_open = process_cell_open,
	.cell_close = process_cell_close,
	.cell_grow = process_cell_grow,
	.cell_trim = process_cell_trim,
	.cell_give_back = process_cell_give_back,
	.vcpu_create = process_vcpu_create,
	.vcpu_destroy = process_vcpu_destroy,
	.load = process_vcpu_load,
	.run = process_vcpu_run,
	.stop = process_vcpu_stop,
	.save = process_vcpu_save,
	.forget = process_vcpu_leave,
	.leave = process_vcpu_leave,
	.keep = process_vcpu_keep,
	.drop_keys = process_vcpu_drop_keys,
	.reset = process_vcpu_reset,
	.recover = process_vcpu_recover,
};

static int make_initial(struct process_backend *p, size_t size)
{
	p->keys_at = extended_keys_at(size);
	return extended_make(&p->backend.extended, size, XSTATE_LEGACY | (p->keys_at ? XSTATE_PKRU : 0));
}

enum { MEMORY_FILE, PROCESS, TRACING, CONFINEMENT, REGISTERS };
const char *const process_steps[] = {[MEMORY_FILE] = "memory file", [PROCESS] = "process",     [TRACING] = "ptrace",
				     [CONFINEMENT] = "seccomp",     [REGISTERS] = "registers", NULL};

static unsigned step_of(const char *what)
{
	return !strcmp(what, NEEDS_PROGRAM) ? PROCESS : !strcmp(what, NEEDS_PTRACE) ? TRACING : CONFINEMENT;
}

/* Of a stub that has stopped at the `hlt` where it was confined. */
static int learn_registers(struct process_backend *p, const struct stub *s, void *image, size_t *size,
			   const char **what)
{
	struct user_regs_struct r;
	*what = "PTRACE_GETREGS";
	int e = stub_get(s, &r);
	if (e)
		return e;
	p->failed_set_rf = r.eflags & RFLAGS_RF;
	*what = "PTRACE_GETREGSET";
	return stub_get_extended(s, image, size);
}

/* A stub in a cell of its own. */
static int probe(struct process_backend *p, unsigned *done, struct cassin_error_text *err)
{
	struct frame_pool pool = {.limit = 4096};
	struct cell *c;
	struct stub *s;
	void *image = malloc(EXTENDED_MOST);
	size_t size = EXTENDED_MOST;
	const char *what = "no memory";
	int r = image ? cell_create(&c, &p->backend, &pool, UINT64_C(4) << 20, 1, err) : -ENOMEM;
	if (r) {
		free(image);
		return r;
	}
	*done = PROCESS;
	r = maker_make(&p->maker, process_cell(c)->memory, &c->account, false, &s);
	if (r) {
		refusal_of_process(r, &p->maker.limits, err);
	} else {
		r = stub_confine_process(s, process_cell(c)->pages, &what);
		*done = !r ? REGISTERS : step_of(what);
		if (!r)
			r = learn_registers(p, s, image, &size, &what);
		maker_dispose(&p->maker, s);
		if (!r)
			r = make_initial(p, size);
		if (r)
			refusal(r, what, err);
	}
	cell_destroy(c);
	free(image);
	return r;
}

/* One that has ended keeps its number, and its status, until it is waited for: not where this program, or who has started it, did not
 * want to hear of children. */
static void hear_of_children(void)
{
	struct sigaction act;
	if (sigaction(SIGCHLD, NULL, &act) || (act.sa_handler != SIG_IGN && !(act.sa_flags & SA_NOCLDWAIT)))
		return;
	act.sa_flags &= ~SA_NOCLDWAIT;
	if (act.sa_handler == SIG_IGN)
		act.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &act, NULL);
}

int process_open(struct backend **out, const struct cassin_sandbox *sandbox, unsigned *done,
		 struct cassin_error_text *err)
{
	*done = MEMORY_FILE;
	struct process_backend *p = calloc(1, sizeof *p);
	if (!p)
		return cassin_error_set(err, -ENOMEM, "no memory");
	p->backend.ops = &ops;
	p->backend.tsc_direct = true;
	p->backend.run_bytes_most = STUB_BYTES_MOST;
	pthread_mutex_init(&p->lock, NULL);
	hear_of_children();
	int r = maker_start(&p->maker, sandbox, err);
	if (!r)
		r = probe(p, done, err);
	if (r) {
		close_backend(&p->backend);
		return r;
	}
	*done = REGISTERS + 1;
	*out = &p->backend;
	return 0;
}
