/* SPDX-License-Identifier: MIT */
/* The stubs of a worker: who has which, what they map, and what is done with those that are given back. */
#ifndef PROCESS_STUBS_H
#define PROCESS_STUBS_H

#include "process/stub.h"

/* The stub of a space of *cpu; with its extended state in it if it was another stub's. It is made, or taken from whoever has not run
 * for longest, where there is none. -EINTR: there is none now, another try is worth it; another -errno, with why in *x. */
int stubs_get(struct process_vcpu *v, struct cpu_state *cpu, const struct tables *t, unsigned space, struct stub **out,
	      struct vcpu_exception *x);
/* Takes all stubs of *cpu from it; its extended state is lost. */
void stubs_give_back(struct cpu_state *cpu);
/* Takes a copy of its extended state, into cpu->xstate. -ENOMEM. */
int stubs_save(struct cpu_state *cpu);
/* A process that is no longer of use: it is ended, not used again. */
void stubs_lose(struct stub *s);
/* Has a stub do the steps of a list. -errno: the process is gone or refuses; it is lost then. A host's limit of mappings empties it
 * instead, or gives it another process. */
struct steps;
int stubs_do(struct process_vcpu *v, struct stub *s, struct steps *steps);
/* The tables of *cpu have changed as a whole: spaces that are gone lose their stubs, the others begin again
 * before they next run. -errno. */
int stubs_refresh(struct cpu_state *cpu, const struct tables *t);
/* That of a space, if there is one. */
struct stub *stubs_find(const struct cpu_state *cpu, frame_t root);
/* It is the last that has run. */
void stubs_used(struct stub *s);
/* Ends those that nobody has; from any thread. True: there were some. */
bool stubs_trim(struct process_vcpu *v);

/* A blank one, which is the caller's then; NULL: there is none. */
struct stub *stubs_take_blank(struct process_vcpu *v);
/* One whose guest does without from now on, its extended state kept: of *cpu, if that has several, else of whoever of this worker's
 * guests has not run for longest. NULL: there is none. */
struct stub *stubs_evict(struct tracer *t, const struct cpu_state *cpu);

#endif
