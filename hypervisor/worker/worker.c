/* SPDX-License-Identifier: MIT */
#include "worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "base/time.h"
#include "cell/vcpu.h"

#define KICK_SIGNAL (SIGRTMIN + 2)
#define LOOK_NS (SLICE_NS / 5)
#define MESSAGES_AT_ONCE 256u /* in one look at the loop */

static __thread struct worker *self;

/* The thread sanitizer holds signals back until the next call that it knows, which is too late for the KVM_RUN that they
 * are to end: there the timer goes on. */
#ifdef __SANITIZE_THREAD__
#define SLICE_AGAIN_NS 2000000
#else
#define SLICE_AGAIN_NS 0
#endif

static void slice_set(struct worker *w, uint64_t now)
{
	uint64_t ns = w->slice_end > now ? w->slice_end - now : 1; /* 0 would turn it off */
	struct itimerspec in = {.it_value = {.tv_nsec = (long)ns}, .it_interval = {.tv_nsec = SLICE_AGAIN_NS}};
	w->slice_at = w->slice_end;
	timer_settime(w->slice, 0, &in, NULL);
}

/* A timer that is set for an earlier turn is left: most turns end before their slice does, and setting it is a system call. */
void worker_slice(struct worker *w, uint64_t now)
{
	if (w->slice_end < w->slice_at)
		slice_set(w, now);
}

void worker_turn_until(struct worker *w, uint64_t until)
{
	uint64_t now = monotonic_ns();
	if (until < w->slice_end && until > now) {
		w->slice_end = until;
		worker_slice(w, now);
	}
	if (!w->watched) {
		w->watched = true;
		watcher_arm(&w->team->watcher, w);
	}
}

/* The kick: from the slice timer, or from another thread. A kick between the last check and KVM_RUN is not lost: the run
 * page then says immediate_exit. */
static void on_kick(int sig, siginfo_t *info, void *context)
{
	struct worker *w = self;
	int saved = errno;
	(void)sig;
	(void)context;
	if (!w)
		return;
	uint64_t now = monotonic_ns();
	if (info->si_code == SI_TIMER && now < w->slice_end) {
		slice_set(w, now); /* it was set for an earlier guest's turn */
	} else {
		if (info->si_code == SI_TIMER)
			w->slice_at = UINT64_MAX;
		w->kick.kicked = 1;
		struct vcpu *v = atomic_load_explicit(&w->kick.running, memory_order_relaxed);
		if (v)
			vcpu_stop(v);
	}
	errno = saved;
}

struct worker *worker_self(void)
{
	return self;
}

/* ---- Inbox ---- */

void worker_post_arrival(struct worker *w, struct worker *_Atomic *owner, struct message *m)
{
	m->next = NULL;
	pthread_mutex_lock(&w->inbox_lock);
	if (owner)
		atomic_store_explicit(owner, w, memory_order_release);
	*w->inbox_end = m;
	w->inbox_end = &m->next;
	atomic_store(&w->kick.posted, true);
	pthread_mutex_unlock(&w->inbox_lock);
	uv_async_send(&w->bell);
	if (w != self && atomic_load(&w->kick.running))
		worker_kick(w);
}

void worker_post(struct worker *w, struct message *m)
{
	worker_post_arrival(w, NULL, m);
}

void worker_kick(struct worker *w)
{
	pthread_kill(w->thread, KICK_SIGNAL);
}

/* The oldest messages. The lock is held. */
static struct message *take_some(struct worker *w)
{
	struct message *m = w->inbox, **end = &w->inbox;
	for (unsigned n = 0; *end && n < MESSAGES_AT_ONCE; n++)
		end = &(*end)->next;
	w->inbox = *end;
	*end = NULL;
	if (!w->inbox)
		w->inbox_end = &w->inbox;
	return m;
}

static void on_bell(uv_async_t *bell)
{
	struct worker *w = bell->data;
	pthread_mutex_lock(&w->inbox_lock);
	struct message *m = take_some(w);
	bool more = w->inbox;
	atomic_store_explicit(&w->kick.posted, false, memory_order_relaxed);
	pthread_mutex_unlock(&w->inbox_lock);
	if (more)
		uv_async_send(&w->bell);
	while (m) {
		struct message *next = m->next;
		m->fn(w, m);
		m = next;
	}
}

/* ---- Deadlines ---- */

static void timer_follow(struct worker *w)
{
	uint64_t next = deadlines_next(&w->deadlines);
	if (next >= w->timer_set)
		return; /* fires early at worst, and looks again then */
	struct itimerspec at = {
		.it_value = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)}};
	if (next == 0)
		at.it_value.tv_nsec = 1;
	timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
	w->timer_set = next;
}

void worker_deadline(struct worker *w, struct deadline *d, uint64_t when)
{
	deadlines_set(&w->deadlines, d, when);
	timer_follow(w);
}

static void on_clock(uv_poll_t *poll, int status, int events)
{
	struct worker *w = poll->data;
	uint64_t expirations;
	(void)status;
	(void)events;
	if (read(w->timer_fd, &expirations, sizeof expirations) < 0)
		return;
	w->timer_set = UINT64_MAX;
	deadlines_run(&w->deadlines, monotonic_ns());
	timer_follow(w);
}

/* ---- Life ---- */

#ifdef __SANITIZE_THREAD__
#define CALLS_GO_ON                                                                                                    \
	0 /* else waitpid(2), until whose return this sanitizer keeps the handler back, would never return */
