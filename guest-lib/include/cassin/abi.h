/* SPDX-License-Identifier: MIT */
/*
 * The Cassin hypercall ABI, version 1. Included by guests and by the hypervisor; freestanding C11.
 * docs/abi.md is the normative text; the assertions at the end tie its offsets to this header.
 */
#ifndef CASSIN_ABI_H
#define CASSIN_ABI_H

#include <stddef.h>
#include <stdint.h>

#define CASSIN_ABI_MAJOR 1
#define CASSIN_ABI_MINOR 3

/* The door: `out %al, $0xca` from ring 3. Call number in rax, arguments in rdi rsi rdx r10 r8 r9,
 * result in rax: 0 or more on success, a negated CASSIN_E* code on failure. */
#define CASSIN_PORT 0xca

#define CASSIN_PAGE_SIZE 4096u

/* Guest virtual addresses live in [CASSIN_VA_MIN, CASSIN_VA_END). */
#define CASSIN_VA_MIN UINT64_C(0x10000)
#define CASSIN_VA_END UINT64_C(0x8000000000)

/* ---- ELF note: a guest states the ABI that it needs ---- */
#define CASSIN_NOTE_NAME "Cassin" /* n_namesz 7, padded to 8 */
#define CASSIN_NOTE_ABI 1         /* n_type; descriptor: struct cassin_note_abi */

struct cassin_note_abi {
	uint32_t major; /* must equal the hypervisor's */
	uint32_t minor; /* must not exceed the hypervisor's */
};

/* ---- Calls (rax) ---- */
enum cassin_call {
	CASSIN_CALL_NULL = 0,           /* () -> 0 */
	CASSIN_CALL_ENTER = 1,          /* (to_submit, min_complete, deadline_ns) -> submissions consumed */
	CASSIN_CALL_RING_SETUP = 2,     /* (ring, sqes, sq_entries, cqes, cq_entries) -> 0 */
	CASSIN_CALL_EXIT = 3,           /* (code) does not return */
	CASSIN_CALL_LOG = 4,            /* (addr, len) -> bytes written to the console */
	CASSIN_CALL_YIELD = 5,          /* () -> 0 */
	CASSIN_CALL_INFO = 6,           /* (addr, size) -> bytes of struct cassin_info written */
	CASSIN_CALL_READY = 7,          /* () -> 0; the guest has booted */
	CASSIN_CALL_TLS_SET = 8,        /* (addr) -> 0; sets the fs base */
	CASSIN_CALL_MAP = 9,            /* (space, va, page, count, rights) -> 0 */
	CASSIN_CALL_UNMAP = 10,         /* (space, va, count) -> 0 */
	CASSIN_CALL_PROTECT = 11,       /* (space, va, count, rights) -> 0 */
	CASSIN_CALL_SPACE_CREATE = 12,  /* () -> space number */
	CASSIN_CALL_SPACE_DESTROY = 13, /* (space) -> 0 */
	CASSIN_CALL_TIME = 14,          /* (clock) -> nanoseconds; for hosts without an invariant TSC */
	/* Since 1.1; -CASSIN_ENOSYS in 1.0. */
	CASSIN_CALL_USER_RUN = 15,      /* (space, frame, deadline_ns) -> enum cassin_user_reason */
	CASSIN_CALL_UPCALL_SET = 16,    /* (entry, stack, stack_size, mask, timer_ns) -> 0 */
	CASSIN_CALL_UPCALL_RETURN = 17, /* (frame, timer_ns) does not return, but with an error */
	/* Since 1.2. */
	CASSIN_CALL_FILE_INFO = 18, /* (file, addr) -> 0; writes struct cassin_file_info */
	CASSIN_CALL_FILE_READ = 19, /* (file, offset, addr, len) -> bytes, 0 at the end */
	/* Since 1.3. */
	CASSIN_CALL_READY_AT_WAIT = 20, /* () -> 0; as READY, but a template is frozen where it waits next */
};

/* ---- Errors (results are negated; the numbers are Linux's) ---- */
enum cassin_error {
	CASSIN_ENOENT = 2,
	CASSIN_EIO = 5,
	CASSIN_EBADF = 9,
	CASSIN_EAGAIN = 11,
	CASSIN_ENOMEM = 12,
	CASSIN_EACCES = 13,
	CASSIN_EFAULT = 14,
	CASSIN_EBUSY = 16,
	CASSIN_EEXIST = 17,
	CASSIN_EINVAL = 22,
	CASSIN_EMFILE = 24,
	CASSIN_EPIPE = 32,
	CASSIN_ENOSYS = 38,
	CASSIN_ENOTCONN = 107,
	CASSIN_EADDRINUSE = 98,
	CASSIN_ECONNRESET = 104,
	CASSIN_ECONNREFUSED = 111,
	CASSIN_ECANCELED = 125,
};

