/* SPDX-License-Identifier: MIT */
/* What the files about processes share. */
#ifndef USER_PROCESSES_H
#define USER_PROCESSES_H

#include <cassin/process.h>

#include "archive.h"
#include "space.h"

#define NOBODY (-1) /* the parent of one whose parent has ended */

struct process {
	struct cassin_vectors vectors;
	struct cassin_user_frame frame;
	struct space space;
	int32_t pid, parent; /* parent 0: the kernel */
	uint32_t children;   /* ended ones that it has not waited for, too */
	bool ended, killed;
	struct cassin_status status;
	struct cassin_cond changed; /* a child has ended, or it has been killed */
	uint64_t calls;
	uint64_t slice_end;
	char name[CASSIN_PROCESS_NAME_MAX];
};

struct processes {
	struct cassin_mutex lock; /* of all below, and of each one's fields about its life */
	struct cassin_processes_options limits;
	struct archive archive;
	struct process *all[CASSIN_PROCESSES_MAX];
	struct cassin_cond changed; /* a child of the kernel has ended */
	int32_t last_pid;
	uint32_t children; /* the kernel's */
};
extern struct processes processes;

/* Takes the lock, which nothing holds for long. */
void processes_lock(void);
void processes_unlock(void);

/* ---- process.c ---- */

/* Starts a child of `parent` (NULL: of the kernel). `args` as in cassin_process_spawn(). */
int process_spawn(struct process *parent, const char *name, const char *args, size_t size);
/* Waits for a child of `parent`. A parent that is killed gets -CASSIN_ECANCELED. */
int process_wait(struct process *parent, int pid, struct cassin_status *out, uint64_t deadline);
/* Ends one that is a child of `parent`; NULL: any. */
int process_kill(const struct process *parent, int pid);
/* The end of the calling thread's process, whose status is set. */
void process_end(struct process *p);
/* The i-th place of the table. False: nobody is there. */
bool process_info(unsigned i, struct cassin_process_info *out);

/* ---- load.c ---- */

/* Gives a new process a space with a program, its stack and its arguments. 0, -CASSIN_ENOENT, _ENOEXEC, _EINVAL, _ENOMEM: it
 * has no space then. */
int process_load(struct process *p, const char *name, const char *args, size_t size);

/* ---- run.c ---- */

/* Lets the kernel's other threads run; then the process has a slice again. */
void process_give_way(struct process *p);
/* The process has a slice from now on. */
void process_slice(struct process *p);
/* The thread of a process, which is its argument. */
int process_run(void *arg);

/* ---- calls.c ---- */

/* Does the system call in its registers. False: it is its end, and the status is set. */
bool process_call(struct process *p);

#endif
