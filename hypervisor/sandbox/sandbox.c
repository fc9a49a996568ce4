/* SPDX-License-Identifier: MIT */
/* Filters are compiled once, by libseccomp, and installed by each thread with one system call. */
#include <cassin/sandbox.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/calls.h"
#include "sandbox/privileges.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct cassin_sandbox {
	struct sock_fprog programs[CASSIN_SANDBOX_ROLES];
};

/* The thread's name, by which the kernel's log calls it. The two that are a process's first thread keep the program's. */
static const char *const names[CASSIN_SANDBOX_ROLES] = {
	[CASSIN_SANDBOX_TRACER] = "cassin-worker",   [CASSIN_SANDBOX_WORKER] = "cassin-worker",
	[CASSIN_SANDBOX_WATCHER] = "cassin-watcher", [CASSIN_SANDBOX_CONTROL] = "cassin-control",
	[CASSIN_SANDBOX_LOADER] = "cassin-loader",   [CASSIN_SANDBOX_DEBUGGER] = "cassin-debugger",
	[CASSIN_SANDBOX_WRITER] = "cassin-writer",   [CASSIN_SANDBOX_MAKER] = "cassin-maker",
	[CASSIN_SANDBOX_SWAPPER] = "cassin-swapper",
};

enum cassin_sandbox_mode cassin_sandbox_mode_default(void)
{
	return SANITIZED ? CASSIN_SANDBOX_OFF : CASSIN_SANDBOX_ON;
}

int cassin_sandbox_mode_parse(const char *word, enum cassin_sandbox_mode *mode)
{
	static const char *const words[] = {
		[CASSIN_SANDBOX_OFF] = "off", [CASSIN_SANDBOX_LOG] = "log", [CASSIN_SANDBOX_ON] = "on"};
	for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
		if (!strcmp(word, words[i])) {
			*mode = (enum cassin_sandbox_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int refused_by_kernel(int error, struct cassin_error_text *err)
{
	return cassin_error_set(err, -error,
				"the kernel refuses the sandbox: seccomp: %s; --sandbox off runs guests without it",
				strerror(error));
}

/* ---- Compiling ---- */

static int read_program(int fd, struct sock_fprog *program)
{
	struct stat st;
	if (fstat(fd, &st))
		return -errno;
	size_t size = (size_t)st.st_size;
	struct sock_filter *filter = malloc(size);
	if (!filter)
		return -ENOMEM;
	if (pread(fd, filter, size, 0) != (ssize_t)size) {
		free(filter);
		return -EIO;
	}
	*program = (struct sock_fprog){.len = (unsigned short)(size / sizeof *filter), .filter = filter};
	return 0;
}

static int compile_to(scmp_filter_ctx filter, uint32_t otherwise, enum cassin_sandbox_role role,
		      struct sock_fprog *program)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, otherwise);
	if (!r)
		r = calls_add(filter, role);
	if (r)
		return r;
	int fd = memfd_create("cassin-filter", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(filter, fd);
	if (!r)
		r = read_program(fd, program);
	close(fd);
	return r;
}

static int compile(struct cassin_sandbox *s, enum cassin_sandbox_mode mode, enum cassin_sandbox_role role)
{
	uint32_t otherwise = mode == CASSIN_SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx filter = seccomp_init(otherwise);
	if (!filter)
		return -ENOMEM;
	int r = compile_to(filter, otherwise, role, &s->programs[role]);
	seccomp_release(filter);
	return r;
}

/* ---- Life ---- */

static int install(const struct sock_fprog *program)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) ? errno : 0;
}

/* A container may let a thread ask for a filter, and not let it have one. */
static void *try_filter(void *opaque)
{
	static struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	const struct sock_fprog program = {.len = 1, .filter = allow};
	*(int *)opaque = install(&program);
	return NULL;
}

static int kernel_check(enum cassin_sandbox_mode mode, struct cassin_error_text *err)
{
	uint32_t action = mode == CASSIN_SANDBOX_LOG ? SECCOMP_RET_LOG : SECCOMP_RET_KILL_PROCESS;
	pthread_t thread;
	int error = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) ? errno : 0;
	int tried = 0;
	if (error)
		return refused_by_kernel(error, err);
	error = pthread_create(&thread, NULL, try_filter, &tried);
	if (error)
		return cassin_error_set(err, -error, "cannot start a thread: %s: see ulimit -u, -v and -d",
					strerror(error));
	pthread_join(thread, NULL);
	return tried ? refused_by_kernel(tried, err) : 0;
}

int cassin_sandbox_create(struct cassin_sandbox **out, enum cassin_sandbox_mode mode, struct cassin_error_text *err)
{
	*out = NULL;
	if (mode == CASSIN_SANDBOX_OFF)
		return 0;
	if (SANITIZED && mode == CASSIN_SANDBOX_ON)
		return cassin_error_set(err, -ENOTSUP,
					"--sandbox on: this build has a sanitizer, which needs more calls");
	int r = privileges_drop(err);
	if (!r)
		r = kernel_check(mode, err);
	if (r)
		return r;
	struct cassin_sandbox *s = calloc(1, sizeof *s);
	if (!s)
		return cassin_error_set(err, -ENOMEM, "no memory for the sandbox");
	for (unsigned role = 0; !r && role < CASSIN_SANDBOX_ROLES; role++)
		r = compile(s, mode, (enum cassin_sandbox_role)role);
	if (r) {
		cassin_sandbox_free(s);
		return cassin_error_set(err, r, "cannot compile the sandbox: %s; --sandbox off runs guests without it",
					strerror(-r));
	}
	*out = s;
	return 0;
}

void cassin_sandbox_free(struct cassin_sandbox *s)
{
	for (unsigned role = 0; s && role < CASSIN_SANDBOX_ROLES; role++)
		free(s->programs[role].filter);
	free(s);
}

int cassin_sandbox_enter(const struct cassin_sandbox *s, enum cassin_sandbox_role role, struct cassin_error_text *err)
{
	if (!s)
		return 0;
	if (names[role])
		prctl(PR_SET_NAME, names[role], 0, 0, 0);
	int error = install(&s->programs[role]);
	return error ? refused_by_kernel(error, err) : 0;
}
