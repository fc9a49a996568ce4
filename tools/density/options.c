/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/command.h"

static double number(const char *option, double least, double most)
{
	char *end;
	double n = strtod(optarg, &end);
	if (end == optarg || *end || !isfinite(n) || n < least || n > most)
		command_usage(&cmd_density, "%s %s: must be a number from %g to %g", option, optarg, least, most);
	return n;
}

/* Bytes, with K, M, G or T for powers of 1024. In KiB. */
static double size(const char *option)
{
	static const char units[] = "KMGT";
	char *end;
	double n = strtod(optarg, &end) / 1024;
	const char *unit = *end ? strchr(units, *end) : NULL;
	for (const char *u = units; unit && u <= unit; u++)
		n *= 1024;
	if (end == optarg || (*end && (!unit || end[1])) || !isfinite(n) || n < 0)
		command_usage(&cmd_density, "%s %s: must be a size such as 512M or 2G", option, optarg);
	return n;
}

static void add_peer(struct density_options *o)
{
	size_t n = strcspn(optarg, "=");
	struct peer *p = &o->peers[o->peer_count];
	if (o->peer_count == LAB_PEERS_MAX)
		command_usage(&cmd_density, "--peer: at most %d of them", LAB_PEERS_MAX);
	if (!n || n >= sizeof p->name || !optarg[n] || strspn(optarg, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != n)
		command_usage(&cmd_density,
			      "--peer %s: must be NAME=COMMAND, the name of at most %zu of a-z, 0-9, - _ .", optarg,
			      sizeof p->name - 1);
	memcpy(p->name, optarg, n);
	p->command = optarg + n + 1;
	if (!strstr(p->command, "{port}"))
		command_usage(&cmd_density, "--peer %s: the command must say where {port} goes", p->name);
	for (unsigned i = 0; i < o->peer_count; i++)
		if (!strcmp(o->peers[i].name, p->name))
			command_usage(&cmd_density, "--peer %s: is there twice", p->name);
	if (!strcmp(p->name, "cassin") || !strcmp(p->name, "process"))
		command_usage(&cmd_density, "--peer %s: is a name of the lab's own", p->name);
	o->peer_count++;
}

void density_options_parse(struct density_options *o, int argc, char **argv)
{
	enum { OUT = OPTION_OWN, EXAMPLES, RAMP, RUNS, WARMUP, MEASURE, RESERVE, PEER, BACKEND, NO_BASELINE, LIST };
	static const struct option longs[] = {COMMON_OPTIONS,
					      {"out", required_argument, NULL, OUT},
					      {"examples", required_argument, NULL, EXAMPLES},
					      {"ramp", required_argument, NULL, RAMP},
					      {"runs", required_argument, NULL, RUNS},
					      {"warmup", required_argument, NULL, WARMUP},
					      {"measure", required_argument, NULL, MEASURE},
					      {"reserve", required_argument, NULL, RESERVE},
					      {"peer", required_argument, NULL, PEER},
					      {"backend", required_argument, NULL, BACKEND},
					      {"no-baseline", no_argument, NULL, NO_BASELINE},
					      {"list", no_argument, NULL, LIST},
					      {"quiet", no_argument, NULL, 'q'},
					      {0}};
	int option;
	*o = (struct density_options){.warmup_s = -1, .measure_s = -1, .reserve_kib = -1, .baseline = true};
	while ((option = getopt_long(argc, argv, "hq", longs, NULL)) != -1) {
		if (option == OUT)
			o->out = optarg;
		else if (option == EXAMPLES)
			o->examples = optarg;
		else if (option == RAMP)
			o->ramp = optarg;
		else if (option == RUNS)
			o->runs = (unsigned)number("--runs", 1, 100);
		else if (option == WARMUP)
			o->warmup_s = number("--warmup", 0, 3600);
		else if (option == MEASURE)
			o->measure_s = number("--measure", 0.1, 3600);
		else if (option == RESERVE)
			o->reserve_kib = size("--reserve");
		else if (option == PEER)
			add_peer(o);
		else if (option == BACKEND)
			command_backend(&cmd_density, optarg);
		else if (option == NO_BASELINE)
			o->baseline = false;
		else if (option == LIST)
			o->list = true;
		else if (option == 'q')
			o->quiet = true;
		else
			command_option(&cmd_density, option == 'h' ? OPTION_HELP : option);
	}
	o->words = argv + optind;
	o->word_count = argc - optind;
}
