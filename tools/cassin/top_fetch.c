/* SPDX-License-Identifier: MIT */
/* The thread that takes samples beside the view. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../common/command.h"
#include "top.h"

struct top_fetch {
	uint64_t interval_ns;
	int news;
	pthread_mutex_t lock; /* for what follows */
	struct top_sample *sample;
	bool failed;
};

static void sleep_until(uint64_t when)
{
	struct timespec t = {.tv_sec = (time_t)(when / NS_PER_S), .tv_nsec = (long)(when % NS_PER_S)};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void post(struct top_fetch *f, struct top_sample *s)
{
	uint64_t one = 1;
	pthread_mutex_lock(&f->lock);
	top_sample_free(f->sample);
	f->sample = s;
	f->failed = !s;
	pthread_mutex_unlock(&f->lock);
	if (write(f->news, &one, sizeof one) < 0)
		abort(); /* an eventfd takes it */
}

static void *fetch(void *opaque)
{
	struct top_fetch *f = opaque;
	uint64_t due = now_ns() +
		       (f->interval_ns < NS_PER_S ? f->interval_ns : NS_PER_S); /* nobody waits long for rates */
	struct top_sample *s;
	do {
		sleep_until(due);
		uint64_t began = now_ns();
		s = top_sample_take();
		uint64_t ended = now_ns(), rested = ended + (ended - began);
		due = began + f->interval_ns > rested ? began + f->interval_ns : rested;
		post(f, s);
	} while (s);
	return NULL;
}

struct top_fetch *top_fetch_start(uint64_t interval_ns)
{
	struct top_fetch *f = calloc(1, sizeof *f);
	sigset_t all, before;
	pthread_t thread;
	int error = f ? 0 : ENOMEM;
	if (f) {
		f->interval_ns = interval_ns;
		f->news = eventfd(0, EFD_CLOEXEC);
		error = f->news < 0 ? errno : pthread_mutex_init(&f->lock, NULL);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the view's */
	if (!error)
		error = pthread_create(&thread, NULL, fetch, f);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error) {
		pthread_detach(thread); /* it may be waiting for the daemon when the program ends */
		return f;
	}
	command_failed("cannot start a thread: %s", strerror(error));
	free(f);
	return NULL;
}

int top_fetch_fd(const struct top_fetch *f)
{
	return f->news;
}

struct top_sample *top_fetch_next(struct top_fetch *f, bool *failed)
{
	uint64_t n;
	if (read(f->news, &n, sizeof n) < 0)
		return NULL;
	pthread_mutex_lock(&f->lock);
	struct top_sample *s = f->sample;
	f->sample = NULL;
	*failed = f->failed;
	pthread_mutex_unlock(&f->lock);
	return s;
}
