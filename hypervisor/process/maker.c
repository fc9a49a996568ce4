/* SPDX-License-Identifier: MIT */
#include "process/maker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process/birth.h"
#include "process/charge.h"
#include "process/place.h"
#include "process/refusal.h"
#include "process/stub.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u /* Linux 6.3 */
#endif

struct order {
	struct order *next;
	struct stub *doomed; /* to be ended; NULL: one is to be made, */
	int memory;
	int program; /* what it begins as */
	pid_t pid;
	int error;
	bool done;
	uint64_t spent; /* CPU time of the doomed one when it was killed, ns; 0: not known */
};

#define REAP_NS 5000000  /* between two looks at what is ending */
#define END_MAPPINGS 64u /* as many are worth a process without any, */
#define END_NS 2000u     /* and one takes this long until some have ended */
#define END_MEAN 8       /* ends of which it is the mean, about */

/* ---- On the maker's thread ---- */

static void make(struct order *o)
{
	o->pid = birth_of(o->program, o->memory);
	o->error = o->pid < 0 ? -o->pid : 0;
}

static uint64_t time_of(pid_t pid)
{
	clockid_t clock;
	struct timespec t;
	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t ns_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u;
}

/* What it has spent since it was killed was its end's. */
static void learn(struct maker *m, const struct order *o, const struct rusage *all)
{
	uint64_t spent = ns_of(&all->ru_utime) + ns_of(&all->ru_stime);
	if (!o->spent || spent <= o->spent)
		return;
	int64_t each = (int64_t)((spent - o->spent) / (o->doomed->mappings + END_MAPPINGS));
	int64_t mean = atomic_load(&m->end_ns);
	atomic_store(&m->end_ns, (unsigned)(mean + (each - mean) / END_MEAN));
}

uint64_t maker_end_ns(const struct maker *m, unsigned mappings)
{
	return (uint64_t)atomic_load(&m->end_ns) * (mappings + END_MAPPINGS);
}

/* Forgets those that are gone, in the order in which they were killed, up to the first that is not; `wait`: waits for one, and
 * says whether there was one. A process with many mappings takes a while to go. */
static bool reap(struct maker *m, bool wait)
{
	bool found = false;
	struct order *o;
	struct rusage all;
	while ((o = m->ending) && !(wait && found)) {
		pid_t r;
		do
			r = wait4(o->doomed->pid, NULL, __WALL | (wait ? 0 : WNOHANG), &all);
		while (r < 0 && errno == EINTR);
		if (!r)
			break;
		if (r > 0)
			learn(m, o, &all);
		found = true;
		m->ending = o->next;
		if (!m->ending)
			m->last = &m->ending;
		free(o->doomed);
		free(o);
	}
	return found;
}

static void end(struct maker *m, struct order *o)
{
	if (o->doomed->dead) { /* its number may be another's by now */
		free(o->doomed);
		free(o);
		return;
	}
	o->spent = time_of(o->doomed->pid);
	kill(o->doomed->pid, SIGKILL);
	o->next = NULL;
	*m->last = o;
	m->last = &o->next;
}

