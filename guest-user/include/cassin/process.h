/* SPDX-License-Identifier: MIT */
/*
 * User programs, for kernels made of guest-kernel: processes from an archive that is a part of the guest, each a thread of
 * the kernel and a space of its own. docs/user-programs.md. Links with `cassin-cc --kernel`.
 *
 *     CASSIN_ARCHIVE("programs.cpio");
 *     cassin_processes_start(cassin_archive, cassin_archive_size, NULL);
 *     int pid = cassin_process_spawn("init", NULL, 0);
 *     cassin_process_wait(pid, &status, CASSIN_FOREVER);
 */
#ifndef CASSIN_PROCESS_H
#define CASSIN_PROCESS_H

#include <cassin/kernel.h>
#include <cassin/user_abi.h>

/* Puts a file made by `cpio -o -H newc` or cassin-pack into the guest. Once in a program, outside of functions. */
#define CASSIN_ARCHIVE(file)                                                                                           \
	__asm__(".pushsection .rodata\n.balign 8\n.globl cassin_archive\ncassin_archive:\n.incbin \"" file             \
		"\"\n"                                                                                                 \
		".globl cassin_archive_end\ncassin_archive_end:\n.popsection")
extern const char cassin_archive[], cassin_archive_end[];
#define cassin_archive_size ((size_t)(cassin_archive_end - cassin_archive))

#define CASSIN_PROCESSES_MAX 60u

/* 0 in a field: what stands behind it. */
struct cassin_processes_options {
	unsigned processes; /* at a time, ended ones that nobody has waited for among them; 32 */
	unsigned children;  /* of one process at a time; 8 */
	unsigned pages;     /* of one process; 256 */
	uint64_t slice;     /* nanoseconds that one computes while others are ready; 10 ms */
};

/* Once, before all others. The archive must stay. CASSIN_NEEDS_1_1 comes with it. 0, -CASSIN_EINVAL: the archive or an
 * option cannot be. */
int cassin_processes_start(const void *archive, size_t size, const struct cassin_processes_options *options);
/* Starts a program; `args`: its arguments behind the name, each with its zero (NULL, 0: none). Its pid, or a code as
 * user_spawn() gives. */
int cassin_process_spawn(const char *name, const char *args, size_t size);
/* Waits for one that the kernel has spawned (pid 0: any) and forgets it. Its pid, -CASSIN_ECHILD, -CASSIN_ETIMEDOUT.
 * `status` may be NULL. */
int cassin_process_wait(int pid, struct cassin_status *status, uint64_t deadline);
/* Ends any process: when it next runs, at the latest; if it reads the console, when it has read. 0, -CASSIN_ECHILD. */
int cassin_process_kill(int pid);
/* All, in the order of their places; at most `most`. How many. */
unsigned cassin_process_list(struct cassin_process_info *to, unsigned most);

#endif
