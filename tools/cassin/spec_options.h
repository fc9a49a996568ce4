/* SPDX-License-Identifier: MIT */
/* The options that describe a guest, the same for run and spawn. */
#ifndef SPEC_OPTIONS_H
#define SPEC_OPTIONS_H

#include <cassin/spec.h>

#include "../common/command.h"

enum {
	OPTION_SPEC = 1100,
	OPTION_NAME,
	OPTION_MEMORY,
	OPTION_DOMAIN,
	OPTION_WEIGHT,
	OPTION_CPU_MAX,
	OPTION_ISOLATION,
	OPTION_RESTART,
	OPTION_TEMPLATE,
	OPTION_FILE
};
#define SPEC_OPTIONS                                                                                                   \
	{"spec", required_argument, NULL, OPTION_SPEC}, {"name", required_argument, NULL, OPTION_NAME},                \
		{"memory", required_argument, NULL, OPTION_MEMORY},                                                    \
		{"domain", required_argument, NULL, OPTION_DOMAIN},                                                    \
		{"weight", required_argument, NULL, OPTION_WEIGHT},                                                    \
		{"cpu-max", required_argument, NULL, OPTION_CPU_MAX}, {"file", required_argument, NULL, OPTION_FILE},  \
		{"isolation", required_argument, NULL, OPTION_ISOLATION},                                              \
	{                                                                                                              \
		"restart", required_argument, NULL, OPTION_RESTART                                                     \
	}

#define SPEC_OPTIONS_HELP                                                                                              \
	"  --memory SIZE       memory it may touch, such as 512K or 64M (default 16M)\n"                               \
	"  --domain NAME       trust domain: guests of different domains share no VM\n"                                \
	"  --weight N          share of the CPU while others want it, 1 to 10000 (default 100)\n"                      \
	"  --cpu-max MAX       cap on its CPU time, as cgroup v2 spells it: \"50000 100000\" us\n"                     \
	"  --isolation KIND    cell (default: shares a VM with its domain) or vm (its own)\n"                          \
	"  --restart POLICY    no (default), on-failure or always; on-failure:5 gives up\n"                            \
	"                      after five quick failures in a row\n"                                                   \
	"  --file [NAME=]PATH  give it a file to read, under NAME; may be repeated\n"                                  \
	"  --spec FILE         take all from a JSON spec; the options given override it\n"

struct spec_options {
	const char *spec, *name, *memory, *domain, *weight, *cpu_max, *isolation, *restart, *template;
	const char *ports[CASSIN_PORTS_MAX];
	size_t nports;
	const char *files[CASSIN_FILES_MAX];
	size_t nfiles;
};

/* Takes one of SPEC_OPTIONS, OPTION_TEMPLATE or 'p'; false if it is none of them. */
bool spec_options_take(const struct command *c, struct spec_options *o, int option, char *value);
/* Makes the spec: the file, the options, then the image and its arguments (operands; may be empty if the file names
 * an image or there is a template). The name is --name, the file's, the template's or the image's base name. Paths become
 * absolute. Ports of the form
 * "[ADDR:]BASE+:GUEST" go to *bases (malloc'd) if that is given. Ends with EXIT_USAGE for what the arguments alone show to be wrong;
 * -errno with *err for the rest: files that are not there, and what is in them. */
int spec_options_apply(const struct command *c, const struct spec_options *o, char **operands,
		       struct cassin_guest_spec *spec, struct cassin_guest_port **bases, size_t *nbases,
		       struct cassin_error_text *err);

/* The JSON text of a spec; malloc'd. NULL: it cannot be had, and *err says why: mostly an argument that is no UTF-8. */
char *spec_options_text(const struct cassin_guest_spec *spec, struct cassin_error_text *err);

#endif
