/* SPDX-License-Identifier: MIT */
#include "guest/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "run/debug.h"
#include "engine/engine.h"
#include "image/files.h"
#include "guest/template.h"
#include "guest/trace.h"
#include "cell/vcpu.h"
#include "base/time.h"

#define CRASH_CODE (128 + 6)
#define KILL_CODE (128 + 9)
#define BACKOFF_FIRST_NS UINT64_C(100000000)
#define BACKOFF_MOST_NS UINT64_C(10000000000)
#define STABLE_NS UINT64_C(10000000000) /* a run this long forgives the restarts before it */

uint64_t incarnation_next(void)
{
	static atomic_uint_fast64_t last;
	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

uint64_t guest_virtual(const struct guest *g, uint64_t now)
{
	return g->virtual_ns + (g->run == RUN_ON_CPU ? now - g->dispatched_at : 0);
}

struct guest *guest_new(struct engine *e, const struct guest_spec *spec, struct image *image, struct template *t)
{
	struct guest *g = calloc(1, sizeof *g);
	struct guest_spec own = *spec;
	if (t && !own.domain)
		own.domain = t->domain; /* a clone's, unless it says otherwise */
	if (!g || spec_copy(&g->spec, &own)) {
		free(g);
		image_put(image);
		template_put(t);
		return NULL;
	}
	g->engine = e;
	g->image = image;
	atomic_init(&g->refs, 1);
	g->template = t;
	if (t) {
		g->spec.memory = t->memory;
		atomic_fetch_add(&t->clones, 1);
	}
	g->share.weight = g->spec.weight;
	g->bandwidth.quota = g->spec.cpu_quota_us * 1000;
	g->bandwidth.period = g->spec.cpu_period_us * 1000;
	console_init(&g->console);
	return g;
}

void guest_put(struct guest *g)
{
	if (atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	console_destroy(&g->console);
	ports_close(g->ports, g->spec.nports);
	image_put(g->image);
	files_put(g->files);
	if (g->template)
		atomic_fetch_sub(&g->template->clones, 1);
	template_put(g->template);
	template_put(g->frozen);
	spec_free(&g->spec);
	free(g->report);
	free(g->crash);
	free(g);
}

/* ---- Beginning ---- */

/* Builds the boot record, its strings and argv in `page`, which ends at address `top`. Returns the record's address. */
static uint64_t write_boot(struct guest *g, const struct memory_layout *layout, unsigned char *page, uint64_t top)
{
	const uint64_t base = top - PAGE_SIZE;
	size_t at = PAGE_SIZE;
	uint64_t argv[CASSIN_ARGS_MAX + 2] = {0};
	const char *strings[CASSIN_ARGS_MAX + 2];
	size_t n = 0;
	strings[n++] = g->image->name;
	for (size_t i = 0; i < g->spec.nargs; i++)
		strings[n++] = g->spec.args[i];
	strings[n] = g->spec.name;
	for (size_t i = 0; i <= n; i++) {
		size_t len = i < n ? strlen(strings[i]) + 1
				   : CASSIN_NAME_MAX + 1; /* a clone's name goes to the same place */
		at -= len;
		memcpy(page + at, strings[i], strlen(strings[i]) + 1);
		argv[i] = base + at;
	}
	struct cassin_boot boot = {
		.abi_major = CASSIN_ABI_MAJOR,
		.abi_minor = CASSIN_ABI_MINOR,
		.size = sizeof boot,
		.argc = (uint32_t)n,
		.name = argv[n],
		.clock_page = layout->clock_page,
		.info_page = layout->info_page,
		.heap = layout->heap,
		.heap_size = layout->heap_size,
		.heap_page = layout->heap_page,
		.stack_low = layout->stack_low,
		.stack_high = layout->stack_high,
		.pages = g->memory.pages,
	};
	g->boot_name = argv[n];
	argv[n] = 0;
	at = (at - (n + 1) * sizeof *argv) & ~(size_t)15;
	memcpy(page + at, argv, (n + 1) * sizeof *argv);
	boot.argv = base + at;
	at = (at - sizeof boot) & ~(size_t)15;
	if (getrandom(boot.seed, sizeof boot.seed, 0) != (ssize_t)sizeof boot.seed)
		memset(boot.seed, 0, sizeof boot.seed);
	memcpy(page + at, &boot, sizeof boot);
	return base + at;
}

static int begin_memory(struct guest *g)
{
	struct memory_layout layout;
	struct cell_image *ci = cell_image_get(g->cell, g->image, g->template ? g->template->frozen : NULL);
	if (!ci)
		return -ENOMEM;
	int r = memory_init(&g->memory, g->cell, ci, g->spec.memory / PAGE_SIZE, &layout);
	if (r) {
		cell_image_put(g->cell, ci);
		return r;
	}
	if (g->template)
		return 0;
	unsigned char page[PAGE_SIZE] = {0};
	g->boot = write_boot(g, &layout, page, layout.stack_high);
	r = memory_copyout(&g->memory, gva(layout.stack_high - PAGE_SIZE), page, sizeof page);
	if (r)
		guest_abandon(g);
	return r;
}

int guest_begin(struct guest *g, struct cassin_error_text *err)
{
	int r = begin_memory(g);
	if (r == -E2BIG)
		return error_set(err, r, "%s: \"memory\": %llu KiB do not hold the image and its stack", g->spec.name,
				 (unsigned long long)g->spec.memory / 1024);
	if (r)
		return error_set(err, r, "%s: no memory: the pool of %llu MiB is exhausted", g->spec.name,
				 (unsigned long long)(g->engine->pool.limit * PAGE_SIZE >> 20));
	g->virtual_ns = 0;
	g->hog = g->stopping = false;
	g->doomed = NULL;
	g->user.space = 0;
	g->upcalls = (struct upcalls){0};
	if (g->template) {
		r = template_begin(g);
		if (r) {
			guest_abandon(g);
			return error_set(err, r, "%s: no memory for the clone", g->spec.name);
		}
	} else {
		g->regs = (struct kvm_regs){.rip = g->image->entry, .rdi = g->boot, .rsp = g->boot, .rflags = 2};
		g->fs_base = 0;
		g->ring = (struct ring){0};
	}
	g->incarnation = incarnation_next();
	atomic_store(&g->count.frames, g->memory.used);
	atomic_store(&g->count.table_frames, g->memory.tables);
	return 0;
}

void guest_abandon(struct guest *g)
{
	struct cell_image *ci = g->memory.image;
	memory_destroy(&g->memory);
	cell_image_put(g->cell, ci);
}

/* ---- The end ---- */

static void forget_on_vcpus(struct guest *g, struct worker *w)
{
	struct vcpu *v = g->cell->vcpus[w->number];
	if (v && v->unsaved == g)
		v->unsaved = NULL;
}

static void release(struct guest *g, struct worker *w)
{
	deadlines_clear(&w->deadlines, &g->wake);
	deadlines_clear(&w->deadlines, &g->throttle);
	deadlines_clear(&w->deadlines, &g->park);
	deadlines_clear(&w->deadlines, &g->upcall_timer);
	guest_unparked(g);
	deadlines_clear(&w->deadlines, &g->timer);
	g->timer_on = false;
	op_drop_all(g);
	devices_end(g);
	forget_on_vcpus(g, w);
	guest_abandon(g);
	free(g->xstate);
	g->xstate = NULL;
	g->run = RUN_NONE;
	atomic_store(&g->count.frames, 0);
	atomic_store(&g->count.table_frames, 0);
}

static bool wants_restart(struct guest *g, enum end_kind kind, int code, uint64_t ran)
{
	bool failed = kind == END_CRASH || code != 0;
	if (kind == END_KILL || g->stopping || g->spec.restart == RESTART_NO ||
	    (g->spec.restart == RESTART_ON_FAILURE && !failed))
		return false;
	if (ran >= STABLE_NS)
		g->restart_row = 0;
	return !g->spec.restart_max || g->restart_row < g->spec.restart_max;
}

static void restart_fire(struct deadline *d)
{
	struct guest *g = (struct guest *)((char *)d - offsetof(struct guest, timer));
	struct cassin_error_text err;
	g->timer_on = false;
	guest_restart_now(g, &err);
}

static bool backoff(struct guest *g, struct worker *w)
{
	uint64_t wait = BACKOFF_FIRST_NS << (g->restart_row < 8 ? g->restart_row : 8);
	if (wait > BACKOFF_MOST_NS)
		wait = BACKOFF_MOST_NS;
	g->restart_row++;
	g->timer.fire = restart_fire;
	g->timer_on = !worker_deadline(w, &g->timer, monotonic_ns() + wait);
	return g->timer_on;
}

static int exit_code(enum end_kind kind, int code)
{
	return kind == END_EXIT ? code : kind == END_CRASH ? CRASH_CODE : KILL_CODE;
}

void guest_end(struct guest *g, enum end_kind kind, int code)
{
	struct worker *w = guest_worker(g);
	struct engine *e = g->engine;
	uint64_t ran = monotonic_ns() - g->started_mono;
	char *report = g->crash;
	g->crash = NULL;
	if (g->debugger)
		debug_ended(g, kind, code);
	if (g->trace)
		trace_end(g,
			  kind == END_EXIT    ? TRACE_EXITED
			  : kind == END_CRASH ? TRACE_CRASHED
					      : TRACE_KILLED,
			  exit_code(kind, code));
	release(g, w);
	bool again = wants_restart(g, kind, code, ran) && backoff(g, w);
	if (!again)
		ports_refuse(g->ports, g->spec.nports);

	pthread_mutex_lock(&e->lock);
	g->ready = false;
	g->exit_code = exit_code(kind, code);
	g->state = again               ? GUEST_WAITING
		   : kind == END_EXIT  ? GUEST_EXITED
		   : kind == END_CRASH ? GUEST_CRASHED
				       : GUEST_KILLED;
	if (report) {
		free(g->report);
		g->report = report;
	}
	atomic_fetch_add(&e->ends, 1);
	if (kind == END_CRASH)
		atomic_fetch_add(&e->crashes, 1);
	engine_changed_locked(e, g);
	pthread_cond_broadcast(&e->ended);
	pthread_mutex_unlock(&e->lock);
}

int guest_restart_now(struct guest *g, struct cassin_error_text *err)
{
	struct engine *e = g->engine;
	console_reopen(&g->console);
	int r = ports_resume(g->ports, &g->spec, err);
	if (!r) {
		r = guest_begin(g, err);
		if (r)
			ports_refuse(g->ports, g->spec.nports);
	}
	pthread_mutex_lock(&e->lock);
	if (r) {
		g->state = GUEST_CRASHED;
		free(g->report);
		g->report = NULL;
		if (asprintf(&g->report, "the restart failed: %s\n", err->text) < 0)
			g->report = NULL;
	} else {
		g->restarts++;
		engine_started_locked(e, g);
		atomic_fetch_add(&e->restarts, 1);
	}
	engine_changed_locked(e, g);
	pthread_mutex_unlock(&e->lock);
	if (!r)
		guest_start(g);
	return r;
}

void guest_start(struct guest *g)
{
	if (g->template)
		template_resume(g);
	else
		worker_enqueue(guest_worker(g), g, SHARE_NEW);
}

void guest_freeze(struct guest *g)
{
	g->freeze_result = template_freeze(g, &g->frozen);
	g->exit_value = 0;
}

void guest_print(struct guest *g, const char *bytes, size_t len)
{
	console_write(&g->console, bytes, len);
	if (g->engine->options.console)
		g->engine->options.console(g->engine->options.opaque, g->id, bytes, len);
}
