/* SPDX-License-Identifier: MIT */
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

#include "../common/descriptors.h"
#include "connection.h"
#include "debug.h"
#include "gateway.h"
#include "kept.h"
#include "listen.h"
#include "log.h"
#include "options.h"
#include "pool.h"
#include "state.h"
#include "waiting.h"

#define EXIT_CANNOT_START 3
#define STOP_PATIENCE_MS 10000 /* for requests that are under way, */
#define LEAVE_PATIENCE_MS 5000 /* and then for guests to go */
#define OOM_WEIGHT "200"

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
	while ((id = cassin_engine_changed_next(d->engine))) {
		struct cassin_guest_status s;
		bool gone = cassin_engine_guest_status(d->engine, id, &s) < 0;
		if (gone || (s.state != CASSIN_GUEST_STARTING && s.state != CASSIN_GUEST_RUNNING))
			waiting_changed(d);
		if (gone)
			continue;
		if (s.state == CASSIN_GUEST_CRASHED)
			log_warn("guest %s crashed", s.name);
		else if (s.state == CASSIN_GUEST_WAITING && s.exit_code)
			log_warn("guest %s failed with %d: restart %u follows", s.name, s.exit_code, s.restarts + 1);
	}
}

/* ---- The end ---- */

/* The last resort: what hangs keeps a thread, and the process goes away under it. */
static _Noreturn void leave(struct daemon *d)
{
	listeners_close(d->listeners);
	if (d->swap)
		cassin_own_file_remove(&d->swap_file, d->swap);
	log_info("ended");
	_exit(0);
}

static void on_leave(uv_timer_t *timer)
{
	leave(timer->data);
}

/* So that no socket of a port is left behind. */
static void remove_guests(struct job *j)
{
	struct daemon *d = j->data;
	uint64_t *ids = NULL;
	int n = cassin_engine_guest_list(d->engine, &ids);
	for (int i = 0; i < n; i++)
		cassin_engine_guest_remove(d->engine, ids[i]);
	free(ids);
}

static void guests_removed(struct job *j)
{
	leave(j->data);
}

/* Calls of the pool are still under way: they hang in a file system, and may do so for ever. */
static void on_patience_over(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	log_warn("%u requests hang: ending without them", pool_pending(d->pool));
	d->leaving.data = d;
	pool_add(d->pool, LANE_CONTROL, &d->leaving, remove_guests, guests_removed);
	uv_timer_start(&d->patience, on_leave, LEAVE_PATIENCE_MS, 0);
}

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
	kept_stop(d);
	uv_close((uv_handle_t *)&d->follow, NULL);
	uv_timer_start(&d->patience, on_patience_over, STOP_PATIENCE_MS, 0);
	uv_unref((uv_handle_t *)&d->patience);
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

/* When the host runs out of memory its kernel ends the process that has most, weighted by this. A daemon with many guests is
 * that process anyway; with few it is to go before a service of the host that is no larger by so many thousandths of the memory, for
 * guests are what is made to be started again. A weight that somebody has chosen stays. */
static void oom_before_services(void)
{
	char weight[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, weight, sizeof weight - 1) > 0 && !strcmp(weight, "0\n") &&
	    pwrite(fd, OOM_WEIGHT, strlen(OOM_WEIGHT), 0) < 0)
		log_warn("cannot set /proc/self/oom_score_adj: %s", strerror(errno));
	close(fd);
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
	uv_timer_init(&d->loop, &d->patience);
	waiting_init(d);
	uv_signal_init(&d->loop, &d->terminate);
	uv_signal_init(&d->loop, &d->interrupt);
	d->api.data = d->terminate.data = d->interrupt.data = d->patience.data = d;
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

static void tell_ready(struct daemon *d)
{
	if (d->ready_fd < 0)
		return;
	if (write(d->ready_fd, "\n", 1) != 1)
		log_warn("cannot write to descriptor %d: %s", d->ready_fd, strerror(errno));
	close(d->ready_fd);
	d->ready_fd = -1;
}

