/* SPDX-License-Identifier: MIT */
/* What ends a run of a vCPU from outside: a signal to its thread, or something posted to it. */
#ifndef KICK_H
#define KICK_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

struct vcpu;

struct kick {
	_Atomic(struct vcpu *) running; /* non-NULL around KVM_RUN */
	volatile sig_atomic_t kicked;
	atomic_bool posted; /* something waits in the thread's inbox */
};

/* Whether the thread has something else to do than to run on. */
static inline bool kick_due(const struct kick *k)
{
	return k->kicked || atomic_load_explicit(&k->posted, memory_order_relaxed);
}

#endif
