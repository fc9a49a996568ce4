/* SPDX-License-Identifier: MIT */
#include "foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../common/command.h"
#include "gdb_port.h"
#include "output.h"
#include "run_trace.h"

#define STOP_GRACE_NS UINT64_C(2000000000)
#define INPUT_RETRY_MS 10
#define BACKGROUND_LOOK_MS 300 /* whether the terminal is ours again */

struct foreground {
	struct cassin_engine *engine;
	uint64_t id;
	int changed; /* eventfd */
	int signals; /* signalfd */
	int signal;  /* that ended it; 0: none */
	struct output *output;
	bool killed;       /* as standard output takes no more */
	unsigned restarts; /* seen so far */
	char input[4096];
	size_t input_start, input_len;
	bool input_ended, end_reported;
	struct gdb_port *gdb;    /* NULL: it is not debugged */
	struct run_trace *trace; /* NULL: it is not traced */
	struct cassin_sandbox *sandbox;
};

/* ---- Called by the engine ---- */

static void ring(struct foreground *f)
{
	uint64_t one = 1;
	if (write(f->changed, &one, sizeof one) < 0)
		return; /* the counter is full: it has been rung */
}

static void on_notify(void *opaque)
{
	ring(opaque);
}

static void on_console(void *opaque, uint64_t id, const char *bytes, size_t len)
{
	struct foreground *f = opaque;
	(void)id;
	output_write(f->output, bytes, len);
}

/* ---- Input ---- */

static void input_push(struct foreground *f)
{
	while (f->input_len) {
		long n = cassin_engine_guest_input(f->engine, f->id, f->input + f->input_start, f->input_len);
		if (n <= 0)
			return;
		f->input_start += (size_t)n;
		f->input_len -= (size_t)n;
	}
	if (f->input_ended && !f->end_reported) {
		cassin_engine_guest_input(f->engine, f->id, "", 0);
		f->end_reported = true;
	}
}

/* The terminal belongs to another job: whoever reads from it now is stopped, or told EIO where SIGTTIN is ignored. */
static bool in_background(void)
{
	pid_t owner = tcgetpgrp(STDIN_FILENO);
	return owner > 0 && owner != getpgrp();
}

static void input_read(struct foreground *f)
{
	ssize_t n = read(STDIN_FILENO, f->input, sizeof f->input);
	if (n < 0 && (errno == EINTR || errno == EAGAIN || (errno == EIO && in_background())))
		return;
	f->input_start = 0;
	f->input_len = n > 0 ? (size_t)n : 0;
	f->input_ended = n <= 0;
	input_push(f);
}

/* ---- The guest's fate ---- */

static void print_report(struct foreground *f)
{
	char *report = cassin_engine_guest_report(f->engine, f->id);
	if (report)
		fprintf(stderr, "%s%s", report, *report && report[strlen(report) - 1] == '\n' ? "" : "\n");
	free(report);
}

/* True when it is over; then *code is the exit code. */
static bool look(struct foreground *f, int *code)
{
	struct cassin_guest_status s;
	while (cassin_engine_changed_next(f->engine))
		;
	if (cassin_engine_guest_status(f->engine, f->id, &s) < 0)
		s.state = CASSIN_GUEST_KILLED;
	switch (s.state) {
	case CASSIN_GUEST_STARTING:
	case CASSIN_GUEST_RUNNING:
		if (s.restarts != f->restarts)
			f->end_reported = false; /* the new incarnation has not heard that the input has ended */
		f->restarts = s.restarts;
		return false;
	case CASSIN_GUEST_WAITING:
		if (s.exit_code == EXIT_CRASHED)
			print_report(f);
		return false;
	case CASSIN_GUEST_EXITED:
		*code = s.exit_code;
		return true;
	case CASSIN_GUEST_CRASHED:
		print_report(f);
		*code = EXIT_CRASHED;
		return true;
	case CASSIN_GUEST_KILLED:
		*code = EXIT_KILLED;
		return true;
	}
	return false;
}