/* The engine, the pool and the loop: all threads but those of debuggers, each confined before the first guest runs. */
static int start(struct daemon *d, const struct options *o, struct listeners *l, struct cassin_error_text *err)
{
	struct cassin_engine_options options = {.backend = o->backend,
						.workers = o->workers,
						.pool_bytes = o->pool_bytes,
						.no_overcommit = o->no_overcommit,
						.memory_wait_ns = o->memory_wait_s * UINT64_C(1000000000) +
								  1, /* not 0 */
						.park_after_ns = o->park_s * UINT64_C(1000000000),
						.swap_path = o->swap,
						.swap_bytes = o->swap_bytes,
						.sandbox = d->sandbox,
						.notify = on_notify,
						.opaque = d};
	uv_loop_init(&d->loop);
	uv_async_init(&d->loop, &d->changed, on_changed);
	uv_unref((uv_handle_t *)&d->changed);
	d->changed.data = d;
	d->debug_quit = eventfd(0, EFD_CLOEXEC);
	int result = cassin_engine_create(&d->engine, &options, err);
	if (result == 0 && d->swap)
		cassin_own_file_note_path(&d->swap_file, d->swap); /* for the end, if that is a last resort */
	if (result == 0)
		result = pool_start(&d->pool, &d->loop, d->sandbox, err);
	if (result < 0)
		return result;
	result = loop_start(d, l);
	if (result < 0)
		return cassin_error_set(err, result, "cannot start the event loop: %s", uv_strerror(result));
	return cassin_sandbox_enter(d->sandbox, CASSIN_SANDBOX_LOOP, err);
}

/* When the loop has run out of things to wait for: guests, threads, handles. */
static void end(struct daemon *d)
{
	debug_sessions_end(d);
	pool_stop(d->pool);
	cassin_engine_destroy(d->engine);
	uv_close((uv_handle_t *)&d->changed, NULL);
	uv_close((uv_handle_t *)&d->patience, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
	kept_free(d);
	pool_free(d->pool);
	free(d->gateway);
	log_info("ended");
}

static void tell_backend(const struct daemon *d)
{
	const char *why = cassin_engine_not_kvm(d->engine);
	log_info("backend: %s%s%s", cassin_engine_backend(d->engine), *why ? ", as KVM cannot be had: " : "", why);
}

/* What a start that succeeds has to say of the rights that are left. */
static void tell_rights(const struct daemon *d, const struct options *o)
{
	bool kvm = !strcmp(cassin_engine_backend(d->engine), "kvm");
	if (geteuid() == 0)
		log_warn("runs as root: a user of its own%s is enough", kvm ? " that may open /dev/kvm" : "");
	if (o->sandbox == CASSIN_SANDBOX_OFF)
		log_warn("runs without a sandbox");
	else if (o->sandbox == CASSIN_SANDBOX_LOG)
		log_warn("the sandbox only logs");
}

static int serve(struct daemon *d, const struct options *o, struct listeners *l)
{
	struct cassin_error_text err = {""};
	if (start(d, o, l, &err) < 0)
		return cannot_start(&err);
	log_info("cassind %s listens on %s", CASSIN_VERSION, l->path.api);
	tell_backend(d);
	tell_rights(d, o);
	if (d->state)
		kept_start(d, tell_ready);
	else
		tell_ready(d);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	end(d);
	return 0;
}

int main(int argc, char **argv)
{
	static struct daemon d;
	static struct listeners listeners;
	struct cassin_error_text err = {""};
	struct options options;
	options_parse(&options, argc, argv);
	descriptors_standard();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* RLIMIT_FSIZE: an error, as a full disk is */
	hold_signals(SIG_BLOCK);
	raise_descriptors();
	int result = socket_path_resolve(options.socket, &listeners.path, &err);
	if (result < 0) {
		fprintf(stderr, "cassind: %s\n", err.text);
		return 2;
	}
	pthread_mutex_init(&d.keeping.lock, NULL);
	pthread_cond_init(&d.keeping.left, NULL);
	pthread_mutex_init(&d.admission, NULL);
	pthread_cond_init(&d.spawned, NULL);
	d.max_guests = options.max_guests;
	d.ready_fd = options.ready_fd;
	d.swap = options.swap;
	d.listeners = &listeners;
	setenv("UV_USE_IO_URING", "0", 1); /* whose calls no filter sees */
	if (cassin_sandbox_create(&d.sandbox, options.sandbox, &err) < 0)
		return cannot_start(&err);
	if (options.state && state_open(&d.state, options.state, &err) < 0)
		return cannot_start(&err);
	if (listeners_open(&listeners, &err) < 0)
		return cannot_start(&err);
	oom_before_services();
	result = serve(&d, &options, &listeners);
	listeners_close(&listeners);
	state_close(d.state);
	cassin_sandbox_free(d.sandbox);
	return result;
}
