/* SPDX-License-Identifier: MIT */
/* The lives of processes. One that has ended keeps its place until its parent has waited for it. */
#include "processes.h"

CASSIN_NEEDS_1_1;

#define PROCESSES_DEFAULT 32u
#define CHILDREN_DEFAULT 8u
#define PAGES_DEFAULT 256u
#define PID_MOST 0x3fffffff

struct processes processes;

void processes_lock(void)
{
	cassin_mutex_lock(&processes.lock, CASSIN_FOREVER);
}

void processes_unlock(void)
{
	cassin_mutex_unlock(&processes.lock);
}

int cassin_processes_start(const void *archive, size_t size, const struct cassin_processes_options *options)
{
	struct processes *all = &processes;
	struct cassin_processes_options o = {0};
	if (options)
		o = *options;
	all->archive = (struct archive){archive, size};
	all->limits = (struct cassin_processes_options){
		.processes = o.processes ? o.processes : PROCESSES_DEFAULT,
		.children = o.children ? o.children : CHILDREN_DEFAULT,
		.pages = o.pages ? o.pages : PAGES_DEFAULT,
		.slice = o.slice ? o.slice : CASSIN_SLICE_DEFAULT,
	};
	return o.processes > CASSIN_PROCESSES_MAX || !archive_good(&all->archive) ? -CASSIN_EINVAL : 0;
}

static struct process *find(int pid)
{
	for (unsigned i = 0; pid > 0 && i < CASSIN_PROCESSES_MAX; i++) {
		if (processes.all[i] && processes.all[i]->pid == pid)
			return processes.all[i];
	}
	return NULL;
}

/* NULL: the kernel has no place left. */
static struct process **free_place(void)
{
	for (unsigned i = 0; i < processes.limits.processes; i++) {
		if (!processes.all[i])
			return &processes.all[i];
	}
	return NULL;
}

static int32_t new_pid(void)
{
	do
		processes.last_pid = processes.last_pid < PID_MOST ? processes.last_pid + 1 : 1;
	while (find(processes.last_pid));
	return processes.last_pid;
}

/* It has ended, and nobody will ask for it any more. */
static void forget(struct process *p)
{
	for (unsigned i = 0; i < CASSIN_PROCESSES_MAX; i++) {
		if (processes.all[i] == p)
			processes.all[i] = NULL;
	}
	cassin_free(p);
}

static int make(struct process **place, int32_t parent, const char *name, const char *args, size_t size)
{
	struct process *p = cassin_alloc_aligned(_Alignof(struct process), sizeof *p);
	if (!p)
		return -CASSIN_ENOMEM;
	memset(p, 0, sizeof *p);
	p->pid = new_pid();
	p->parent = parent;
	int r = process_load(p, name, args, size);
	if (!r) {
		struct cassin_thread_options o = {.name = p->name, .detached = 1};
		r = cassin_thread_create(NULL, &o, process_run, p);
		if (r)
			space_free(&p->space);
	}
	if (r) {
		cassin_free(p);
		return r;
	}
	*place = p;
	return p->pid;
}

int process_spawn(struct process *parent, const char *name, const char *args, size_t size)
{
	processes_lock();
	struct process **place = free_place();
	int r = -CASSIN_EAGAIN;
	if (place && !(parent && parent->children >= processes.limits.children)) {
		r = make(place, parent ? parent->pid : 0, name, args, size);
		if (r > 0)
			++*(parent ? &parent->children : &processes.children);
	}
	processes_unlock();
	return r;
}

/* A child of `parent` that has ended; `pid` 0: any. Whether there is one that may still do so comes in *hope. */
static struct process *ended_child(int32_t parent, int pid, bool *hope)
{
	*hope = false;
	for (unsigned i = 0; i < CASSIN_PROCESSES_MAX; i++) {
		struct process *p = processes.all[i];
		if (!p || p->parent != parent || (pid && p->pid != pid))
			continue;
		*hope = true;
		if (p->ended)
			return p;
	}
	return NULL;
}

static int wait_locked(struct process *parent, int pid, struct cassin_status *out, uint64_t deadline)
{
	struct cassin_cond *changed = parent ? &parent->changed : &processes.changed;
	struct process *child;
	bool hope;
	while (!(child = ended_child(parent ? parent->pid : 0, pid, &hope))) {
		if (!hope)
			return -CASSIN_ECHILD;
		if (parent && parent->killed)
			return -CASSIN_ECANCELED;
		int r = cassin_cond_wait(changed, &processes.lock, deadline);
		if (r)
			return r;
	}
	*out = child->status;
	forget(child);
	--*(parent ? &parent->children : &processes.children);
	return out->pid;
}

int process_wait(struct process *parent, int pid, struct cassin_status *out, uint64_t deadline)
{
	processes_lock();
	int r = wait_locked(parent, pid, out, deadline);
	processes_unlock();
	return r;
}

int process_kill(const struct process *parent, int pid)
{
	processes_lock();
	struct process *p = find(pid);
	if (p && parent && p->parent != parent->pid)
		p = NULL;
	if (p) {
		p->killed = true;
		cassin_cond_broadcast(&p->changed);
	}
	processes_unlock();
	return p ? 0 : -CASSIN_ECHILD;
}

static void leave_children(const struct process *p)
{
	for (unsigned i = 0; i < CASSIN_PROCESSES_MAX; i++) {
		struct process *child = processes.all[i];
		if (!child || child->parent != p->pid)
			continue;
		child->parent = NOBODY;
		if (child->ended)
			forget(child);
	}
}

void process_end(struct process *p)
{
	space_free(&p->space);
	processes_lock();
	p->ended = true;
	p->space.pages = 0;
	leave_children(p);
	struct process *parent = find(p->parent);
	if (p->parent == NOBODY)
		forget(p);
	else
		cassin_cond_broadcast(parent ? &parent->changed : &processes.changed);
	processes_unlock();
}

bool process_info(unsigned i, struct cassin_process_info *out)
{
	processes_lock();
	const struct process *p = i < CASSIN_PROCESSES_MAX ? processes.all[i] : NULL;
	if (p) {
		*out = (struct cassin_process_info){
			.pid = p->pid,
			.parent = p->parent == NOBODY ? 0 : p->parent,
			.ended = p->ended,
			.pages = (uint32_t)p->space.pages,
			.calls = p->calls,
		};
		memcpy(out->name, p->name, sizeof out->name);
	}
	processes_unlock();
	return p;
}

int cassin_process_spawn(const char *name, const char *args, size_t size)
{
	return process_spawn(NULL, name, args, size);
}

int cassin_process_wait(int pid, struct cassin_status *status, uint64_t deadline)
{
	struct cassin_status here;
	return process_wait(NULL, pid, status ? status : &here, deadline);
}

int cassin_process_kill(int pid)
{
	return process_kill(NULL, pid);
}

unsigned cassin_process_list(struct cassin_process_info *to, unsigned most)
{
	unsigned n = 0;
	for (unsigned i = 0; i < CASSIN_PROCESSES_MAX && n < most; i++)
		n += process_info(i, &to[n]);
	return n;
}
