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

struct debugger;

#define DEBUG_IO_MAX 4096u         /* bytes of one read or write */
#define DEBUG_BREAKPOINTS_MAX 256u /* of a guest */
#define DEBUG_ST_BYTES 10u
#define DEBUG_XMM_BYTES 16u

struct debug_event {
	enum { DEBUG_STOPPED, DEBUG_EXITED, DEBUG_CRASHED, DEBUG_KILLED } kind;
	/* DEBUG_STOPPED: why, in the words of signal(7): SIGTRAP (attached, a breakpoint, a step), SIGINT (asked to), SIGSEGV,
	 * SIGILL, SIGFPE, SIGABRT (it has crashed, and ends when it is resumed, unless its rip was changed). */
	int signal;
	bool breakpoint; /* DEBUG_STOPPED: at one of its breakpoints */
	int code;        /* DEBUG_EXITED */
};

struct debug_registers {
	uint64_t general[16]; /* rax rbx rcx rdx rsi rdi rbp rsp r8 ... r15 */
	uint64_t rip, rflags;
	uint64_t fs_base, gs_base;
	uint16_t cs, ss, ds, es, fs, gs; /* are what they are: setting them does nothing */
	/* x87 and SSE as FXSAVE has them (Intel SDM volume 1, 10.5.1); after a hypercall, what the ABI leaves of them. */
	uint8_t st[8][DEBUG_ST_BYTES];
	uint16_t fctrl, fstat, fop;
	uint8_t ftag; /* a bit for each register: not empty */
	uint64_t fip, fdp;
	uint8_t xmm[16][DEBUG_XMM_BYTES];
	uint32_t mxcsr;
};

/* Attaches to a guest that runs, and stops it; the first event tells. `notify` is called on an engine's thread whenever
 * engine_debug_event() has something to give; it must not call the engine. -ENOENT, -ESRCH: it does not run, -EBUSY: somebody else
 * is attached, -ENOMEM. */
int engine_debug_attach(struct engine *e, uint64_t id, void (*notify)(void *opaque), void *opaque,
			struct debugger **out);
/* Spawns a guest that stops before its first instruction. As engine_guest_spawn() otherwise. */
int engine_debug_spawn(struct engine *e, const struct guest_spec *spec, uint64_t *id, void (*notify)(void *opaque),
		       void *opaque, struct debugger **out, struct cassin_error_text *err);
/* Takes the breakpoints out and lets the guest run on (one that has crashed ends now). Frees d. Must come before
 * engine_destroy(). */
void engine_debug_detach(struct debugger *d);

/* The latest event, if it was not given yet. Any thread, does not block. After another event than DEBUG_STOPPED the debugger
 * is no longer attached: all calls below give -ESRCH. */
bool engine_debug_event(struct debugger *d, struct debug_event *out);

/* Stops it where it is; the event tells. */
int engine_debug_stop(struct debugger *d);
/* Lets it run on, for one instruction if `step`. A guest that waited when it was stopped waits on, unless its rip was
 * changed; a step of such a guest, or into a call that waits, ends when the wait does. -EBUSY: it is not stopped. */
int engine_debug_resume(struct debugger *d, bool step);

/* The others need a stopped guest (-EBUSY). */
int engine_debug_registers(struct debugger *d, struct debug_registers *out);
/* -EINVAL: rip or fs_base lies outside a guest's addresses. Bits of rflags that are not the guest's are ignored. */
int engine_debug_set_registers(struct debugger *d, const struct debug_registers *r);
/* Reads at most DEBUG_IO_MAX bytes as the guest would see them without breakpoints. Bytes read, up to the first that it cannot
 * read; -EFAULT: that is the first one. */
long engine_debug_read(struct debugger *d, uint64_t va, void *to, size_t len);
/* Writes at most DEBUG_IO_MAX bytes, to what the guest itself may only read, too: its code. All or nothing: -EFAULT,
 * -ENOMEM. */
int engine_debug_write(struct debugger *d, uint64_t va, const void *from, size_t len);
/* Sets or takes out a breakpoint. -EFAULT, -ENOMEM, -ENOSPC: too many, -ENOENT: there is none to take out. */
int engine_debug_breakpoint(struct debugger *d, uint64_t va, bool set);

/* By how much its image was moved from the addresses in the file. */
uint64_t engine_debug_offset(const struct debugger *d);
/* The guest it is attached to. */
uint64_t engine_debug_guest(const struct debugger *d);

#endif
