/* SPDX-License-Identifier: MIT */
/* What a stop of a stub comes to: an exit of its guest, or nothing that anybody above need know. */
#ifndef PROCESS_STOPS_H
#define PROCESS_STOPS_H

#include "process/stub.h"

/* One run of a guest in a stub. */
struct run {
	struct process_vcpu *v;
	struct cpu_state *cpu;
	struct stub *stub;
	struct vcpu_exception *x;
	bool set;    /* the stub's registers are to be set */
	bool failed; /* the stub's next stop is that of an instruction that failed: it may not be put aside before */
};

/* What a stop comes to: an exit, or nothing that anybody need know. */
enum outcome { OUTCOME_EXIT, OUTCOME_ON };

/* Reads the stub's registers into the guest's and judges the stop. OUTCOME_EXIT: *out, and the exception, say what it is. */
enum outcome take_stop(struct run *u, const struct stub_stop *stop, enum vcpu_exit *out);
/* Ends the stub: what it did, and a number to that, are in the guest's report. */
enum vcpu_exit run_lost(struct run *u, const char *what, int number);
/* Maps a page that the stub lacks, and those behind it if not `only` that one. -errno. */
int run_map(struct run *u, uint64_t va, bool only);

#endif
