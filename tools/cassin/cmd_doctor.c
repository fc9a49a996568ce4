/* SPDX-License-Identifier: MIT */
/* cassin doctor: what this host can do for guests. */
#include <cassin/engine.h>
#include <cassin/sandbox.h>
#include <jansson.h>
#include <stdio.h>

#include "../common/command.h"
#include "answer.h"
#include "doctor_facts.h"
#include "table.h"

static const char help[] =
	"Usage: cassin doctor [OPTION]...\n"
	"Tries what this host can do for guests, as whoever calls it, without a daemon: the sandbox,\n"
	"each step of having KVM and of having process cells in it, and the settings and limits that\n"
	"matter. Says which backend `auto` gives and why, and how to get KVM where it is not to be had.\n"
	"\n"
	"  --json          one JSON document\n"
	"\n"
	"Exit code: 0 if guests can run here, 1 if not.\n"
	"\n"
	"Examples:\n"
	"  cassin doctor\n"
	"  cassin doctor --json | jq -r .auto\n"
	"  sudo -u cassin cassin doctor        # as the daemon's user\n";

struct diagnosis {
	struct cassin_error_text no_sandbox; /* empty: it can be had */
	struct cassin_backend_probe kvm, process;
	const char *gets; /* auto; NULL: nothing */
};

static const char *verdict(const struct cassin_backend_probe *p, unsigned step)
{
	return step < p->done ? "yes" : step == p->done ? "no" : "not tried";
}

static void backend_rows(struct table *t, const char *name, const struct cassin_backend_probe *p)
{
	for (unsigned i = 0; i < CASSIN_PROBE_STEPS && p->steps[i]; i++) {
		char what[64];
		snprintf(what, sizeof what, "%s: %s", name, p->steps[i]);
		table_row(t, (const char *const[]){what, verdict(p, i), i == p->done ? p->why.text : ""});
	}
}

static void print_table(const struct diagnosis *d)
{
	static const char *const heads[] = {"WHAT", "HERE", "NOTE", NULL};
	size_t count;
	const struct fact *facts = doctor_facts(&count);
	struct table t;
	table_init(&t, heads);
	table_row(&t, (const char *const[]){"sandbox", d->no_sandbox.text[0] ? "no" : "yes", d->no_sandbox.text});
	backend_rows(&t, "kvm", &d->kvm);
	backend_rows(&t, "process", &d->process);
	for (size_t i = 0; i < count; i++)
		table_row(&t, (const char *const[]){facts[i].name, facts[i].value, facts[i].note});
	table_print(&t);
	if (!d->gets)
		puts("\nauto gives nothing: no guest can run here until a \"no\" above is mended");
	else if (!d->kvm.result)
		printf("\nauto gives %s\n", d->gets);
	else
		printf("\nauto gives %s, as KVM cannot be had: %s\n", d->gets, d->kvm.why.text);
}

static json_t *backend_json(const struct cassin_backend_probe *p)
{
	json_t *steps = json_array();
	for (unsigned i = 0; i < CASSIN_PROBE_STEPS && p->steps[i]; i++)
		json_array_append_new(steps, json_pack("{s:s, s:o}", "name", p->steps[i], "passed",
						       i > p->done ? json_null() : json_boolean(i < p->done)));
	return json_pack("{s:b, s:o, s:s}", "available", !p->result, "steps", steps, "why", p->why.text);
}

static void print_json(const struct diagnosis *d)
{
	size_t count;
	const struct fact *facts = doctor_facts(&count);
	json_t *host = json_object();
	for (size_t i = 0; i < count; i++)
		json_object_set_new(host, facts[i].name, json_string(facts[i].value));
	json_t *sandbox = json_pack("{s:b, s:s}", "available", !d->no_sandbox.text[0], "why", d->no_sandbox.text);
	json_t *o = json_pack("{s:s?, s:o, s:o, s:o, s:o}", "auto", d->gets, "sandbox", sandbox, "kvm",
			      backend_json(&d->kvm), "process", backend_json(&d->process), "host", host);
	answer_print(o);
	json_decref(o);
}

/* What a program gets that is told nothing. The sandbox comes first there, and takes capabilities away. */
static void examine(struct diagnosis *d)
{
	struct cassin_sandbox *sandbox;
	*d = (struct diagnosis){0};
	int refused = cassin_sandbox_create(&sandbox, cassin_sandbox_mode_default(), &d->no_sandbox);
	cassin_backend_probe(CASSIN_BACKEND_KVM, sandbox, &d->kvm);
	cassin_backend_probe(CASSIN_BACKEND_PROCESS, sandbox, &d->process);
	cassin_sandbox_free(sandbox);
	if (!refused)
		d->gets = !d->kvm.result       ? cassin_backend_name(CASSIN_BACKEND_KVM)
			  : !d->process.result ? cassin_backend_name(CASSIN_BACKEND_PROCESS)
					       : NULL;
}

static int run(int argc, char **argv)
{
	struct diagnosis d;
	bool json = command_json_only(&cmd_doctor, argc, argv);
	examine(&d);
	if (json)
		print_json(&d);
	else
		print_table(&d);
	return d.gets ? EXIT_OK : EXIT_FAILED;
}

const struct command cmd_doctor = {"doctor", "tell what this host can do for guests", help, run};