/* The first signal asks, the second ends it. */
static void on_signal(struct foreground *f)
{
	struct signalfd_siginfo info;
	if (read(f->signals, &info, sizeof info) != sizeof info)
		return;
	if (f->signal) {
		cassin_engine_guest_kill(f->engine, f->id);
		return;
	}
	f->signal = (int)info.ssi_signo;
	if (isatty(STDERR_FILENO))
		fputs("\ncassin: asking the guest to end; once more kills it\n", stderr);
	cassin_engine_guest_stop(f->engine, f->id, STOP_GRACE_NS);
}

/* The sooner of two moments in ms; -1: never. */
static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int attend(struct foreground *f)
{
	int code = EXIT_FAILED;
	while (!look(f, &code)) {
		bool waiting = f->input_len || (f->input_ended && !f->end_reported), background = in_background();
		struct pollfd watched[3] = {
			{.fd = f->changed, .events = POLLIN},
			{.fd = f->signals, .events = POLLIN},
			{.fd = waiting || f->input_ended || background ? -1 : STDIN_FILENO, .events = POLLIN},
		};
		uint64_t rung;
		int patience = waiting ? INPUT_RETRY_MS : background ? BACKGROUND_LOOK_MS : -1;
		poll(watched, 3, f->trace ? sooner(patience, run_trace_look(f->trace)) : patience);
		if (watched[0].revents && read(f->changed, &rung, sizeof rung) < 0 && errno != EAGAIN)
			break;
		if (watched[1].revents)
			on_signal(f);
		if (watched[2].revents)
			input_read(f);
		if (waiting)
			input_push(f);
		if (output_error(f->output) && !f->killed) {
			f->killed = true;
			cassin_engine_guest_kill(f->engine, f->id);
		}
	}
	return f->signal ? 128 + f->signal : code;
}

/* Output that could not be written is no success; that a reader has seen enough is no news, though. */
static int report_error(int error, int code)
{
	if (error == EPIPE)
		return 128 + SIGPIPE;
	if (!error)
		return code;
	return command_output_failed(error);
}

/* Waits until an output has taken all, or a signal says that nobody wants to; after a signal, not for long. */
static bool await_output(struct foreground *f, int written, int *code)
{
	struct signalfd_siginfo info;
	struct pollfd watched[2] = {{.fd = written, .events = POLLIN}, {.fd = f->signals, .events = POLLIN}};
	poll(watched, 2, f->signal ? (int)(STOP_GRACE_NS / 1000000) : -1);
	if (watched[0].revents)
		return true;
	if (watched[1].revents && read(f->signals, &info, sizeof info) == sizeof info)
		*code = 128 + (int)info.ssi_signo;
	return false;
}

/* All that is to be written is; trace_written is the trace's descriptor. */
static int drain(struct foreground *f, int trace_written, int code)
{
	if (!await_output(f, output_end(f->output), &code) || (f->trace && !await_output(f, trace_written, &code)))
		return code;
	code = f->signal ? code : report_error(output_lost(f->output), code);
	if (f->trace && !run_trace_close(f->trace) && !f->signal)
		code = EXIT_FAILED;
	output_free(f->output);
	cassin_sandbox_free(f->sandbox);
	return code;
}

/* What ends it, but for what was ignored when it was started (nohup, or a shell's background). The signals must be blocked before
 * the engine's threads start, which inherit the mask. */
static int descriptors_open(struct foreground *f)
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
	sigset_t mask;
	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
		struct sigaction was;
		if (!sigaction(ending[i], NULL, &was) && was.sa_handler != SIG_IGN)
			sigaddset(&mask, ending[i]);
	}
	signal(SIGTTIN, SIG_IGN);
	if (pthread_sigmask(SIG_BLOCK, &mask, NULL) != 0)
		return -errno;
	f->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	f->changed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return f->signals < 0 || f->changed < 0 ? -errno : 0;
}

/* Of a guest that was spawned stopped. */
static int trace_stopped(struct foreground *f, struct cassin_error_text *err)
{
	struct cassin_trace *trace;
	int result = cassin_engine_trace_start(f->engine, f->id, &trace);
	if (result)
		return cassin_error_set(err, result, "cannot trace it: %s", strerror(-result));
	run_trace_follow(f->trace, trace);
	return 0;
}

