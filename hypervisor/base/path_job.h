/* SPDX-License-Identifier: MIT */
/* What a thread for files that may hang does (worker/paths.h), for rooms that do not know such threads. */
#ifndef PATH_JOB_H
#define PATH_JOB_H

struct path_job {
	struct path_job *next;
	void (*run)(struct path_job *j); /* on such a thread */
	/* There, once its line does not know it any more: the line and the job may go. */
	void (*done)(struct path_job *j);
};

#endif
