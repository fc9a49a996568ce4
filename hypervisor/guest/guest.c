/* SPDX-License-Identifier: MIT */
#include "guest/guest.h"
#include "guest/descriptors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/time.h"
#include "cell/vcpu.h"
#include "guest/ports.h"
#include "guest/template.h"
#include "guest/trace_records.h"
#include "image/files.h"
#include "spec/endpoint.h"
#include "spec/spec_memory.h"

#define GUEST_COST (sizeof(struct guest) + 1024) /* of host memory: regions, tables of numbers, all that is rare */

#define REPORT_MOST 16384u /* bytes of a crash report */
#define OWN_PAGES 2u       /* the info page, and a part in a clock page */

uint64_t incarnation_next(void)
{
	static atomic_uint_fast64_t last;
	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

uint64_t guest_virtual(const struct guest *g, uint64_t now)
{
	return g->virtual_ns + (g->run == RUN_ON_CPU ? now - g->dispatched_at : 0);
}

/* What it takes by being there: it does not change. */
static uint64_t cost(const struct guest *g)
{
	return GUEST_COST + spec_bytes(&g->spec) + ports_bytes(&g->spec);
}

static bool names_paths(const struct cassin_guest_spec *s)
{
	for (size_t i = 0; i < s->nports; i++)
		if (endpoint_is_path(s->ports[i].host))
			return true;
	for (size_t i = 0; i < s->nconnects; i++)
		if (endpoint_is_path(s->connects[i].target))
			return true;
	return false;
}

/* Clones and neighbours have text in common, which is there once: it goes with the template, and the domain. */
static void share_text(struct guest *g)
{
	struct cassin_guest_spec *s = &g->spec;
	if (g->template) {
		free(s->from_template);
		s->from_template = g->template->name;
	}
	if (g->account.part) {
		free(s->domain);
		s->domain = g->account.part->name;
	}
}

static void free_spec(struct guest *g)
{
	if (g->template)
		g->spec.from_template = NULL;
	if (g->account.part)
		g->spec.domain = NULL;
	cassin_spec_free(&g->spec);
}

static void name_lines(struct guest *g)
{
	const char *name = g->spec.domain ? g->spec.domain : "";
	if (g->paths)
		g->paths->name = name;
	if (g->swapping)
		g->swapping->line.name = name;
}

/* What only some specs ask for, or some engines. False: no memory. */
static bool make_rare(struct guest *g)
{
	const struct cassin_guest_spec *s = &g->spec;
	bool paths = names_paths(s), cap = s->cpu_quota_us, swap = g->host->swap;
	if (paths)
		g->paths = calloc(1, sizeof *g->paths);
	if (cap)
		g->cap = calloc(1, sizeof *g->cap);
	if (g->cap)
		*g->cap = (struct bandwidth){.quota = s->cpu_quota_us * 1000, .period = s->cpu_period_us * 1000};
	if (swap)
		g->swapping = guest_swapping_new(g);
	return (!paths || g->paths) && (!cap || g->cap) && (!swap || g->swapping);
}

static void free_rare(struct guest *g)
{
	free(g->paths);
	free(g->cap);
	free(g->swapping);
	free(g->want);
	free(atomic_load(&g->unread));
	upcall_forget(g);
	if (g->freezing) {
		template_put(g->freezing->made);
		free(g->freezing->why);
		free(g->freezing);
	}
}

static bool specify(struct guest *g, const struct cassin_guest_spec *spec, const struct template *t)
{
	struct cassin_guest_spec own = *spec;
	if (t && !own.domain)
		own.domain = t->domain; /* a clone's, unless it says otherwise */
	if (cassin_spec_copy(&g->spec, &own))
		return false;
	if (make_rare(g))
		return true;
	free_rare(g);
	cassin_spec_free(&g->spec);
	return false;
}

struct guest *guest_new(struct guest_host *host, const struct cassin_guest_spec *spec, struct image *image,
			struct template *t)
{
	struct guest *g = calloc(1, sizeof *g);
	if (g)
		g->host = host;
	if (!g || !specify(g, spec, t)) {
		free(g);
		image_put(image);
		template_put(t);
		return NULL;
	}
	g->image = image;
	atomic_init(&g->refs, 1);
	g->template = t;
	if (t) {
		g->spec.memory = t->memory;
		atomic_fetch_add(&t->clones, 1);
	}
	g->share.weight = g->spec.weight;
	account_init(&g->account, host->pool,
		     g->spec.memory + memory_numbers_most(g->spec.memory / PAGE_SIZE) + ACCOUNT_ALLOWANCE);
	g->account.part = pool_part_get(host->pool, g->spec.domain ? g->spec.domain : "");
	share_text(g);
	name_lines(g);
	account_force(&g->account, ACCOUNT_GUESTS, cost(g));
	account_force(&g->account, ACCOUNT_FILES, files_list_bytes(&g->spec));
	console_init(&g->console);
	g->console.account = &g->account;
	g->cpu.account = &g->account;
	return g;
}

int guest_ports_open(struct guest *g, struct cassin_error_text *err)
{
	unsigned n = (unsigned)g->spec.nports;
	int r = descriptors_take(g, n);
	if (r)
		return cassin_error_set(err, r,
					"%s: no descriptors for its ports: guests may have %u open in this process",
					g->spec.name, g->host->descriptors_most);
	r = ports_open(g, &g->ports, err);
	if (r)
		descriptors_give(g, n);
	return r;
}

void guest_ports_undo(struct guest *g)
{
	if (!g->ports)
		return;
	ports_free(g->ports, g->spec.nports);
	g->ports = NULL;
	descriptors_give(g, (unsigned)g->spec.nports);
}

void guest_ports_close(struct guest *g)
{
	if (!g->ports || atomic_exchange(&g->ports_closed, true))
		return;
	ports_shut(g->ports, g->spec.nports);
	descriptors_give(g, (unsigned)g->spec.nports);
}

void guest_ports_await(struct guest *g, uint64_t ns)
{
	if (g->paths)
		paths_await(g->host->paths, g->paths, ns);
}

static uint64_t bit_of(size_t port)
{
	return UINT64_C(1) << port;
}

void guest_ports_refuse(struct guest *g)
{
	for (size_t i = 0; g->ports && i < g->spec.nports; i++) {
		port_refuse(&g->ports[i]);
		atomic_fetch_or(&g->refusing, bit_of(i));
	}
}

int guest_ports_resume(struct guest *g, bool asks, struct cassin_error_text *err)
{
	int result = 0;
	for (size_t i = 0; g->ports && i < g->spec.nports; i++) {
		struct cassin_error_text why;
		int r = port_listen(&g->ports[i], asks, &why);
		if (!r) {
			atomic_fetch_and(&g->refusing, ~bit_of(i));
		} else if (r == -EINPROGRESS) {
			result = r;
		} else {
			guest_ports_refuse(g);
			return cassin_error_set(err, r, "%s: port %s: %s", g->spec.name, g->spec.ports[i].host,
						why.text);
		}
	}
	return result;
}

void guest_port_settled(struct guest *g, const struct port_path *at)
{
	struct cassin_error_text why;
	for (size_t i = 0; i < g->spec.nports && !atomic_load(&g->ports_closed); i++) {
		if (g->ports[i].at != at || port_listen(&g->ports[i], false, &why))
			continue;
		atomic_fetch_and(&g->refusing, ~bit_of(i));
		devices_port_listens(g, g->ports[i].guest);
	}
	if (g->ports_then)
		g->ports_then(g);
}

void guest_put(struct guest *g)
{
	if (atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	console_destroy(&g->console);
	if (!atomic_load(&g->ports_closed))
		guest_ports_undo(g);
	else
		ports_free(g->ports, g->spec.nports);
	image_put(g->image);
	files_put(g->files);
	account_uncharge(&g->account, ACCOUNT_FILES, files_list_bytes(&g->spec));
	account_uncharge(&g->account, ACCOUNT_GUESTS, cost(g));
	free_spec(g);
	guest_report_set(g, NULL);
	free(g->crash);
	free_rare(g);
	if (g->template)
		atomic_fetch_sub(&g->template->clones, 1);
	template_put(g->template);
	pool_part_put(g->host->pool, g->account.part);
	free(g);
}

uint64_t guest_most(const struct guest *g)
{
	uint64_t pages = g->spec.memory / PAGE_SIZE, image = 0;
	for (size_t i = 0; i < g->image->nsegments; i++)
		image += g->image->segments[i].data_pages;
	if (g->template) /* shared, and taken out of their frames */
		image += g->template->frozen->npages * 2;
	uint64_t host = g->account.limit + g->spec.memory + CONSOLE_KEPT + CONSOLE_INPUT + REPORT_MOST + cost(g) +
			g->host->run_bytes_most;
	return pages + OWN_PAGES + memory_tables_most(pages) + image + host / PAGE_SIZE + 2;
}

void guest_report_set(struct guest *g, char *report)
{
	if (g->record.report)
		account_uncharge(&g->account, ACCOUNT_REPORTS, strlen(g->record.report));
	free(g->record.report);
	g->record.report = report;
	if (report)
		account_force(&g->account, ACCOUNT_REPORTS, strlen(report));
}

void guest_print(struct guest *g, const char *bytes, size_t len)
{
	console_write(&g->console, bytes, len);
	if (g->host->console)
		g->host->console(g->host->console_opaque, g->id, bytes, len);
}
