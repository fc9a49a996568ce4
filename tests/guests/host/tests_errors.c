/* SPDX-License-Identifier: MIT */
/*
 * System calls that fail, of all threads of an engine and of those that call it, each confined to its role: what follows is made of the
 * calls of that role, too. Nothing is asked of the guests that are there meanwhile but that they go when they are told to; the engine
 * then runs others as if nothing had been, and its end leaves no descriptor.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cassin/debug.h>
#include <cassin/trace.h>

#include "callers.h"
#include "engines.h"
#include "injection.h"

static const struct kind {
	struct injected call;
	const char *backend; /* which alone makes this call; NULL: both */
	bool libuv_ends;     /* libuv ends the process if it fails just after another was done */
	bool unsanitized;    /* a sanitizer cannot do without it itself, or tells what libuv kept */
	bool libuv_keeps;    /* libuv 1.44 does not close a descriptor if it fails */
} kinds[] = {
#define KIND(name_, error_, ...)                                                                                       \
	{                                                                                                              \
		.call = {.name = #name_, .number = SYS_##name_, .error = error_}, __VA_ARGS__                          \
	}
#define KIND_WITH(what, call_, place, value_, error_, ...)                                                             \
	{                                                                                                              \
		.call = {.name = what,                                                                                 \
			 .number = SYS_##call_,                                                                        \
			 .argument = place,                                                                            \
			 .value = (uint32_t)(value_),                                                                  \
			 .error = error_},                                                                             \
		__VA_ARGS__                                                                                            \
	}
	KIND(accept4, EMFILE),
	KIND(bind, EADDRINUSE),
	KIND(clone, EAGAIN),
	KIND(close_range, ENOSYS, .backend = "process"),
	KIND(connect, EAGAIN),
	KIND(epoll_create1, EMFILE),
	KIND(eventfd2, EMFILE, .libuv_keeps = true),
	KIND(execveat, ENOMEM, .backend = "process"),
	KIND(ftruncate, ENOSPC),
	KIND(getrandom, ENOSYS),
	KIND(listen, EADDRINUSE),
	KIND(madvise, ENOMEM),
	KIND(memfd_create, ENFILE, .backend = "process"),
	KIND(mmap, ENOMEM, .unsanitized = true),
	KIND(mprotect, ENOMEM),
	KIND(munmap, ENOMEM, .unsanitized = true),
	KIND(newfstatat, EACCES),
	KIND(openat, EMFILE),
	KIND(pread64, EIO),
	KIND(pwrite64, ENOSPC),
	KIND(sched_setaffinity, EINVAL, .backend = "process"),
	KIND(seccomp, ENOMEM),
	KIND(sendmsg, ENOBUFS),
	KIND(setrlimit, EPERM, .backend = "process"),
	KIND(setsockopt, ENOMEM),
	KIND(shutdown, ENOTCONN),
	KIND(socket, EMFILE),
	KIND(timer_create, EAGAIN),
	KIND(timerfd_create, EMFILE),
	KIND(unlink, EROFS),
	KIND_WITH("duplicate", fcntl, 2, F_DUPFD_CLOEXEC, EMFILE, .backend = "process"),
	KIND_WITH("nonblocking", ioctl, 2, FIONBIO, EINVAL),
	KIND_WITH("seize", ptrace, 1, PTRACE_SEIZE, EPERM, .backend = "process"),
	KIND_WITH("watch", epoll_ctl, 2, EPOLL_CTL_ADD, ENOSPC, .libuv_ends = true, .unsanitized = true),
	KIND_WITH("kvm-vm", ioctl, 2, KVM_CREATE_VM, ENOMEM, .backend = "kvm"),
	KIND_WITH("kvm-vcpu", ioctl, 2, KVM_CREATE_VCPU, EMFILE, .backend = "kvm"),
	KIND_WITH("kvm-memory", ioctl, 2, KVM_SET_USER_MEMORY_REGION, ENOMEM, .backend = "kvm"),
	KIND_WITH("kvm-pages", ioctl, 2, KVM_SET_NR_MMU_PAGES, EINVAL, .backend = "kvm"),
	KIND_WITH("kvm-cpuid", ioctl, 2, KVM_SET_CPUID2, ENOMEM, .backend = "kvm"),
};

/* ---- What is asked of the engine ---- */

enum { SERVER, TCP, CLIENT, OUTSIDE, PARKED, MEMORY, FILES, HOG, SPACES, VECTORS, CRASHES, APART, CLONE, GUESTS };

static const struct {
	const char *name, *image, *args;
} guests[GUESTS] = {
	[SERVER] = {"server", "streams", "server 50"},
	[TCP] = {"tcp", "streams", "server 50"},
	[CLIENT] = {"client", "streams", "client server:7 65536"},
	[OUTSIDE] = {"outside", "streams", "client outside 65536"},
	[PARKED] = {"parked", "park", "keep"},
	[MEMORY] = {"memory", "memory", "zero 64"},
	[FILES] = {"files", "files", "shows"},
	[HOG] = {"hog", "hog", "spin"},
	[SPACES] = {"spaces", "user-spaces", "live 10"},
	[VECTORS] = {"vectors", "vectors", "keep 20 99"},
	[CRASHES] = {"crashes", "life", "crash"},
	[APART] = {"apart", "life", "wait"},
	[CLONE] = {"clone", NULL, NULL},
};

struct work {
	struct cassin_guest_spec mould, specs[GUESTS];
	uint64_t ids[GUESTS]; /* 0: it was refused, */
	char why[512];        /* the last one so */
	char folder[32], server[64], target[64], words[64], swap[64];
	uint16_t tcp;
	int listener; /* at the target */
	int given;    /* a connection for a guest */
};

static struct cassin_guest_port *add_port(struct cassin_guest_spec *s)
{
	s->ports = calloc(1, sizeof *s->ports);
	EXPECT(s->ports);
	s->nports = 1;
	s->ports->guest = 7;
	return s->ports;
}

static void add_target(struct cassin_guest_spec *s, const struct work *k)
{
	s->connects = calloc(1, sizeof *s->connects);
	EXPECT(s->connects);
	s->nconnects = 1;
	snprintf(s->connects->name, sizeof s->connects->name, "outside");
	snprintf(s->connects->target, sizeof s->connects->target, "unix:%s", k->target);
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	EXPECT(fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof a) && !listen(fd, 4));
	return fd;
}