#else
#define CALLS_GO_ON SA_RESTART
#endif

static int install_handler(void)
{
	struct sigaction a = {.sa_sigaction = on_kick, .sa_flags = SA_SIGINFO | CALLS_GO_ON};
	sigemptyset(&a.sa_mask);
	return sigaction(KICK_SIGNAL, &a, NULL) ? -errno : 0;
}

/* Looking at the loop is a system call. While turns are short, several of them go by between two looks; what cannot wait
 * for so long kicks or posts. */
static bool look_due(const struct worker *w)
{
	return !worker_busy(w) || kick_due(&w->kick) || w->left_at - w->looked_at >= LOOK_NS;
}

static void *worker_main(void *opaque)
{
	struct worker *w = opaque;
	self = w;
	w->tid = (pid_t)syscall(SYS_gettid);
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = KICK_SIGNAL};
	ev._sigev_un._tid = w->tid;
	struct cassin_error_text err;
	int r = timer_create(CLOCK_MONOTONIC, &ev, &w->slice) ? -errno : 0;
	bool made = !r;
	if (made)
		r = cassin_sandbox_enter(w->team->sandbox, w->team->role, &err);
	if (r && made)
		timer_delete(w->slice);
	w->opened = r;
	sem_post(&w->started);
	if (r)
		return NULL;
	while (!w->stop) {
		if (look_due(w)) {
			uv_run(&w->loop, worker_busy(w) ? UV_RUN_NOWAIT : UV_RUN_ONCE);
			w->looked_at = w->left_at;
			w->looks++;
		}
		w->team->turn(w);
	}
	timer_delete(w->slice);
	return NULL;
}

/* What the loop looks at. */
static int loop_fill(struct worker *w)
{
	w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->timer_fd < 0)
		return -errno;
	w->bell.data = w->clock.data = w;
	int r = uv_async_init(&w->loop, &w->bell, on_bell);
	if (!r)
		r = uv_poll_init(&w->loop, &w->clock, w->timer_fd);
	if (!r)
		r = uv_poll_start(&w->clock, UV_READABLE, on_clock);
	return r;
}

/* Those that there are. */
static void close_handles(struct worker *w)
{
	uv_handle_t *const handles[] = {(uv_handle_t *)&w->bell, (uv_handle_t *)&w->clock};
	for (unsigned i = 0; i < sizeof handles / sizeof *handles; i++) {
		if (uv_handle_get_type(handles[i]) != UV_UNKNOWN_HANDLE)
			uv_close(handles[i], NULL);
	}
}

static void close_up(struct worker *w)
{
	while (uv_run(&w->loop, UV_RUN_NOWAIT)) {
	}
	uv_loop_close(&w->loop);
	if (w->timer_fd >= 0)
		close(w->timer_fd);
	pthread_mutex_destroy(&w->inbox_lock);
}

static int start_thread(struct worker *w)
{
	int r = -pthread_create(&w->thread, NULL, worker_main, w);
	if (r)
		return r;
	while (sem_wait(&w->started)) {
	} /* a signal came */
	if (w->opened)
		pthread_join(w->thread, NULL);
	return w->opened;
}

static int start(struct worker *w, struct workers *team, unsigned number)
{
	w->team = team;
	w->number = number;
	w->timer_fd = -1;
	w->timer_set = w->slice_at = UINT64_MAX;
	w->inbox_end = &w->inbox;
	pthread_mutex_init(&w->inbox_lock, NULL);
	sem_init(&w->started, 0, 0);
	int r = install_handler();
	if (!r)
		r = uv_loop_init(&w->loop);
	if (r) {
		pthread_mutex_destroy(&w->inbox_lock);
		return r;
	}
	r = loop_fill(w);
	if (!r)
		r = start_thread(w);
	if (r &&
	    r != -ENOSPC) { /* no more watches of epoll: libuv would want one for the loop's own, and end the process */
		close_handles(w);
		close_up(w);
	}
	return r;
}

static void on_stop(struct worker *w, struct message *m)
{
	(void)m;
	w->stop = true;
	close_handles(w);
}

static void stop(struct worker *w)
{
	struct message last = {.fn = on_stop};
	worker_post(w, &last);
	pthread_join(w->thread, NULL);
}

/* What came behind the last message: each holds something, or follows a guest to another worker. False: nothing had. */
static bool drain(struct worker *w)
{
	pthread_mutex_lock(&w->inbox_lock);
	struct message *m = take_some(w);
	pthread_mutex_unlock(&w->inbox_lock);
	bool any = m;
	while (m) {
		struct message *next = m->next;
		m->fn(w, m);
		m = next;
	}
	return any;
}

int workers_start(struct workers *s, unsigned n, void (*tick)(void *opaque), void *opaque)
{
	s->all = calloc(n, sizeof *s->all);
	if (!s->all)
		return -ENOMEM;
	for (s->n = 0; s->n < n; s->n++) {
		int r = start(&s->all[s->n], s, s->n);
		if (r)
			return r;
	}
	return watcher_start(&s->watcher, s, tick, opaque);
}

void workers_stop(struct workers *s)
{
	watcher_stop(&s->watcher);
	for (unsigned i = 0; i < s->n; i++)
		stop(&s->all[i]);
	for (bool any = true; any;) {
		any = false;
		for (unsigned i = 0; i < s->n; i++)
			any |= drain(&s->all[i]);
	}
	for (unsigned i = 0; i < s->n; i++)
		close_up(&s->all[i]);
	free(s->all);
	s->all = NULL;
}
