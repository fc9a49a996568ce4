/* SPDX-License-Identifier: MIT */
/* What user programs and their kernel agree on: docs/user-programs.md. */
#ifndef CASSIN_USER_ABI_H
#define CASSIN_USER_ABI_H

#include <stdint.h>

#include <cassin/abi.h>

/* The number is in rax, arguments in rdi, rsi, rdx; the result, 0 or more or a negated code, comes in rax. Numbers of
 * hypercalls are none of these. */
enum cassin_system_call {
	CASSIN_SYS_EXIT = 256,
	CASSIN_SYS_WRITE,
	CASSIN_SYS_READ,
	CASSIN_SYS_SPAWN,
	CASSIN_SYS_WAIT,
	CASSIN_SYS_SLEEP,
	CASSIN_SYS_SBRK,
	CASSIN_SYS_GETPID,
	CASSIN_SYS_YIELD,
	CASSIN_SYS_CLOCK,
	CASSIN_SYS_KILL,
	CASSIN_SYS_PROCESSES,
	CASSIN_SYS_PROGRAM,
	CASSIN_SYS_END,
};

/* Codes beside those of the ABI; the numbers are Linux's. */
#define CASSIN_ENOEXEC 8 /* no program, or one that cannot be run here */
#define CASSIN_ECHILD 10 /* no such child */

#define CASSIN_PROCESS_NAME_MAX 32u /* with its zero */
#define CASSIN_ARGS_MAX 1024u       /* bytes of all arguments of a program, each with its zero */
#define CASSIN_ARGC_MAX 32u

/* How a process ended. */
enum cassin_end {
	CASSIN_END_EXIT = 0,
	CASSIN_END_CRASH = 1,
	CASSIN_END_KILL = 2,
};

struct cassin_status {
	int32_t pid;
	int32_t end;  /* enum cassin_end */
	int32_t code; /* EXIT: the low eight bits of the program's code; CRASH: the number of the exception */
};

/* One process, for people. */
struct cassin_process_info {
	int32_t pid, parent; /* parent 0: the kernel, or one that has ended */
	uint32_t ended;      /* 1: nobody has waited for it yet */
	uint32_t pages;
	uint64_t calls; /* system calls so far */
	char name[CASSIN_PROCESS_NAME_MAX];
};

/* Where a program may lie, and where its stack ends. */
#define CASSIN_USER_STACK_TOP UINT64_C(0x420000)
#define CASSIN_USER_IMAGE UINT64_C(0x430000)
#define CASSIN_USER_END UINT64_C(0x40000000)

#endif