static void write_words(struct cassin_guest_spec *s, const struct work *k)
{
	struct cassin_error_text err;
	char text[80];
	int fd = open(k->words, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	EXPECT(fd >= 0 && write(fd, "words", 5) == 5);
	close(fd);
	snprintf(text, sizeof text, "words=%s", k->words);
	EXPECT_IS(cassin_spec_add_file(s, text, &err), 0);
}

/* All that needs memory or files of the host, before any call fails. */
static void prepare(struct world *w, struct work *k)
{
	*k = (struct work){.folder = "/tmp/guest-tests-XXXXXX", .tcp = tcp_free_port()};
	EXPECT(mkdtemp(k->folder));
	snprintf(k->server, sizeof k->server, "%s/server", k->folder);
	snprintf(k->target, sizeof k->target, "%s/target", k->folder);
	snprintf(k->words, sizeof k->words, "%s/words", k->folder);
	snprintf(k->swap, sizeof k->swap, "%s/swap", k->folder);
	k->listener = listen_at(k->target);
	k->mould = spec_of(w, "mould", "life", "ready");
	for (unsigned i = 0; i < GUESTS; i++)
		k->specs[i] = spec_of(w, guests[i].name, guests[i].image ? guests[i].image : "none", guests[i].args);
	snprintf(add_port(&k->specs[SERVER])->host, CASSIN_ENDPOINT_MAX, "unix:%s", k->server);
	snprintf(add_port(&k->specs[TCP])->host, CASSIN_ENDPOINT_MAX, "tcp:127.0.0.1:%u", k->tcp);
	add_target(&k->specs[OUTSIDE], k);
	write_words(&k->specs[FILES], k);
	k->specs[APART].isolation = CASSIN_ISOLATION_VM;
	k->specs[CRASHES].restart = CASSIN_RESTART_ALWAYS;
	struct cassin_guest_spec *clone = &k->specs[CLONE];
	free(clone->image);
	clone->image = NULL;
	clone->from_template = strdup("mould");
	EXPECT(clone->from_template);
}

static void clean_up(struct work *k)
{
	const char *const paths[] = {k->server, k->target, k->words, k->swap};
	cassin_spec_free(&k->mould);
	for (unsigned i = 0; i < GUESTS; i++)
		cassin_spec_free(&k->specs[i]);
	close(k->listener);
	for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++)
		unlink(paths[i]);
	EXPECT_IS(rmdir(k->folder), 0);
}

