// SPDX-License-Identifier: MIT
/* cassind: starts what the daemon consists of, runs the loop, and ends it all in order. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "connection.h"
#include "debug.h"
#include "gateway.h"
#include "kept.h"
#include "listen.h"
#include "log.h"
#include "options.h"
#include "state.h"
#include "waiting.h"

#define EXIT_CANNOT_START 3

static int cannot_start(const struct cassin_error_text *err)
{
	fprintf(stderr, "cassind: %s\n", err->text);
	return EXIT_CANNOT_START;
}

/* ---- Changes of guests ---- */

static void on_notify(void *opaque)
{
	struct daemon *d = opaque;
	uv_async_send(&d->changed);
}

static void on_changed(uv_async_t *async)
{
	struct daemon *d = async->data;
	uint64_t id;
	while ((id = engine_changed_next(d->engine))) {
		struct guest_status s;
		bool gone = engine_guest_status(d->engine, id, &s) < 0;
		if (gone || (s.state != GUEST_STARTING && s.state != GUEST_RUNNING))
			waiting_changed(d);
		if (gone)
			continue;
		if (s.state == GUEST_CRASHED)
			log_warn("guest %s crashed", s.name);
		else if (s.state == GUEST_WAITING && s.exit_code)
			log_warn("guest %s failed with %d: restart %u follows", s.name, s.exit_code, s.restarts + 1);
	}
}

/* ---- The end ---- */

static void stop(struct daemon *d, const char *why)
{
	if (atomic_exchange(&d->stopping, true))
		return;
	log_info("%s: ending all guests", why);
	uv_close((uv_handle_t *)&d->api, NULL);
	uv_close((uv_handle_t *)&d->terminate, NULL);
	uv_close((uv_handle_t *)&d->interrupt, NULL);
	gateway_stop(d);
	while (d->connections)
		connection_close(d->connections);
	waiting_stop(d);
	uv_close((uv_handle_t *)&d->follow, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
	stop(handle->data, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

/* ---- The start ---- */

static void on_connection(uv_stream_t *listener, int status)
{
	if (status == 0)
		connection_accept(listener->data);
}

static void raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* A signal that comes before the loop attends to it must wait, or it would leave the sockets behind. */
static void hold_signals(int how)
{
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(how, &ends, NULL);
}

/* Everything on the loop; the descriptors of *l become the loop's. */
static int loop_start(struct daemon *d, struct listeners *l)
{
	uv_pipe_init(&d->loop, &d->api, 0);
	uv_timer_init(&d->loop, &d->follow);
	waiting_init(d);
	uv_signal_init(&d->loop, &d->terminate);
	uv_signal_init(&d->loop, &d->interrupt);
	d->api.data = d->terminate.data = d->interrupt.data = d;
	int result = uv_pipe_open(&d->api, l->api);
	if (result == 0)
		result = uv_listen((uv_stream_t *)&d->api, SOMAXCONN, on_connection);
	if (result == 0)
		result = gateway_start(d, l->gateway);
	if (result == 0)
		result = uv_signal_start(&d->terminate, on_signal, SIGTERM);
	if (result == 0)
		result = uv_signal_start(&d->interrupt, on_signal, SIGINT);
	hold_signals(SIG_UNBLOCK);
	return result;
}

static void tell_ready(const struct options *o, const struct listeners *l)
{
	log_info("cassind %s listens on %s", CASSIN_VERSION, l->path.api);
	if (o->ready_fd >= 0) {
		if (write(o->ready_fd, "\n", 1) != 1)
			log_warn("cannot write to descriptor %d: %s", o->ready_fd, strerror(errno));
		close(o->ready_fd);
	}
}

static int serve(struct daemon *d, const struct options *o, struct listeners *l)
{
	struct cassin_error_text err = {""};
	struct engine_options options = {.workers = o->workers,
					 .pool_bytes = o->pool_bytes,
					 .park_after_ns = o->park_s * UINT64_C(1000000000),
					 .swap_path = o->swap,
					 .swap_bytes = o->swap_bytes,
					 .notify = on_notify,
					 .opaque = d};
	uv_loop_init(&d->loop);
	uv_async_init(&d->loop, &d->changed, on_changed);
	uv_unref((uv_handle_t *)&d->changed);
	d->changed.data = d;
	d->debug_quit = eventfd(0, EFD_CLOEXEC);
	int result = engine_create(&d->engine, &options, &err);
	if (result < 0)
		return cannot_start(&err);
	if (d->state)
		kept_start(d);
	result = loop_start(d, l);
	if (result < 0) {
		error_set(&err, result, "cannot start the event loop: %s", uv_strerror(result));
		return cannot_start(&err);
	}
	tell_ready(o, l);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	debug_sessions_end(d);
	engine_destroy(d->engine);
	uv_close((uv_handle_t *)&d->changed, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
	free(d->gateway);
	log_info("ended");
	return 0;
}

int main(int argc, char **argv)
{
	static struct daemon d;
	struct cassin_error_text err = {""};
	struct options options;
	struct listeners listeners;
	options_parse(&options, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	hold_signals(SIG_BLOCK);
	setenv("UV_THREADPOOL_SIZE", "16", 1);
	raise_descriptors();
	int result = socket_path_resolve(options.socket, &listeners.path, &err);
	if (result < 0) {
		fprintf(stderr, "cassind: %s\n", err.text);
		return 2;
	}
	pthread_mutex_init(&d.keeping, NULL);
	pthread_mutex_init(&d.admission, NULL);
	d.max_guests = options.max_guests;
	if (options.state && state_open(&d.state, options.state, &err) < 0)
		return cannot_start(&err);
	if (listeners_open(&listeners, &err) < 0)
		return cannot_start(&err);
	result = serve(&d, &options, &listeners);
	listeners_close(&listeners);
	state_close(d.state);
	return result;
}
