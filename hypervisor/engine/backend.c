/* SPDX-License-Identifier: MIT */
/* Which backend an engine has: the choice, its names, and a look at what this host can do. */
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/kvm.h"
#include "process/process.h"

static const char *const names[] = {
	[CASSIN_BACKEND_AUTO] = "auto", [CASSIN_BACKEND_KVM] = "kvm", [CASSIN_BACKEND_PROCESS] = "process"};

const char *cassin_backend_name(enum cassin_backend b)
{
	return (unsigned)b < sizeof names / sizeof *names ? names[b] : "unknown";
}

int cassin_backend_parse(const char *word, enum cassin_backend *out)
{
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		if (!strcmp(word, names[i])) {
			*out = (enum cassin_backend)i;
			return 0;
		}
	}
	return -EINVAL;
}

int cassin_backend_default(enum cassin_backend *out, struct cassin_error_text *err)
{
	const char *word = getenv("CASSIN_BACKEND");
	*out = CASSIN_BACKEND_AUTO;
	if (!word || !*word || !cassin_backend_parse(word, out))
		return 0;
	return cassin_error_set(err, -EINVAL, "CASSIN_BACKEND=%s: must be auto, kvm or process", word);
}

/* KVM where it opens, else processes, unless one is asked for. What KVM lacks is kept, and told if neither can be had. */
int engine_open_backend(struct cassin_engine *e, struct cassin_error_text *err)
{
	unsigned done;
	enum cassin_backend wanted = e->options.backend;
	if (wanted == CASSIN_BACKEND_KVM)
		return kvm_open(&e->backend, &done, err);
	if (wanted == CASSIN_BACKEND_PROCESS)
		return process_open(&e->backend, e->options.sandbox, &done, err);
	int r = kvm_open(&e->backend, &done, &e->not_kvm);
	if (!r)
		return 0;
	struct cassin_error_text other = {""};
	if (!process_open(&e->backend, e->options.sandbox, &done, &other))
		return 0;
	return cassin_error_set(err, r, "neither KVM nor process cells can be had: %s; %s", e->not_kvm.text,
				other.text);
}

const char *cassin_engine_backend(const struct cassin_engine *e)
{
	return e->backend->ops->name;
}

const char *cassin_engine_not_kvm(const struct cassin_engine *e)
{
	return e->not_kvm.text;
}

static void copy_steps(struct cassin_backend_probe *p, const char *const *steps)
{
	for (unsigned i = 0; i < CASSIN_PROBE_STEPS && steps[i]; i++)
		p->steps[i] = steps[i];
}

int cassin_backend_probe(enum cassin_backend which, const struct cassin_sandbox *sandbox,
			 struct cassin_backend_probe *p)
{
	struct backend *b = NULL;
	*p = (struct cassin_backend_probe){.result = -EINVAL};
	if (which == CASSIN_BACKEND_KVM) {
		copy_steps(p, kvm_steps);
		p->result = kvm_open(&b, &p->done, &p->why);
	} else if (which == CASSIN_BACKEND_PROCESS) {
		copy_steps(p, process_steps);
		p->result = process_open(&b, sandbox, &p->done, &p->why);
	}
	backend_close(b);
	if (!p->result)
		p->why.text[0] = '\0';
	return p->result;
}

/* ---- Workers that give back what the backend has ---- */

/* How a worker is asked for it. */
struct attention {
	struct message message;
	struct cassin_engine *engine;
	atomic_bool asked; /* the message is on its way */
	uint64_t answers;  /* under engine->lock, */
	bool gave;         /* and the last of them */
};

static void on_attention(struct worker *w, struct message *m)
{
	struct attention *a = CONTAINER_OF(m, struct attention, message);
	struct cassin_engine *e = a->engine;
	atomic_store(&a->asked, false);
	bool gave = e->backend->ops->reclaim(e->backend, w->number);
	pthread_mutex_lock(&e->lock);
	a->answers++;
	a->gave = gave;
	pthread_cond_broadcast(&e->ended);
	pthread_mutex_unlock(&e->lock);
}

static void ask(void *opaque, unsigned worker)
{
	struct cassin_engine *e = opaque;
	if (!atomic_exchange(&e->attention[worker].asked, true))
		worker_post(&e->workers.all[worker], &e->attention[worker].message);
}

int engine_attend(struct cassin_engine *e, unsigned n)
{
	e->attention = calloc(n, sizeof *e->attention);
	if (!e->attention)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		e->attention[i] = (struct attention){.message.fn = on_attention, .engine = e};
	e->backend->ask = ask;
	e->backend->opaque = e;
	return 0;
}

static bool may_give(struct cassin_engine *e, unsigned worker)
{
	return e->backend->ops->spare(e->backend, worker);
}

/* Of a thread that no worker waits for. */
static bool await_answers(struct cassin_engine *e)
{
	uint64_t seen[WORKERS_MAX];
	bool gave = false, waits[WORKERS_MAX];
	pthread_mutex_lock(&e->lock);
	for (unsigned i = 0; i < e->workers.n; i++)
		seen[i] = e->attention[i].answers;
	pthread_mutex_unlock(&e->lock);
	for (unsigned i = 0; i < e->workers.n; i++) {
		waits[i] = may_give(e, i);
		if (waits[i])
			ask(e, i);
	}
	pthread_mutex_lock(&e->lock);
	for (unsigned i = 0; i < e->workers.n; i++) {
		while (waits[i] && e->attention[i].answers == seen[i])
			pthread_cond_wait(&e->ended, &e->lock);
		gave |= waits[i] && e->attention[i].gave;
	}
	pthread_mutex_unlock(&e->lock);
	return gave;
}

bool engine_reclaim_backend(struct cassin_engine *e)
{
	const struct backend_ops *ops = e->backend->ops;
	const struct worker *self = worker_self();
	if (!ops->reclaim || !e->attention)
		return false;
	if (!self || self->team != &e->workers)
		return await_answers(e);
	if (ops->reclaim(e->backend, self->number))
		return true;
	for (unsigned i = 0; i < e->workers.n; i++) {
		if (i != self->number && may_give(e, i))
			ask(e, i);
	}
	return false;
}