static void load(struct world *w, void *opaque)
{
	struct work *k = opaque;
	struct cassin_error_text err;
	cassin_engine_template_create(w->e, &k->mould, 2000 * MS, NULL, &err);
	for (unsigned i = 0; i < GUESTS; i++) {
		if (cassin_engine_guest_spawn(w->e, &k->specs[i], &k->ids[i], &err))
			snprintf(k->why, sizeof k->why, "%s", err.text), k->ids[i] = 0;
	}
}

static void look(struct world *w, void *opaque)
{
	struct work *k = opaque;
	struct cassin_engine_stats stats;
	struct cassin_guest_status status;
	struct cassin_memory_account account;
	struct cassin_domain_account *domains;
	char text[64];
	cassin_engine_stats(w->e, &stats);
	cassin_engine_account(w->e, &account);
	if (cassin_engine_domains(w->e, &domains) >= 0)
		free(domains);
	for (unsigned i = 0; i < GUESTS; i++) {
		uint64_t offset = 0, lost;
		cassin_engine_guest_status(w->e, k->ids[i], &status);
		cassin_engine_guest_log(w->e, k->ids[i], &offset, text, sizeof text, &lost);
		free(cassin_engine_guest_report(w->e, k->ids[i]));
	}
	cassin_engine_guest_input(w->e, k->ids[PARKED], "x\n", 2);
}

static void rung(void *opaque)
{
	(void)opaque;
}

static void debug(struct world *w, void *opaque)
{
	struct work *k = opaque;
	struct cassin_debugger *d;
	struct cassin_debug_event event;
	struct cassin_debug_registers r;
	if (cassin_engine_debug_attach(w->e, k->ids[VECTORS], rung, NULL, &d))
		return;
	for (unsigned i = 0; i < 200 && !cassin_engine_debug_event(d, &event); i++)
		sleep_ms(1);
	if (!cassin_engine_debug_registers(d, &r)) {
		cassin_engine_debug_breakpoint(d, r.rip, true);
		cassin_engine_debug_set_registers(d, &r);
	}
	cassin_engine_debug_resume(d, true);
	cassin_engine_debug_detach(d);
}

static void control(struct world *w, void *opaque)
{
	struct work *k = opaque;
	struct cassin_trace *trace;
	struct cassin_error_text err;
	for (int i = 0; cassin_engine_guest_park(w->e, k->ids[PARKED]) == -EBUSY && i < 100; i++)
		sleep_ms(2);
	if (!cassin_engine_trace_start(w->e, k->ids[SPACES], &trace))
		cassin_engine_trace_stop(trace);
	cassin_engine_guest_connect(w->e, k->ids[SERVER], 7, k->given); /* which takes it over */
	cassin_engine_guest_stop(w->e, k->ids[APART], 50 * MS);
	cassin_engine_guest_restart(w->e, k->ids[MEMORY], &err);
	cassin_engine_guest_kill(w->e, k->ids[HOG]);
	cassin_engine_guest_restart(w->e, k->ids[SERVER], &err);
	cassin_engine_guest_remove(w->e, k->ids[CRASHES]);
}

