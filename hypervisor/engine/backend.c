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