/* Spawns it stopped, and says where its debugger may come; who then lets it run finds it traced, if it is to be. */
static int spawn_debugged(struct foreground *f, const struct cassin_guest_spec *spec,
			  const struct foreground_options *o, struct cassin_error_text *err)
{
	unsigned port = 0;
	f->gdb = gdb_port_open(o->gdb_port, &port, err);
	if (!f->gdb)
		return -EADDRINUSE;
	struct gdb_target *t = gdb_port_target(f->gdb);
	t->engine = f->engine;
	int result = cassin_engine_debug_spawn(f->engine, spec, &f->id, gdb_target_notify, t, &t->debugger, err);
	t->guest = f->id;
	if (result == 0 && o->trace)
		result = trace_stopped(f, err);
	if (result)
		return result;
	result = gdb_port_start(f->gdb, f->sandbox);
	if (result)
		return cassin_error_set(err, result, "cannot start a thread: %s", strerror(-result));
	fprintf(stderr, "cassin: %s waits for a debugger: gdb %s -ex 'target remote :%u'\n", spec->name, spec->image,
		port);
	return 0;
}

/* Spawns it, with who is to look on from its first instruction. */
static int spawn(struct foreground *f, const struct cassin_guest_spec *spec, const struct foreground_options *o,
		 struct cassin_error_text *err)
{
	struct cassin_trace *trace;
	if (o->gdb)
		return spawn_debugged(f, spec, o, err);
	if (!o->trace)
		return cassin_engine_guest_spawn(f->engine, spec, &f->id, err);
	int result = cassin_engine_trace_spawn(f->engine, spec, &f->id, &trace, err);
	if (result == 0)
		run_trace_follow(f->trace, trace);
	return result;
}

static int engine_start(struct foreground *f, const struct foreground_options *o, struct cassin_error_text *err)
{
	int result = cassin_sandbox_create(&f->sandbox, o->sandbox, err);
	if (result < 0)
		return result;
	struct cassin_engine_options options = {
		.workers = o->workers, .sandbox = f->sandbox, .notify = on_notify, .opaque = f, .console = on_console};
	setenv("UV_USE_IO_URING", "0", 1); /* whose calls no filter sees */
	result = cassin_backend_default(&options.backend, err);
	if (result == 0)
		result = cassin_engine_create(&f->engine, &options, err);
	if (result)
		return result;
	f->output = output_start(STDOUT_FILENO, "console output", f->sandbox, on_notify, f);
	if (!f->output || (f->trace && run_trace_start(f->trace, f->sandbox))) {
		cassin_engine_destroy(f->engine);
		return cassin_error_set(
			err, -errno,
			"cannot start a thread for the output: %s: see ulimit -n and -u, and vm.max_map_count",
			strerror(errno));
	}
	return result;
}

int foreground_run(const struct cassin_guest_spec *spec, const struct foreground_options *o)
{
	struct foreground f = {.id = 0};
	struct cassin_error_text err = {""};
	int result = descriptors_open(&f);
	if (result < 0)
		cassin_error_set(&err, result, "cannot watch for signals: %s", strerror(-result));
	else if (o->trace && !(f.trace = run_trace_open(o->trace_path, &err)))
		result = -EIO;
	else
		result = engine_start(&f, o, &err);
	if (result == 0) {
		result = cassin_sandbox_enter(f.sandbox, CASSIN_SANDBOX_FOREGROUND, &err);
		if (result == 0)
			result = spawn(&f, spec, o, &err);
		int code = result == 0 ? attend(&f) : EXIT_CANNOT_SPAWN;
		gdb_port_close(f.gdb);
		int trace_written = f.trace ? run_trace_end(f.trace) : -1;
		cassin_engine_destroy(f.engine);
		if (result == 0)
			return drain(&f, trace_written, code);
	}
	command_failed("%s", err.text);
	return EXIT_CANNOT_SPAWN;
}