/* A client of the host, whatever becomes of it. */
static void say(int fd)
{
	const struct timeval most = {.tv_usec = 100000};
	char byte;
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
	if (send(fd, "hello", 5, MSG_NOSIGNAL) == 5 && !shutdown(fd, SHUT_WR))
		recv(fd, &byte, 1, 0);
	close(fd);
}

static void work(struct world *w, struct work *k)
{
	int ends[2];
	call_as(w, CASSIN_SANDBOX_LOADER, load, k);
	say(unix_connect(k->server));
	say(tcp_connect(k->tcp));
	call_as(w, CASSIN_SANDBOX_LOOP, look, k);
	call_as(w, CASSIN_SANDBOX_DEBUGGER, debug, k);
	EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	k->given = ends[1];
	call_as(w, CASSIN_SANDBOX_CONTROL, control, k);
	close(ends[0]);
	for (int fd; (fd = accept(k->listener, NULL, NULL)) >= 0;)
		close(fd);
	say(unix_connect(k->server));
	call_as(w, CASSIN_SANDBOX_LOOP, look, k);
}

/* ---- Failures ---- */

static struct injection injection;
static const struct kind *kind;
static unsigned asked;

struct pattern {
	unsigned first, every;
};

static void ask(void *opaque)
{
	const struct pattern *p = opaque;
	int r = injection_begin(&injection, &kind->call);
	if (r)
		fail("cannot have a listener for system calls: %s", strerror(-r));
	injection_set(&injection, p->first, p->every);
}

