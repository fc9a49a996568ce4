/* SPDX-License-Identifier: MIT */
/* The account of the host's memory as people see it: by guest, by domain, and in all. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/amount.h"
#include "cell/reach.h"
#include "engine/engine_account.h"
#include "engine/engine_private.h"
#include "guest/template.h"

#define MIB (UINT64_C(1) << 20)
#define NAMED_MOST 4u /* kinds in a line that says what the pool is full of */

#define IN_CELLS (-1)

/* What memory is used for: its name in a line for a person (NULL: never what a pool is full of), its place in the account of all, and
 * in an account of the process's own memory. */
static const struct use {
	const char *name;
	size_t at;
	int kind; /* IN_CELLS: frames, which no account has */
} uses[] = {
	{"guests' pages", offsetof(struct cassin_memory_account, frames), IN_CELLS},
	{"page tables", offsetof(struct cassin_memory_account, tables), IN_CELLS},
	{"shared pages of images", offsetof(struct cassin_memory_account, shared), IN_CELLS},
	{"page tables of the dead", offsetof(struct cassin_memory_account, quarantined), IN_CELLS},
	{NULL, offsetof(struct cassin_memory_account, cells), IN_CELLS},
	{"parked guests", offsetof(struct cassin_memory_account, parked), ACCOUNT_PARKED},
	{"templates", offsetof(struct cassin_memory_account, frozen), ACCOUNT_FROZEN},
	{"files of images", offsetof(struct cassin_memory_account, images), ACCOUNT_IMAGES},
	{"files of specs", offsetof(struct cassin_memory_account, files), ACCOUNT_FILES},
	{"operations", offsetof(struct cassin_memory_account, operations), ACCOUNT_OPERATIONS},
	{"streams", offsetof(struct cassin_memory_account, streams), ACCOUNT_STREAMS},
	{"consoles", offsetof(struct cassin_memory_account, consoles), ACCOUNT_CONSOLES},
	{"traces", offsetof(struct cassin_memory_account, traces), ACCOUNT_TRACES},
	{"crash reports", offsetof(struct cassin_memory_account, reports), ACCOUNT_REPORTS},
	{"guests' records", offsetof(struct cassin_memory_account, guests), ACCOUNT_GUESTS},
	{"guests' processes", offsetof(struct cassin_memory_account, processes), ACCOUNT_PROCESSES},
};
#define USES (sizeof uses / sizeof *uses)
_Static_assert(sizeof(struct cassin_memory_account) == (USES + 1) * sizeof(uint64_t),
	       "each use has a place, and the sum");

static uint64_t *place(struct cassin_memory_account *m, const struct use *u)
{
	return (uint64_t *)((char *)m + u->at);
}

static void add_host(struct cassin_memory_account *out, const struct account *a)
{
	for (const struct use *u = uses; u < uses + USES; u++)
		if (u->kind != IN_CELLS)
			*place(out, u) += account_bytes(a, (enum account_kind)u->kind);
}

static void add_up(struct cassin_memory_account *out)
{
	out->total = 0;
	for (const struct use *u = uses; u < uses + USES; u++)
		out->total += *place(out, u);
}

static void add_guest(struct cassin_memory_account *out, const struct guest *g)
{
	out->frames += atomic_load(&g->count.frames) * PAGE_SIZE;
	out->tables += atomic_load(&g->count.table_frames) * PAGE_SIZE;
	add_host(out, &g->account);
	const struct account *unread = atomic_load(&g->unread);
	if (unread)
		add_host(out, unread);
}

void guest_account(const struct guest *g, struct cassin_memory_account *out)
{
	*out = (struct cassin_memory_account){0};
	add_guest(out, g);
	add_up(out);
}

/* ---- Sums ---- */

/* The sums of all, or of each domain. */
struct sums {
	struct cassin_domain_account *at; /* by name; NULL: `all` is the only sum */
	size_t n;
	struct cassin_memory_account all;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct cassin_domain_account *)a)->name, ((const struct cassin_domain_account *)b)->name);
}

/* NULL: this domain has come up since the names were taken. */
static struct cassin_memory_account *sum_of(struct sums *s, const char *domain)
{
	if (!s->at)
		return &s->all;
	struct cassin_domain_account key = {.name = ""};
	strncpy(key.name, domain, CASSIN_NAME_MAX);
	struct cassin_domain_account *found = bsearch(&key, s->at, s->n, sizeof key, compare_names);
	return found ? &found->memory : NULL;
}

static void add_guests(struct cassin_engine *e, struct sums *s)
{
	struct cassin_memory_account *sum;
	pthread_mutex_lock(&e->lock);
	for (const struct guest *g = e->registry.first; g; g = g->links.list_next) {
		if ((sum = sum_of(s, g->spec.domain)))
			add_guest(sum, g);
	}
	for (const struct template *t = e->templates; t; t = t->next) {
		if ((sum = sum_of(s, t->domain)))
			add_host(sum, &t->account);
	}
	pthread_mutex_unlock(&e->lock);
}

