/* SPDX-License-Identifier: MIT */
/*
 * A stub: a host process, traced by one worker's thread, that runs the code of one space of one guest at a time. It is a cache:
 * what it maps is what the guest's page tables say, or less; it can be emptied at any time, and given to another guest.
 */
#ifndef PROCESS_STUB_H
#define PROCESS_STUB_H

#include <signal.h>
#include <sys/types.h>

#include "base/container.h"
#include "cell/vcpu.h"
#include "process/layout.h"
#include "process/maker.h"

#include <sys/user.h> /* after our own PAGE_SIZE, which it says again */

/* The stubs in use of one worker, which traces them all, in whatever cell. Its thread's, but for what is atomic. */
struct tracer {
	struct stub *oldest, *newest; /* by when they ran */
	atomic_uint held;             /* how many they are */
	struct stub *pinned;          /* one that is being worked on: it stays */
	atomic_bool wanted;           /* another worker has none at all: even the last one is to be given up */
	uint64_t ticks;
	uint64_t starving,
		tried; /* since when it has had no stub, and got none, and when it last tried, monotonic ns */
};

struct process_backend {
	struct backend backend;
	struct maker maker;
	bool failed_set_rf; /* this processor sets RF for an instruction that failed */
	size_t keys_at;     /* where an image of the extended state has PKRU; 0: nowhere */
	struct tracer tracers[WORKERS_MAX];
	atomic_uint nblank; /* of all vCPUs */
	pthread_mutex_t lock;
	struct process_vcpu *vcpus; /* of all cells; under the lock */
};

struct process_cell {
	struct cell cell;
	int memory;    /* a memory file: all frames */
	frame_t pages; /* our page of each worker's stubs, in order */
};

struct stub {
	pid_t pid;
	struct account *account;    /* on which it is, with its mappings */
	struct process_vcpu *v;     /* of which it is */
	struct stub *older, *newer; /* in its worker's list of those in use */
	uint64_t used;              /* when it last ran, in the worker's ticks */
	struct stub *next;          /* of the same guest; or of the blank ones */
	struct cpu_state *cpu;      /* whose it is; NULL: nobody's */
	frame_t root;               /* of the space */
	uint64_t epoch;             /* of the tables that it maps */
	uint64_t again;             /* a page whose mapping is to be made again before it runs on; 0: none */
	int cpu_number;             /* that it keeps to, from 1 on; 0: none */
	unsigned mappings;          /* that were made in it since nothing was mapped: it has about as many, or fewer */
	unsigned recount;           /* beyond so many they are counted again */
	bool odd_flags;             /* its guest has set some that the next list of steps is to clear */
	bool tight; /* the pool is full: what is mapped is only what is touched, so that all of an instruction's is */
	bool stale; /* its mappings are of older tables: it begins again before it runs */
	bool dead;
};

struct process_vcpu {
	struct vcpu vcpu;
	struct process_vcpu *next;    /* in the backend's list */
	unsigned char *page;          /* ours, in all its stubs */
	struct stub *_Atomic current; /* that is about to run, or runs */
	pthread_mutex_t blank_lock;   /* of the blank ones, which the watcher ends when their cell is at rest */
	struct stub *blank;
	unsigned nblank;
	void *extended; /* room for one image, in which it is carried from stub to stub */
};

/* Unmapping takes up to 7 us for each mapping, and nobody interrupts it: a stub with many is not emptied by the worker, it ends, on its
 * own time, and another takes its place. */
static inline bool stub_is_large(const struct stub *s)
{
	return s->mappings > 256;
}

static inline struct process_backend *process_backend(const struct cell *c)
{
	return CONTAINER_OF(c->backend, struct process_backend, backend);
}

static inline struct process_cell *process_cell(struct cell *c)
{
	return CONTAINER_OF(c, struct process_cell, cell);
}

static inline struct process_vcpu *process_vcpu(struct vcpu *v)
{
	return CONTAINER_OF(v, struct process_vcpu, vcpu);
}

static inline struct tracer *process_tracer(const struct process_vcpu *v)
{
	return &process_backend(v->vcpu.cell)->tracers[v->vcpu.worker];
}

#define STUB_CS 0x33u /* the selectors and flags of all code in stubs */
#define STUB_SS 0x2bu
#define STUB_FLAGS UINT64_C(0x202)
#define RFLAGS_RF UINT64_C(0x10000)
#define STUB_FLAGS_ODD UINT64_C(0x204000) /* ID and NT: all code can set them, and no tracer can */

/* What a stub stopped for. */
struct stub_stop {
	int signal;  /* 0: it is gone */
	bool call;   /* the guest executed `syscall` or the like */
	bool event;  /* it was interrupted, or stopped from outside */
	int died_of; /* the signal; or 0x100 and the exit status */
};

/* Seizes a process that the maker has made and confines it. -errno, and *what says what failed. */
int stub_confine_process(struct stub *s, frame_t page, const char **what);

/* Does the steps that stand in the page, the last of kind STEP_END. Returns how many were done, of n; *error is what stopped it. */
unsigned stub_steps(struct stub *s, unsigned char *page, unsigned n, int *error);

/* Lets it run until it stops. Restartable: a signal handler of this thread may interrupt it (stub_interrupt()). */
HOT int stub_run(struct stub *s, struct stub_stop *stop);
/* Waits for a stop of one that runs, or for the end of one that is ending: whatever is asked of that one fails with -ESRCH. */
int stub_wait(struct stub *s, struct stub_stop *stop);
void stub_interrupt(const struct stub *s);
/* After an event: whether the guest's last instruction has failed already, which the kernel is to say next. Whoever lets it run then
 * sees that stop, before any other instruction. */
bool stub_failed(const struct stub *s);
/* After a stop by a signal: whether its own code brought that about, and nobody sent it; *info says how. */
bool stub_cause(const struct stub *s, siginfo_t *info);

/* Registers, and the extended state. -ESRCH: the process is gone. */
int stub_get(const struct stub *s, struct user_regs_struct *r);
int stub_set(const struct stub *s, const struct user_regs_struct *r);
int stub_get_extended(const struct stub *s, void *image, size_t *size);
int stub_set_extended(const struct stub *s, void *image, size_t size);

#endif
