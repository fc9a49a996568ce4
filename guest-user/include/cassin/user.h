/* SPDX-License-Identifier: MIT */
/*
 * What a user program has: the system calls of docs/user-programs.md, text and strings. It links with `cassin-cc --user`
 * and defines `int main(int argc, char **argv)`.
 *
 * Results are 0 or more, or a negated CASSIN_E* code.
 */
#ifndef CASSIN_USER_H
#define CASSIN_USER_H

#include <stddef.h>

#include <cassin/guest/format.h>
#include <cassin/guest/string.h>
#include <cassin/user_abi.h>

static inline int64_t cassin_sys(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	int64_t result;
	__asm__ volatile("out %%al, %[port]"
			 : "=a"(result)
			 : [port] "i"(CASSIN_PORT), "a"(number), "D"(a), "S"(b), "d"(c)
			 : "memory", "cc");
	return result;
}

/* Ends the program; the low eight bits are its code. */
_Noreturn void user_exit(int code);
/* To the console, whichever of 1 and 2 `fd` is. Bytes written: at most 4096, so call it again for the rest. -CASSIN_EBADF,
 * -CASSIN_EFAULT. */
int64_t user_write(int fd, const void *bytes, size_t len);
/* A line of the console, or a piece of one; `fd` is 0. Bytes, 0 at the end of input, -CASSIN_EBADF, -CASSIN_EFAULT. */
int64_t user_read(int fd, void *to, size_t len);
/* Formats as cassin_format() and writes at most 256 bytes. */
void user_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Starts a program of the archive. argv[0] is its name; NULL ends argv. Its pid, -CASSIN_ENOENT: no such program,
 * -CASSIN_ENOEXEC: it cannot be run, -CASSIN_EINVAL: the arguments are too many or too long, -CASSIN_EAGAIN: too many
 * processes, or children, -CASSIN_ENOMEM. */
int64_t user_spawn(const char *const *argv);
/* Waits until a child has ended (pid 0: any) and forgets it. Its pid, -CASSIN_ECHILD, -CASSIN_EAGAIN: the deadline has
 * passed. `status` may be NULL. */
int64_t user_wait(int pid, struct cassin_status *status, uint64_t deadline);
/* Ends a child. 0, -CASSIN_ECHILD. */
int64_t user_kill(int pid);

void user_sleep(uint64_t ns);
void user_yield(void);
int user_getpid(void);
/* Nanoseconds of a clock of the ABI (enum cassin_clock). */
int64_t user_clock(int clock);

/* More memory, zeroed, behind what there is; its address. NULL: there is no more. */
void *user_sbrk(size_t bytes);

/* All processes, at most `most`: how many. */
int64_t user_processes(struct cassin_process_info *to, size_t most);
/* The name of the i-th program of the archive: its length, -CASSIN_ENOENT: there are not so many. */
int64_t user_program(unsigned i, char *to, size_t size);

#endif
