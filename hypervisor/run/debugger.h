/* SPDX-License-Identifier: MIT */
/*
 * A debugger as the owner of its guest sees it: g->debugger, NULL for nearly all guests. Everything here runs on the owner's
 * thread but what is under the lock.
 */
#ifndef DEBUGGER_H
#define DEBUGGER_H

#include <pthread.h>

#include <cassin/debug.h>

#include "guest/guest.h"
#include "run/life.h"

struct vcpu;
struct vcpu_exception;

#define RFLAGS_TF UINT64_C(0x100)

/* A one-byte instruction that every KVM turns into an exception in front of it: hlt, whose fault (VECTOR_PROTECTION) ring 3 gets on
 * any CPU. int3 is no choice: some KVMs do not deliver it. */
#define BREAKPOINT_BYTE 0xf4u

struct breakpoint {
	uint64_t va;
	unsigned char original;
};

struct cassin_debugger {
	struct guest *guest; /* a reference */
	void (*notify)(void *opaque);
	void *opaque;
	pthread_mutex_t lock; /* the two below */
	struct cassin_debug_event event;
	bool pending;

	bool spawned;       /* the guest was stopped before it began */
	bool waiting;       /* it was stopped in `enter`, ... */
	uint64_t rip;       /* ... here */
	uint64_t crash_rip; /* where it was stopped last, and has crashed if g->crash is there */
	bool step;          /* it is to stop behind one instruction, */
	bool due;           /* or as soon as it would run */
	int signal;         /* of the exception that is being answered */
	bool at_break;      /* it is a breakpoint's */
	struct breakpoint *breakpoints;
	unsigned nbreakpoints;
};

/* NULL: no memory. Takes no reference: the caller sets `guest`. */
struct cassin_debugger *debugger_new(void (*notify)(void *opaque), void *opaque);
void debugger_free(struct cassin_debugger *d);

enum debug_answer { DEBUG_NOT_MINE, DEBUG_GO_ON, DEBUG_HOLD };
/* An exception of a guest that is debugged: what is to be done about it. */
enum debug_answer debug_exception(struct guest *g, const struct vcpu_exception *x);
/* The instruction that the guest was to step over was an `out`, under TF, which may have left a trap pending on the vCPU: takes
 * that away. Before the call is carried out. */
void debug_called(struct guest *g, struct vcpu *v);
/* The guest did what a processor answers with a general protection fault, where KVM stops instead: the debugger gets the same. */
void debug_forbidden(struct guest *g);
/* The call has been carried out, and the guest waits now or not. True: it was a step, and stops. */
bool debug_after_call(struct guest *g, bool waits);
/* The guest is about to run. True: it stops instead. */
bool debug_due(struct guest *g);
/* Stops the guest, after its turn or where it waits. SIGTRAP and the like: `signal`. */
void debug_hold(struct guest *g, int signal);
/* After a turn that DEBUG_HOLD ended, or that has made it crash. */
void debug_turn_over(struct guest *g, struct vcpu *v);
/* The stopped guest runs on, or makes one step. -EBUSY: the guest is not stopped. */
int debug_resume(struct guest *g, bool step);
/* Attaches the debugger d to the guest. */
void debug_take(struct guest *g, struct cassin_debugger *d);
/* The guest's incarnation has ended, which detaches the debugger. */
void debug_ended(struct guest *g, enum end_kind kind, int code);
/* Takes the breakpoints out and lets the guest run. */
void debug_detach(struct guest *g);

/* Breakpoints of a stopped guest; breakpoints.c. -EFAULT, -ENOMEM, -ENOSPC; -ENOENT. NULL: there is none. */
int breakpoint_set(struct guest *g, uint64_t va);
int breakpoint_clear(struct guest *g, uint64_t va);
struct breakpoint *breakpoint_at(struct cassin_debugger *d, uint64_t va);
/* Breakpoints lie beneath what a debugger reads and writes: these bytes were read at va; or are to be written there. */
void breakpoints_hide(struct cassin_debugger *d, uint64_t va, unsigned char *bytes, size_t len);
void breakpoints_keep(struct cassin_debugger *d, uint64_t va, unsigned char *bytes, size_t len);

/* Between a guest and the public registers. Setting: -EINVAL, -ENOMEM, nothing has changed then. */
void debug_registers_get(const struct guest *g, struct cassin_debug_registers *out);
int debug_registers_set(struct guest *g, const struct cassin_debug_registers *r);

#endif