/* ---- Rights of a mapping ---- */
#define CASSIN_READ 1u
#define CASSIN_WRITE 2u
#define CASSIN_EXEC 4u /* never together with CASSIN_WRITE */

/* ---- Deadlines: absolute monotonic nanoseconds ---- */
#define CASSIN_NOW UINT64_C(0)
#define CASSIN_FOREVER UINT64_MAX

/* ---- Clocks of CASSIN_CALL_TIME ---- */
enum cassin_clock_id {
	CASSIN_CLOCK_MONOTONIC = 0,
	CASSIN_CLOCK_WALL = 1,    /* since 1970-01-01 UTC */
	CASSIN_CLOCK_VIRTUAL = 2, /* while this guest ran */
};

/* ---- Rings ----
 * The guest writes sq_tail and cq_head, the hypervisor sq_head and cq_tail. Indices run freely and are
 * taken modulo the ring's size, a power of two. The hypervisor keeps its own copy of what it writes. */
#define CASSIN_SQ_MAX 1024u
#define CASSIN_CQ_MAX 4096u

struct cassin_ring {
	uint32_t sq_head;
	uint32_t sq_tail;
	uint32_t cq_head;
	uint32_t cq_tail;
	uint32_t rsv[12];
};

enum cassin_op {
	CASSIN_OP_NOP = 0,
	CASSIN_OP_TIMEOUT = 1,       /* offset: absolute monotonic ns -> 0 */
	CASSIN_OP_CANCEL = 2,        /* offset: user_data of the operation to cancel -> 0, -ENOENT */
	CASSIN_OP_CONSOLE_READ = 3,  /* addr, len -> bytes, 0 at end of input */
	CASSIN_OP_CONSOLE_WRITE = 4, /* addr, len -> bytes */
	CASSIN_OP_RANDOM = 5,        /* addr, len -> len */
	CASSIN_OP_LISTEN = 6,        /* offset: port 1..65535 -> handle */
	CASSIN_OP_ACCEPT = 7,        /* handle: listener -> handle */
	CASSIN_OP_CONNECT = 8,       /* addr, len: text "NAME:PORT", or a name from the spec's "connect" -> handle */
	CASSIN_OP_RECV = 9,          /* handle, addr, len -> bytes, 0 at the end of the stream */
	CASSIN_OP_SEND = 10,         /* handle, addr, len -> len, once all of it was taken */
	CASSIN_OP_SHUTDOWN = 11,     /* handle -> 0; ends the sending side after the sends before it */
	CASSIN_OP_CLOSE = 12,        /* handle -> 0; after the sends before it */
};

#define CASSIN_SQE_SKIP_SUCCESS 1u /* flags: no completion unless the operation fails */

#define CASSIN_IO_MAX (1u << 20) /* longest len of one operation, bytes */

struct cassin_sqe {
	uint8_t op;
	uint8_t flags;
	uint16_t rsv0; /* 0 */
	int32_t handle;
	uint64_t addr;
	uint32_t len;
	uint32_t op_flags; /* 0 */
	uint64_t offset;
	uint64_t user_data;
	uint64_t rsv1[3]; /* 0 */
};

struct cassin_cqe {
	uint64_t user_data;
	int32_t result;
	uint32_t flags; /* 0 */
};

/* ---- Clock page: read-only, shared by all guests ----
 * Read seq (odd: being written, try again), the fields, then seq again.
 *   ns = mono_base + ((rdtsc - tsc_base) * tsc_mul >> tsc_shift)   (a 128-bit product)
 *   wall = ns + wall_offset */
struct cassin_clock_page {
	uint32_t seq;
	uint32_t flags; /* CASSIN_CLOCK_TSC */
	uint64_t tsc_base;
	uint64_t mono_base;
	int64_t wall_offset;
	uint64_t tsc_mul;
	uint32_t tsc_shift;
	uint32_t rsv;
};
#define CASSIN_CLOCK_TSC 1u /* the TSC is invariant: the formula holds. Else use CASSIN_CALL_TIME */

/* ---- Info page: read-only, one per guest; updated whenever the guest is dispatched ----
 *   virtual now = virtual_ns + (monotonic now - dispatched_at) */
struct cassin_info_page {
	uint32_t abi_major;
	uint32_t abi_minor;
	uint64_t virtual_ns;    /* virtual time when last dispatched */
	uint64_t dispatched_at; /* monotonic ns of that moment */
	uint64_t pending;       /* CASSIN_EVENT_* that wait; since 1.1, else 0 */
};

