/* SPDX-License-Identifier: MIT */
/*
 * The monitor: the only ring-0 code of a cell (monitor.S), its tables, and where they lie. Guests see none of it but
 * supervisor-only translations in the second half-terabyte of every root.
 */
#ifndef MONITOR_H
#define MONITOR_H

#define MONITOR_DIRECT_L4 2 /* entry of the monitor's own root: the cell's physical memory, in 2 MiB pages */
#define MONITOR_VA 0x8000000000
#define MONITOR_DIRECT_VA 0x10000000000

/* Ports of ring 0. Ring 3 may use CASSIN_PORT only. */
#define MONITOR_PORT_EXCEPTION 0xcb
#define MONITOR_PORT_COMMIT 0xcc

#define MONITOR_STUB_SIZE 16
#define MONITOR_VECTORS 32

#ifndef __ASSEMBLER__
#include <stdint.h>

/* The code, position-independent, less than a page. */
extern const char monitor_start[], monitor_end[];
extern const char monitor_stubs[];  /* MONITOR_VECTORS of them, MONITOR_STUB_SIZE apart */
extern const char monitor_commit[]; /* rdi: list of {address of the entry, value}, rsi: how many */
extern const char monitor_probe[];  /* ring 3: TSC in rax, out to CASSIN_PORT, for ever */

/* What the commit routine is given. */
struct monitor_store {
	uint64_t at, value;
};

/* What a stub leaves on the stack. */
struct monitor_exception {
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
#endif

#endif