static void ready(void *opaque, const struct cassin_sandbox *sandbox, int r)
{
	(void)opaque;
	injection_set(&injection, 0, 0);
	if (!r)
		callers_start(sandbox);
}

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;
	EXPECT(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static struct cassin_engine_options options_of(const struct work *k)
{
	struct cassin_engine_options o = {
		.workers = 2, .pool_bytes = POOL_DEFAULT, .swap_path = k->swap, .swap_bytes = UINT64_C(64) << 20};
	struct cassin_error_text err;
	EXPECT_IS(cassin_backend_default(&o.backend, &err), 0);
	return o;
}

/* The engine runs a guest, and then nothing is left of any. */
static void runs(struct world *w)
{
	expect_exit(w, spawn(w, "after", "hello", NULL), 0, 0);
	cassin_engine_template_remove(w->e, "mould");
	expect_balance(w);
}

static void end(struct world *w, bool called, unsigned before)
{
	asked += atomic_load(&injection.asked);
	if (called)
		callers_end();
	engine_end(w);
	injection_end(&injection);
	unsigned after = descriptors(), kept = kind->libuv_keeps && !called ? 1 : 0;
	if (after != before && after != before + kept && !(kind->libuv_ends && !called))
		fail("%u descriptors, not %u, after an engine's end", after, before);
}

/* Of the calls that make an engine the first'th fails, and every every'th after that. Whether one has failed. */
static bool fails_while_made(struct world *w, const struct work *k, unsigned first, unsigned every)
{
	const struct pattern p = {first, every};
	const struct making m = {ask, ready, (void *)&p};
	unsigned before = descriptors();
	struct cassin_error_text err = {""};
	int r = engine_make_by(w, options_of(k), &m, &err);
	bool failed = atomic_load(&injection.failed);
	if (r && !failed)
		fail("no engine, although no call failed: %s", err.text);
	if (r && !err.text[0])
		fail("no engine, and no word why: %s", strerror(-r));
	if (!r) {
		w->cell_frames = 0; /* to be learnt from this one */
		runs(w);
	}
	end(w, !r, before);
	return failed;
}

/* Every one fails while there is work, or some of them. */
static void while_working(struct world *w, struct work *k, unsigned first, unsigned every)
{
	const struct making m = {ask, ready, &(struct pattern){0}};
	unsigned before = descriptors();
	struct cassin_error_text err;
	EXPECT_IS(engine_make_by(w, options_of(k), &m, &err), 0);
	w->cell_frames = 0;
	runs(w);
	injection_set(&injection, first, every);
	work(w, k);
	injection_set(&injection, 0, 0);
	runs(w);
	end(w, true, before);
}

/* All of it is asked, and can be had. */
static void none_fails(struct world *w, const struct test *t)
{
	struct work k;
	(void)t;
	kind = kinds;
	engine_end(w);
	prepare(w, &k);
	while_working(w, &k, 0, 0);
	for (unsigned i = 0; i < GUESTS; i++)
		if (!k.ids[i])
			fail("%s was refused: %s", guests[i].name, k.why);
	clean_up(&k);
}

/* One after the other of those that make an engine, of many some; and all; then those of its work. */
static void fails(struct world *w, const struct test *t)
{
	struct work k;
	for (kind = kinds; strcmp(kind->call.name, t->args); kind++) {
	}
	if (kind->backend && strcmp(kind->backend, cassin_engine_backend(w->e)) != 0) {
		printf("# a call of the backend %s alone\n", kind->backend);
		return;
	}
	if (kind->unsanitized && cassin_sandbox_mode_default() == CASSIN_SANDBOX_OFF) {
		printf("# only without a sanitizer\n");
		return;
	}
	engine_end(w);
	prepare(w, &k);
	for (unsigned first = 1; !kind->libuv_ends && fails_while_made(w, &k, first, 0); first += 1 + first / 4) {
	}
	fails_while_made(w, &k, 1, 1);
	while_working(w, &k, 1, 1);
	if (!kind->libuv_ends)
		while_working(w, &k, 2, 3);
	clean_up(&k);
	if (!asked && cassin_sandbox_mode_default() == CASSIN_SANDBOX_OFF)
		puts("# not asked without a sandbox");
	else
		EXPECT(asked);
}

#define FAILS_IF(what, anywhere)                                                                                       \
	{                                                                                                              \
		.name = "errors." what, .run = fails, .args = what, .heavy = anywhere                                  \
	}
#define FAILS(what) FAILS_IF(what, true) /* whatever runs guest code */
#define FAILS_OF_KVM(what) FAILS_IF(what, false)

const struct test tests_errors[] = {
	{.name = "errors.none", .run = none_fails},
	FAILS("accept4"),
	FAILS("bind"),
	FAILS("clone"),
	FAILS("close_range"),
	FAILS("connect"),
	FAILS("epoll_create1"),
	FAILS("eventfd2"),
	FAILS("execveat"),
	FAILS("ftruncate"),
	FAILS("getrandom"),
	FAILS("listen"),
	FAILS("madvise"),
	FAILS("memfd_create"),
	FAILS("mmap"),
	FAILS("mprotect"),
	FAILS("munmap"),
	FAILS("newfstatat"),
	FAILS("openat"),
	FAILS("pread64"),
	FAILS("pwrite64"),
	FAILS("sched_setaffinity"),
	FAILS("seccomp"),
	FAILS("sendmsg"),
	FAILS("setrlimit"),
	FAILS("setsockopt"),
	FAILS("shutdown"),
	FAILS("socket"),
	FAILS("timer_create"),
	FAILS("timerfd_create"),
	FAILS("unlink"),
	FAILS("duplicate"),
	FAILS("nonblocking"),
	FAILS("seize"),
	FAILS("watch"),
	FAILS_OF_KVM("kvm-vm"),
	FAILS_OF_KVM("kvm-vcpu"),
	FAILS_OF_KVM("kvm-memory"),
	FAILS_OF_KVM("kvm-pages"),
	FAILS_OF_KVM("kvm-cpuid"),
	{0},
};