static void await_order(struct maker *m)
{
	struct timespec until;
	if (!m->ending) {
		pthread_cond_wait(&m->wanted, &m->lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += REAP_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&m->wanted, &m->lock, &until);
}

static struct order *next_order(struct maker *m)
{
	pthread_mutex_lock(&m->lock);
	while (!m->first && !m->stop) {
		await_order(m);
		pthread_mutex_unlock(&m->lock);
		reap(m, false);
		pthread_mutex_lock(&m->lock);
	}
	struct order *o = m->first;
	if (o && !(m->first = o->next))
		m->end = &m->first;
	pthread_mutex_unlock(&m->lock);
	return o;
}

static void *maker_main(void *opaque)
{
	struct maker *m = opaque;
	struct cassin_error_text err;
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	place_by_this_thread();
	int r = cassin_sandbox_enter(m->sandbox, CASSIN_SANDBOX_MAKER, &err);
	pthread_mutex_lock(&m->lock);
	m->confined = r ? r : 1;
	pthread_cond_broadcast(&m->done);
	pthread_mutex_unlock(&m->lock);
	struct order *o;
	while (!r && (o = next_order(m))) {
		if (o->doomed) {
			end(m, o);
			continue;
		}
		reap(m, false);
		do
			make(o);
		while (o->error == EAGAIN && reap(m, true)); /* those that are ending may be what it lacks */
		pthread_mutex_lock(&m->lock);
		o->done = true;
		pthread_cond_broadcast(&m->done);
		pthread_mutex_unlock(&m->lock);
	}
	while (reap(m, true)) {
	}
	return NULL;
}

/* ---- For all others ---- */

static void give_order(struct maker *m, struct order *o)
{
	*m->end = o;
	m->end = &o->next;
	pthread_cond_signal(&m->wanted);
}

static int order_one(struct maker *m, int memory, pid_t *out)
{
	struct order o = {.memory = memory, .program = m->program};
	pthread_mutex_lock(&m->lock);
	give_order(m, &o);
	while (!o.done)
		pthread_cond_wait(&m->done, &m->lock);
	pthread_mutex_unlock(&m->lock);
	*out = o.pid;
	return -o.error;
}

int maker_make(struct maker *m, int memory, struct account *account, bool whatever, struct stub **out)
{
	struct stub *s = calloc(1, sizeof *s);
	int r = s ? stub_charge(s, account, whatever) : -ENOMEM;
	if (!r) {
		r = order_one(m, memory, &s->pid);
		if (r)
			stub_uncharge(s);
	}
	if (r) {
		free(s);
		return r;
	}
	*out = s;
	return 0;
}

void maker_dispose(struct maker *m, struct stub *s)
{
	struct order *o = calloc(1, sizeof *o);
	stub_uncharge(s);
	if (!o)
		return; /* it goes with this process */
	o->doomed = s;
	pthread_mutex_lock(&m->lock);
	give_order(m, o);
	pthread_mutex_unlock(&m->lock);
}

static int write_program(struct maker *m, struct cassin_error_text *err)
{
	size_t size = (size_t)(stub_program_end - stub_program);
	int fd = memfd_create("cassin-guest", MFD_CLOEXEC | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("cassin-guest", MFD_CLOEXEC);
	if (fd < 0)
		return refusal_of_program(-errno, err);
	m->program = fcntl(fd, F_DUPFD_CLOEXEC, STUB_MEMORY + 1);
	close(fd);
	if (m->program < 0 || write(m->program, stub_program, size) != (ssize_t)size)
		return refusal_of_program(-errno, err);
	return 0;
}

int maker_start(struct maker *m, const struct cassin_sandbox *sandbox, struct cassin_error_text *err)
{
	*m = (struct maker){.program = -1, .sandbox = sandbox, .end_ns = END_NS, .end = &m->first, .last = &m->ending};
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->wanted, NULL);
	pthread_cond_init(&m->done, NULL);
	limits_read(&m->limits);
	int r = write_program(m, err);
	if (r)
		return r;
	r = -pthread_create(&m->thread, NULL, maker_main, m);
	if (r)
		return cassin_error_set(err, r, "cannot start a thread: %s", strerror(-r));
	m->running = true;
	pthread_mutex_lock(&m->lock);
	while (!m->confined)
		pthread_cond_wait(&m->done, &m->lock);
	pthread_mutex_unlock(&m->lock);
	return m->confined < 0 ? cassin_error_set(err, m->confined, "the kernel refuses the sandbox") : 0;
}

void maker_stop(struct maker *m)
{
	if (m->running) {
		pthread_mutex_lock(&m->lock);
		m->stop = true;
		pthread_cond_signal(&m->wanted);
		pthread_mutex_unlock(&m->lock);
		pthread_join(m->thread, NULL);
	}
	if (m->program >= 0)
		close(m->program);
}