/* `cells` is all that they have of the host, until add_up(). */
static void add_cells(struct cassin_engine *e, struct sums *s)
{
	pthread_mutex_lock(&e->cells_lock);
	for (struct cell *c = e->cells; c; c = c->next) {
		struct cassin_memory_account *sum = sum_of(s, c->domain);
		if (!sum)
			continue;
		add_host(sum, &c->account);
		sum->cells += frames_resident(&c->frames, atomic_load(&c->populated)) * PAGE_SIZE;
		sum->shared += atomic_load(&c->image_frames) * PAGE_SIZE;
		sum->quarantined += (uint64_t)frames_quarantined(&c->frames) * PAGE_SIZE;
	}
	pthread_mutex_unlock(&e->cells_lock);
}

/* What the cells have and guests have not: monitors, clock pages, and frames that wait for their next use. */
static void set_cells_rest(struct cassin_memory_account *sum)
{
	uint64_t known = sum->frames + sum->tables + sum->shared + sum->quarantined;
	sum->cells = sum->cells > known ? sum->cells - known : 0;
	add_up(sum);
}

void cassin_engine_account(struct cassin_engine *e, struct cassin_memory_account *out)
{
	struct sums s = {0};
	add_guests(e, &s);
	add_cells(e, &s);
	add_host(&s.all, &e->account);
	set_cells_rest(&s.all);
	*out = s.all;
}

/* A domain's name for each guest and template. */
static struct cassin_domain_account *names_of(struct cassin_engine *e, size_t *n)
{
	size_t most = 0;
	pthread_mutex_lock(&e->lock);
	for (const struct template *t = e->templates; t; t = t->next)
		most++;
	most += e->registry.count;
	struct cassin_domain_account *all = calloc(most + 1, sizeof *all);
	*n = 0;
	for (const struct guest *g = e->registry.first; all && g; g = g->links.list_next)
		strncpy(all[(*n)++].name, g->spec.domain, CASSIN_NAME_MAX);
	for (const struct template *t = e->templates; all && t; t = t->next)
		strncpy(all[(*n)++].name, t->domain, CASSIN_NAME_MAX);
	pthread_mutex_unlock(&e->lock);
	return all;
}

int cassin_engine_domains(struct cassin_engine *e, struct cassin_domain_account **out)
{
	size_t n;
	struct sums s = {.at = names_of(e, &n)};
	if (!s.at)
		return -ENOMEM;
	qsort(s.at, n, sizeof *s.at, compare_names);
	for (size_t i = 0; i < n; i++) {
		if (!s.n || strcmp(s.at[s.n - 1].name, s.at[i].name) != 0)
			memmove(&s.at[s.n++], &s.at[i], sizeof *s.at);
	}
	add_guests(e, &s);
	add_cells(e, &s);
	for (size_t i = 0; i < s.n; i++)
		set_cells_rest(&s.at[i].memory);
	*out = s.at;
	return (int)s.n;
}

/* ---- Promises ---- */

/* Pages of what was not promised to guests: files of images and of specs, and templates. */
static uint64_t kept(struct cassin_engine *e)
{
	uint64_t bytes = account_bytes(&e->account, ACCOUNT_IMAGES) + account_bytes(&e->account, ACCOUNT_FILES);
	pthread_mutex_lock(&e->lock);
	for (const struct template *t = e->templates; t; t = t->next)
		bytes += account_bytes(&t->account, ACCOUNT_FROZEN);
	pthread_mutex_unlock(&e->lock);
	return bytes / PAGE_SIZE + 1;
}

int engine_commit(struct cassin_engine *e, uint64_t pages, const char *who, struct cassin_error_text *err)
{
	uint64_t all = atomic_fetch_add(&e->committed, pages) + pages;
	if (!e->options.no_overcommit || all + kept(e) <= e->pool.limit)
		return 0;
	atomic_fetch_sub(&e->committed, pages);
	return cassin_error_set(
		err, -ENOMEM, "%s: no memory: it may need %s, and of the pool of %llu MiB %s are promised", who,
		amount_of(pages * PAGE_SIZE).text, (unsigned long long)(e->pool.limit * PAGE_SIZE / MIB),
		amount_of((all - pages) * PAGE_SIZE).text);
}

void engine_uncommit(struct cassin_engine *e, uint64_t pages)
{
	atomic_fetch_sub(&e->committed, pages);
}

uint64_t cell_most(const struct cassin_engine *e, uint64_t bytes)
{
	return cell_monitor_most(bytes, e->workers.n) + CELL_QUARANTINE_MOST;
}

/* ---- A full pool, in words ---- */

struct named {
	const char *name;
	uint64_t bytes;
};

static int compare_bytes(const void *a, const void *b)
{
	uint64_t x = ((const struct named *)a)->bytes, y = ((const struct named *)b)->bytes;
	return (x < y) - (x > y);
}

int engine_full(struct cassin_engine *e, const char *who, struct cassin_error_text *err)
{
	struct cassin_memory_account m;
	char text[128];
	size_t at = 0;
	cassin_engine_account(e, &m);
	struct named all[USES];
	for (size_t i = 0; i < USES; i++)
		all[i] = (struct named){uses[i].name, uses[i].name ? *place(&m, &uses[i]) : 0};
	qsort(all, USES, sizeof *all, compare_bytes);
	text[0] = '\0';
	for (size_t i = 0; i < NAMED_MOST && all[i].bytes && at < sizeof text; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %s", i ? ", " : "", all[i].name,
				       amount_of(all[i].bytes).text);
	return cassin_error_set(err, -ENOMEM, "%s: no memory: the pool of %llu MiB is exhausted: %s", who,
				(unsigned long long)(e->pool.limit * PAGE_SIZE / MIB), text);
}
