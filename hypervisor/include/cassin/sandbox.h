/* SPDX-License-Identifier: MIT */
/*
 * The sandbox: what the kernel still does for this process once it runs guests. Privileges are given up, and each thread is
 * confined by a seccomp filter to the system calls of its role. The engine confines its own threads when engine_options
 * name a sandbox; a program that uses the engine confines those that it makes itself.
 *
 * A filter is for ever, and a thread has the filters of the thread that made it besides its own. So the order is: create the
 * sandbox while there is only one thread, create the engine, make threads that enter a role of their own, and enter the role of
 * the thread that made them last, before the first guest is spawned. Afterwards CASSIN_SANDBOX_LOOP and
 * CASSIN_SANDBOX_FOREGROUND may make threads, which then enter CASSIN_SANDBOX_DEBUGGER; CASSIN_SANDBOX_CONTROL,
 * CASSIN_SANDBOX_LOADER and CASSIN_SANDBOX_SWAPPER may make threads of their own role, which have their filter already.
 */
#ifndef CASSIN_SANDBOX_H
#define CASSIN_SANDBOX_H

#include <cassin/spec.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cassin_sandbox;

enum cassin_sandbox_mode {
	CASSIN_SANDBOX_OFF,
	CASSIN_SANDBOX_LOG, /* a call that the role does not have is done, and the kernel's log says so */
	CASSIN_SANDBOX_ON,  /* a call that the role does not have ends the process by SIGSYS */
};

enum cassin_sandbox_role {
	CASSIN_SANDBOX_WORKER,     /* runs guests and serves their streams */
	CASSIN_SANDBOX_TRACER,     /* the same for process cells: it traces their processes, too */
	CASSIN_SANDBOX_WATCHER,    /* gives memory back, kicks workers */
	CASSIN_SANDBOX_LOOP,       /* a daemon's event loop: serves clients, reads no file, opens no connection */
	CASSIN_SANDBOX_CONTROL,    /* engine calls that end, restart, remove, trace or connect to guests */
	CASSIN_SANDBOX_LOADER,     /* engine calls that spawn: reads images and files, opens ports; keeps specs */
	CASSIN_SANDBOX_DEBUGGER,   /* serves one debugger */
	CASSIN_SANDBOX_WRITER,     /* writes a guest's console to a descriptor that is open */
	CASSIN_SANDBOX_MAKER,      /* makes the processes of process cells, and ends them */
	CASSIN_SANDBOX_FOREGROUND, /* the one thread of a program that runs a guest: loader and terminal */
	CASSIN_SANDBOX_SWAPPER,    /* reads and writes the swap file */
};
#define CASSIN_SANDBOX_ROLES 11u

/* The mode for programs that are not told one: on, but off where a sanitizer is built in, which needs more calls. */
enum cassin_sandbox_mode cassin_sandbox_mode_default(void);
/* "on", "log" or "off". -EINVAL: another word. */
int cassin_sandbox_mode_parse(const char *word, enum cassin_sandbox_mode *mode);

/*
 * Gives up what the calling thread, and those it makes, must never have again: other privileges by executing a file
 * (no_new_privs), and all capabilities but that of binding ports below 1024. Then compiles the filters. CASSIN_SANDBOX_OFF does
 * nothing and gives NULL. -ENOSYS, -EPERM and the like: the kernel refuses, and *err says what to do.
 */
int cassin_sandbox_create(struct cassin_sandbox **out, enum cassin_sandbox_mode mode, struct cassin_error_text *err);
void cassin_sandbox_free(struct cassin_sandbox *s); /* NULL is fine. Threads stay confined */

/* Confines the calling thread to its role, for ever. A NULL sandbox confines nothing. *err says what the kernel refused. */
int cassin_sandbox_enter(const struct cassin_sandbox *s, enum cassin_sandbox_role role, struct cassin_error_text *err);

#ifdef __cplusplus
}
#endif

#endif
