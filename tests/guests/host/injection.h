/* SPDX-License-Identifier: MIT */
/* System calls that fail. A thread that asks waits before each call of one kind, until it is answered that the call is to be done, or by
 * which error it is to fail. A call that the thread's role does not have ends the process whatever is answered. */
#ifndef INJECTION_H
#define INJECTION_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A kind of call: by its number, and the low 32 bits of one argument unless that does not matter. */
struct injected {
	const char *name;
	int number;
	int argument; /* which one matters: its place, from 1 on; 0: none */
	uint32_t value;
	int error; /* errno of its failures */
};

struct injection {
	const struct injected *kind;
	int listener;
	sem_t listening;
	pthread_t answering;
	_Atomic unsigned first, every;  /* of those asked, which fail: see below */
	_Atomic unsigned number;        /* of the last one, counted since that was set */
	_Atomic unsigned asked, failed; /* in all */
	_Atomic bool over;
};

/* From here on the calling thread, and those that it makes, ask before such calls. It has given up its privileges. 0, -errno. */
int injection_begin(struct injection *in, const struct injected *kind);
/* Of the calls from now on, the first'th fails (1: the next one), and every every'th after it; every 0: that one only, first 0: none. */
void injection_set(struct injection *in, unsigned first, unsigned every);
/* When no thread that asks is left. */
void injection_end(struct injection *in);

#endif