/* ---- Events, upcalls and user mode, since 1.1 ---- */
#define CASSIN_EVENT_COMPLETION 1u /* a completion was posted */
#define CASSIN_EVENT_TIMER 2u      /* the timer has passed */
#define CASSIN_EVENT_STOP 4u       /* the guest is asked to end */
#define CASSIN_EVENT_ALL 7u
#define CASSIN_WAKE_SHIFT 32 /* in enter's min_complete: events from here on end the wait, masked or not */

#define CASSIN_UPCALL_STACK_MIN 512u /* bytes */
#define CASSIN_RED_ZONE 128u         /* bytes below the stack pointer that an upcall leaves alone */

/* All that code in ring 3 has, but vector state. */
struct cassin_registers {
	uint64_t rax;
	uint64_t rbx;
	uint64_t rcx;
	uint64_t rdx;
	uint64_t rsi;
	uint64_t rdi;
	uint64_t rbp;
	uint64_t rsp;
	uint64_t r8;
	uint64_t r9;
	uint64_t r10;
	uint64_t r11;
	uint64_t r12;
	uint64_t r13;
	uint64_t r14;
	uint64_t r15;
	uint64_t rip;
	uint64_t rflags;
	uint64_t fs_base;
};

/* What an upcall leaves on the upcall stack, and what upcall_return takes. */
struct cassin_upcall_frame {
	struct cassin_registers regs;
	uint64_t mask;   /* as it was */
	uint64_t events; /* that are delivered; ignored by upcall_return */
	uint64_t rsv;    /* 0 */
};

/* Why user_run returns. */
enum cassin_user_reason {
	CASSIN_USER_CALL = 0,     /* it executed the hypercall instruction */
	CASSIN_USER_FAULT = 1,    /* vector, error and address tell */
	CASSIN_USER_DEADLINE = 2, /* the deadline has passed */
	CASSIN_USER_EVENT = 3,    /* `events` tells, or an upcall comes */
};

struct cassin_user_frame {
	struct cassin_registers regs; /* in and out */
	uint64_t wake;                /* in: CASSIN_EVENT_* that end the run */
	uint64_t events;              /* out: those of them that ended it, else 0 */
	uint64_t vector;              /* out: the exception of a FAULT, else 0 */
	uint64_t error;               /* out: page fault: the right that lacked; else the processor's error code */
	uint64_t address;             /* out: of a page fault */
	uint64_t rsv[2];              /* 0 */
};

/* ---- Boot: rdi at the entry point holds the address of this; rsp is 16-byte aligned ---- */
struct cassin_boot {
	uint32_t abi_major;
	uint32_t abi_minor;
	uint32_t size; /* of this structure, bytes */
	uint32_t argc;
	uint64_t argv; /* address of argc + 1 addresses, the last 0; argv[0] is the image's name */
	uint64_t name; /* address of the guest's name, zero-terminated */
	uint64_t clock_page;
	uint64_t info_page;
	uint64_t heap; /* demand-zero memory, readable and writable */
	uint64_t heap_size;
	uint64_t heap_page; /* number of the heap's first page */
	uint64_t stack_low; /* the page below it is a guard */
	uint64_t stack_high;
	uint64_t pages;   /* the guest's memory, pages numbered from 0 */
	uint8_t seed[32]; /* random, this guest's own */
};

/* ---- CASSIN_CALL_INFO ---- */
struct cassin_info {
	uint64_t pages;       /* quota */
	uint64_t pages_used;  /* touched so far, page tables not counted */
	uint64_t table_pages; /* page tables */
	uint64_t virtual_ns;
	uint64_t exits; /* times this guest left to the hypervisor */
	uint64_t hypercalls;
	uint64_t started_at; /* monotonic ns of this guest's start */
	uint64_t restarts;
};

/* ---- CASSIN_CALL_FILE_INFO ---- */
struct cassin_file_info {
	char name[64]; /* zero-terminated */
	uint64_t size; /* bytes */
	uint64_t rsv;  /* 0 */
};

#ifndef __cplusplus
#define CASSIN_AT(type, field, at) _Static_assert(offsetof(struct type, field) == (at), #type "." #field)
#define CASSIN_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

