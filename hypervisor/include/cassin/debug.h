/* SPDX-License-Identifier: MIT */
/*
 * Debugging a guest: a debugger is attached to it, stops it, looks at its registers and its memory, changes them, sets
 * breakpoints, and lets it run on. A stopped guest is in no queue; what comes for it meanwhile waits. Everything else that can
 * be done to a guest can be done to a stopped one.
 *
 * One debugger for a guest. The calls block until the guest's owner has answered; those of one debugger are made by one thread.
 */
#ifndef CASSIN_DEBUG_H
#define CASSIN_DEBUG_H

#include <cassin/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cassin_debugger;

#define CASSIN_DEBUG_IO_MAX 4096u         /* bytes of one read or write */
#define CASSIN_DEBUG_BREAKPOINTS_MAX 256u /* of a guest */
#define CASSIN_DEBUG_ST_BYTES 10u
#define CASSIN_DEBUG_XMM_BYTES 16u

struct cassin_debug_event {
	enum { DEBUG_STOPPED, DEBUG_EXITED, DEBUG_CRASHED, DEBUG_KILLED } kind;
	/* DEBUG_STOPPED: why, in the words of signal(7): SIGTRAP (attached, a breakpoint, a step), SIGINT (asked to), SIGSEGV,
	 * SIGILL, SIGFPE, SIGABRT (it has crashed, and ends when it is resumed, unless its rip was changed). */
	int signal;
	bool breakpoint; /* DEBUG_STOPPED: at one of its breakpoints */
	int code;        /* DEBUG_EXITED */
};

struct cassin_debug_registers {
	uint64_t general[16]; /* rax rbx rcx rdx rsi rdi rbp rsp r8 ... r15 */
	uint64_t rip, rflags;
	uint64_t fs_base, gs_base;
	uint16_t cs, ss, ds, es, fs, gs; /* are what they are: setting them does nothing */
	/* x87 and SSE as FXSAVE has them (Intel SDM volume 1, 10.5.1); after a hypercall, what the ABI leaves of them. */
	uint8_t st[8][CASSIN_DEBUG_ST_BYTES];
	uint16_t fctrl, fstat, fop;
	uint8_t ftag; /* a bit for each register: not empty */
	uint64_t fip, fdp;
	uint8_t xmm[16][CASSIN_DEBUG_XMM_BYTES];
	uint32_t mxcsr;
};

/* Attaches to a guest that runs, and stops it; the first event tells. `notify` is called on an engine's thread whenever
 * cassin_engine_debug_event() has something to give; it must not call the engine. -ENOENT, -ESRCH: it does not run, -EBUSY: somebody else
 * is attached, -ENOMEM. */
int cassin_engine_debug_attach(struct cassin_engine *e, uint64_t id, void (*notify)(void *opaque), void *opaque,
			       struct cassin_debugger **out);
/* Spawns a guest that stops before its first instruction. As cassin_engine_guest_spawn() otherwise. */
int cassin_engine_debug_spawn(struct cassin_engine *e, const struct cassin_guest_spec *spec, uint64_t *id,
			      void (*notify)(void *opaque), void *opaque, struct cassin_debugger **out,
			      struct cassin_error_text *err);
/* Takes the breakpoints out and lets the guest run on (one that has crashed ends now). Frees d. Must come before
 * cassin_engine_destroy(). */
void cassin_engine_debug_detach(struct cassin_debugger *d);

/* The latest event, if it was not given yet. Any thread, does not block. After another event than DEBUG_STOPPED the debugger
 * is no longer attached: all calls below give -ESRCH. */
bool cassin_engine_debug_event(struct cassin_debugger *d, struct cassin_debug_event *out);

/* Stops it where it is; the event tells. */
int cassin_engine_debug_stop(struct cassin_debugger *d);
/* Lets it run on, for one instruction if `step`. A guest that waited when it was stopped waits on, unless its rip was
 * changed; a step of such a guest, or into a call that waits, ends when the wait does. -EBUSY: it is not stopped. */
int cassin_engine_debug_resume(struct cassin_debugger *d, bool step);

/* The others need a stopped guest (-EBUSY). */
int cassin_engine_debug_registers(struct cassin_debugger *d, struct cassin_debug_registers *out);
/* -EINVAL: rip or fs_base lies outside a guest's addresses. Bits of rflags that are not the guest's are ignored. */
int cassin_engine_debug_set_registers(struct cassin_debugger *d, const struct cassin_debug_registers *r);
/* Reads at most CASSIN_DEBUG_IO_MAX bytes as the guest would see them without breakpoints. Bytes read, up to the first that it cannot
 * read; -EFAULT: that is the first one. */
long cassin_engine_debug_read(struct cassin_debugger *d, uint64_t va, void *to, size_t len);
/* Writes at most CASSIN_DEBUG_IO_MAX bytes, to what the guest itself may only read, too: its code. All or nothing: -EFAULT,
 * -ENOMEM. */
int cassin_engine_debug_write(struct cassin_debugger *d, uint64_t va, const void *from, size_t len);
/* Sets or takes out a breakpoint. -EFAULT, -ENOMEM, -ENOSPC: too many, -ENOENT: there is none to take out. */
int cassin_engine_debug_breakpoint(struct cassin_debugger *d, uint64_t va, bool set);

/* By how much its image was moved from the addresses in the file. */
uint64_t cassin_engine_debug_offset(const struct cassin_debugger *d);
/* The guest it is attached to. */
uint64_t cassin_engine_debug_guest(const struct cassin_debugger *d);

#ifdef __cplusplus
}
#endif

#endif
