/* SPDX-License-Identifier: MIT */
#include "worker/watcher.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/time.h"
#include "worker/worker.h"

#define TICK_NS UINT64_C(1000000000)
#define EVENTS 16
#define STEPS_NEVER_S INT64_C(1000000000000) /* far in the future */

/* Waits for the wall clock to be set: timerfd_create(2), TFD_TIMER_CANCEL_ON_SET. */
static int steps_arm(int fd)
{
	struct itimerspec never = {.it_value = {.tv_sec = STEPS_NEVER_S}};
	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) ? -errno : 0;
}

static void on_step(struct watcher *w)
{
	uint64_t expirations;
	while (read(w->steps, &expirations, sizeof expirations) < 0 && errno == ECANCELED)
		steps_arm(w->steps);
	w->tick(w->opaque);
}

static void *watcher_main(void *opaque)
{
	struct watcher *w = opaque;
	struct cassin_error_text err;
	w->confined = cassin_sandbox_enter(w->workers->sandbox, CASSIN_SANDBOX_WATCHER, &err);
	sem_post(&w->ready);
	if (w->confined)
		return NULL;
	uint64_t next = monotonic_ns() + TICK_NS;
	for (;;) {
		uint64_t now = monotonic_ns();
		if (now >= next) {
			w->tick(w->opaque);
			next = monotonic_ns() + TICK_NS;
			now = monotonic_ns();
		}
		struct epoll_event ev[EVENTS];
		int n = epoll_wait(w->epoll, ev, EVENTS, (int)((next - now) / 1000000 + 1));
		for (int i = 0; i < n; i++) {
			if (!ev[i].data.ptr)
				return NULL;
			if (ev[i].data.ptr == w)
				on_step(w);
			else
				worker_kick(ev[i].data.ptr);
		}
	}
}

static int watcher_prepare(struct watcher *w)
{
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->steps = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->epoll < 0 || w->stop < 0 || w->steps < 0)
		return -errno;
	struct epoll_event step = {.events = EPOLLIN, .data.ptr = w};
	int r = steps_arm(w->steps);
	if (r || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->steps, &step))
		return r ? r : -errno;
	struct epoll_event stop = {.events = EPOLLIN};
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->stop, &stop))
		return -errno;
	for (unsigned i = 0; i < w->workers->n; i++) {
		struct worker *worker = &w->workers->all[i];
		struct epoll_event off = {.events = 0, .data.ptr = worker};
		if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, uv_backend_fd(&worker->loop), &off))
			return -errno;
	}
	return 0;
}

int watcher_start(struct watcher *w, struct workers *workers, void (*tick)(void *opaque), void *opaque)
{
	w->workers = workers;
	w->tick = tick;
	w->opaque = opaque;
	sem_init(&w->ready, 0, 0);
	int r = watcher_prepare(w);
	if (!r)
		r = -pthread_create(&w->thread, NULL, watcher_main, w);
	w->started = !r;
	if (r)
		return r;
	while (sem_wait(&w->ready) && errno == EINTR) {
	}
	return w->confined;
}

void watcher_stop(struct watcher *w)
{
	if (w->started) {
		eventfd_write(w->stop, 1);
		pthread_join(w->thread, NULL);
	}
	if (!w->workers)
		return;
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->stop >= 0)
		close(w->stop);
	if (w->steps >= 0)
		close(w->steps);
}

static void set(struct watcher *w, struct worker *worker, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = worker};
	epoll_ctl(w->epoll, EPOLL_CTL_MOD, uv_backend_fd(&worker->loop), &ev);
}

void watcher_arm(struct watcher *w, struct worker *worker)
{
	set(w, worker, EPOLLIN | EPOLLONESHOT);
}

void watcher_disarm(struct watcher *w, struct worker *worker)
{
	set(w, worker, 0);
}