CASSIN_SIZE(cassin_note_abi, 8);
CASSIN_SIZE(cassin_ring, 64);
CASSIN_AT(cassin_ring, sq_tail, 4);
CASSIN_AT(cassin_ring, cq_head, 8);
CASSIN_AT(cassin_ring, cq_tail, 12);
CASSIN_SIZE(cassin_sqe, 64);
CASSIN_AT(cassin_sqe, flags, 1);
CASSIN_AT(cassin_sqe, handle, 4);
CASSIN_AT(cassin_sqe, addr, 8);
CASSIN_AT(cassin_sqe, len, 16);
CASSIN_AT(cassin_sqe, op_flags, 20);
CASSIN_AT(cassin_sqe, offset, 24);
CASSIN_AT(cassin_sqe, user_data, 32);
CASSIN_AT(cassin_sqe, rsv1, 40);
CASSIN_SIZE(cassin_cqe, 16);
CASSIN_AT(cassin_cqe, result, 8);
CASSIN_AT(cassin_cqe, flags, 12);
CASSIN_SIZE(cassin_clock_page, 48);
CASSIN_AT(cassin_clock_page, tsc_base, 8);
CASSIN_AT(cassin_clock_page, mono_base, 16);
CASSIN_AT(cassin_clock_page, wall_offset, 24);
CASSIN_AT(cassin_clock_page, tsc_mul, 32);
CASSIN_AT(cassin_clock_page, tsc_shift, 40);
CASSIN_SIZE(cassin_info_page, 32);
CASSIN_AT(cassin_info_page, virtual_ns, 8);
CASSIN_AT(cassin_info_page, dispatched_at, 16);
CASSIN_AT(cassin_info_page, pending, 24);
CASSIN_SIZE(cassin_registers, 152);
CASSIN_AT(cassin_registers, rbx, 8);
CASSIN_AT(cassin_registers, rcx, 16);
CASSIN_AT(cassin_registers, rdx, 24);
CASSIN_AT(cassin_registers, rsi, 32);
CASSIN_AT(cassin_registers, rdi, 40);
CASSIN_AT(cassin_registers, rbp, 48);
CASSIN_AT(cassin_registers, rsp, 56);
CASSIN_AT(cassin_registers, r8, 64);
CASSIN_AT(cassin_registers, r9, 72);
CASSIN_AT(cassin_registers, r10, 80);
CASSIN_AT(cassin_registers, r11, 88);
CASSIN_AT(cassin_registers, r12, 96);
CASSIN_AT(cassin_registers, r13, 104);
CASSIN_AT(cassin_registers, r14, 112);
CASSIN_AT(cassin_registers, r15, 120);
CASSIN_AT(cassin_registers, rip, 128);
CASSIN_AT(cassin_registers, rflags, 136);
CASSIN_AT(cassin_registers, fs_base, 144);
CASSIN_SIZE(cassin_upcall_frame, 176);
CASSIN_AT(cassin_upcall_frame, mask, 152);
CASSIN_AT(cassin_upcall_frame, events, 160);
CASSIN_AT(cassin_upcall_frame, rsv, 168);
CASSIN_SIZE(cassin_user_frame, 208);
CASSIN_AT(cassin_user_frame, wake, 152);
CASSIN_AT(cassin_user_frame, events, 160);
CASSIN_AT(cassin_user_frame, vector, 168);
CASSIN_AT(cassin_user_frame, error, 176);
CASSIN_AT(cassin_user_frame, address, 184);
CASSIN_AT(cassin_user_frame, rsv, 192);
CASSIN_SIZE(cassin_boot, 128);
CASSIN_AT(cassin_boot, argc, 12);
CASSIN_AT(cassin_boot, argv, 16);
CASSIN_AT(cassin_boot, name, 24);
CASSIN_AT(cassin_boot, clock_page, 32);
CASSIN_AT(cassin_boot, info_page, 40);
CASSIN_AT(cassin_boot, heap, 48);
CASSIN_AT(cassin_boot, heap_size, 56);
CASSIN_AT(cassin_boot, heap_page, 64);
CASSIN_AT(cassin_boot, stack_low, 72);
CASSIN_AT(cassin_boot, stack_high, 80);
CASSIN_AT(cassin_boot, pages, 88);
CASSIN_AT(cassin_boot, seed, 96);
CASSIN_SIZE(cassin_info, 64);
CASSIN_AT(cassin_info, pages_used, 8);
CASSIN_AT(cassin_info, table_pages, 16);
CASSIN_AT(cassin_info, virtual_ns, 24);
CASSIN_AT(cassin_info, exits, 32);
CASSIN_AT(cassin_info, hypercalls, 40);
CASSIN_AT(cassin_info, started_at, 48);
CASSIN_AT(cassin_info, restarts, 56);
CASSIN_SIZE(cassin_file_info, 80);
CASSIN_AT(cassin_file_info, size, 64);
CASSIN_AT(cassin_file_info, rsv, 72);
#endif

#endif
