/* SPDX-License-Identifier: MIT */
/* The system calls of user programs as functions. */
#include <cassin/user.h>

#define PRINT_MOST 256u

void user_exit(int code)
{
	cassin_sys(CASSIN_SYS_EXIT, (uint64_t)code, 0, 0);
	__builtin_unreachable();
}

int64_t user_write(int fd, const void *bytes, size_t len)
{
	return cassin_sys(CASSIN_SYS_WRITE, (uint64_t)fd, (uint64_t)bytes, len);
}

int64_t user_read(int fd, void *to, size_t len)
{
	return cassin_sys(CASSIN_SYS_READ, (uint64_t)fd, (uint64_t)to, len);
}

void user_print(const char *format, ...)
{
	char text[PRINT_MOST];
	va_list args;
	va_start(args, format);
	int n = cassin_vformat(text, sizeof text, format, args);
	va_end(args);
	user_write(1, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

int64_t user_spawn(const char *const *argv)
{
	char args[CASSIN_ARGS_MAX];
	size_t used = 0;
	for (const char *const *a = argv + 1; *a; a++) {
		size_t size = strlen(*a) + 1;
		if (size > sizeof args - used)
			return -CASSIN_EINVAL;
		memcpy(args + used, *a, size);
		used += size;
	}
	return cassin_sys(CASSIN_SYS_SPAWN, (uint64_t)argv[0], (uint64_t)args, used);
}

int64_t user_wait(int pid, struct cassin_status *status, uint64_t deadline)
{
	return cassin_sys(CASSIN_SYS_WAIT, (uint64_t)(uint32_t)pid, (uint64_t)status, deadline);
}

int64_t user_kill(int pid)
{
	return cassin_sys(CASSIN_SYS_KILL, (uint64_t)(uint32_t)pid, 0, 0);
}

void user_sleep(uint64_t ns)
{
	cassin_sys(CASSIN_SYS_SLEEP, ns, 0, 0);
}

void user_yield(void)
{
	cassin_sys(CASSIN_SYS_YIELD, 0, 0, 0);
}

int user_getpid(void)
{
	return (int)cassin_sys(CASSIN_SYS_GETPID, 0, 0, 0);
}

int64_t user_clock(int clock)
{
	return cassin_sys(CASSIN_SYS_CLOCK, (uint64_t)clock, 0, 0);
}

void *user_sbrk(size_t bytes)
{
	int64_t r = cassin_sys(CASSIN_SYS_SBRK, bytes, 0, 0);
	return r < 0 ? NULL : (void *)r;
}

int64_t user_processes(struct cassin_process_info *to, size_t most)
{
	return cassin_sys(CASSIN_SYS_PROCESSES, (uint64_t)to, most, 0);
}

int64_t user_program(unsigned i, char *to, size_t size)
{
	return cassin_sys(CASSIN_SYS_PROGRAM, i, (uint64_t)to, size);
}
