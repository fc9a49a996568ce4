/* SPDX-License-Identifier: MIT */
/* cassin density: the lab's command. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cassin/open_file.h>

#include "../common/command.h"
#include "compare.h"
#include "leftovers.h"
#include "options.h"
#include "ramp.h"
#include "../common/resource.h"
#include "results.h"

#define RESERVE_LEAST_KIB (512.0 * 1024)
#define RESERVE_PART 0.05

static const char help[] =
	"Usage: cassin density [OPTION]... SCENARIO\n"
	"       cassin density compare REPORT REPORT\n"
	"Loads this host with more and more guests, step by step, measures at each step, and\n"
	"writes a report: report.html, results.json and results.csv in a folder. SCENARIO is a\n"
	"name (--list) or a JSON file. A daemon of its own is used, and ends with it. It stops\n"
	"by itself before the host is short of memory; Ctrl-C ends it with what there is.\n"
	"\n"
	"  --out DIR            the report's folder (default: density-SCENARIO-TIME)\n"
	"  --ramp N,N,...       numbers of guests, rising, instead of the scenario's\n"
	"  --runs N             repeat all of it so often; the report shows medians\n"
	"  --warmup SECONDS     before each measurement\n"
	"  --measure SECONDS    how long to measure at each step\n"
	"  --reserve SIZE       memory that stays available on the host\n"
	"                       (default: 5 % of it, 512M at least)\n"
	"  --examples DIR       where guests' images are looked for first\n"
	"  --peer NAME=COMMAND  measure this too: a command that is run once for each guest;\n"
	"                       {i} is the guest's number, {port} the TCP port it shall serve\n"
	"  --backend WHAT       of that daemon: auto, kvm or process\n"
	"  --no-baseline        leave out the same service as plain processes\n"
	"  --list               the scenarios that there are\n"
	"  -q, --quiet          no progress bar\n"
	"  --socket PATH        not used\n"
	"\n"
	"compare prints two reports' figures beside each other; a report is its folder or its\n"
	"results.json.\n"
	"\n"
	"Examples:\n"
	"  cassin density idle\n"
	"  cassin density --ramp 10,100,1000 --runs 1 --measure 2 http-zipf\n"
	"  cassin density --peer 'other=my-vmm --port {port} web.img' http-zipf\n"
	"  cassin density compare density-idle-1 density-idle-2\n";

static void on_signal(int number)
{
	(void)number;
	lab_interrupted = 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int load(struct scenario *s, const char *path, char *why, size_t size)
{
	struct cassin_error_text err;
	int fd = cassin_stream_open(path, &err);
	if (fd < 0) {
		snprintf(why, size, "%s", err.text);
		return fd;
	}
	int result = scenario_read(s, fd, path, why, size);
	close(fd);
	return result;
}

static int list_scenarios(void)
{
	char *folder = resource_scenarios(), why[512], *names[64];
	DIR *d = folder ? opendir(folder) : NULL;
	size_t n = 0;
	if (!d) {
		free(folder);
		return command_failed("no scenarios are installed beside this program");
	}
	for (struct dirent *e; (e = readdir(d)) && n < 64;)
		if (strstr(e->d_name, ".json") && asprintf(&names[n], "%s/%s", folder, e->d_name) > 0)
			n++;
	closedir(d);
	qsort(names, n, sizeof *names, by_name);
	for (size_t i = 0; i < n; i++) {
		struct scenario s;
		if (load(&s, names[i], why, sizeof why) == 0) {
			printf("%-16s %s\n", s.name, s.title);
			scenario_free(&s);
		} else {
			command_failed("%s", why);
		}
		free(names[i]);
	}
	free(folder);
	return EXIT_OK;
}

static int compare_reports(const struct density_options *o)
{
	char why[512];
	if (o->word_count != 3)
		command_usage(&cmd_density, "compare takes two reports");
	json_t *a = results_read(o->words[1], why, sizeof why),
	       *b = a ? results_read(o->words[2], why, sizeof why) : NULL;
	int result = EXIT_OK;
	if (!b)
		result = command_failed("%s", why);
	else if (!compare_print(a, b))
		result = command_failed("the reports have no figure in common");
	json_decref(a);
	json_decref(b);
	return result;
}

/* The scenario with what the options change about it. False: reported. */
static bool take_scenario(struct lab *lab, const struct density_options *o)
{
	char why[512];
	struct scenario *s = &lab->scenario;
	char *path = resource_scenario(o->words[0]);
	if (!path) {
		command_failed("no scenario is named %s; cassin density --list shows them", o->words[0]);
		return false;
	}
	int result = load(s, path, why, sizeof why);
	free(path);
	if (result < 0) {
		command_failed("%s", why);
		return false;
	}
	if (o->ramp && scenario_set_ramp(s, o->ramp) < 0)
		command_usage(&cmd_density, "--ramp %s: must be rising integers from 1 to %d, with commas between",
			      o->ramp, SCENARIO_GUESTS_MAX);
	s->runs = o->runs ? o->runs : s->runs;
	s->warmup_s = o->warmup_s < 0 ? s->warmup_s : o->warmup_s;
	s->measure_s = o->measure_s < 0 ? s->measure_s : o->measure_s;
	return true;
}

static bool make_folder(struct lab *lab, const struct density_options *o, char folder[128])
{
	char stamp[32];
	time_t now = time(NULL);
	strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", localtime(&now));
	snprintf(folder, 128, "density-%s-%s", lab->scenario.name, stamp);
	lab->out = o->out ? o->out : folder;
	if (mkdir(lab->out, 0777) == 0 || errno == EEXIST)
		return true;
	command_failed("cannot make %s: %s", lab->out, strerror(errno));
	return false;
}

static void add(struct lab *lab, struct under_test *under, size_t *n, const char *name, const char *command)
{
	struct system *s = command ? process_system(lab, name, command) : cassin_system(lab);
	if (s)
		under[(*n)++] = (struct under_test){.system = s, .entry = results_system(lab, name, command)};
}

static size_t choose_systems(struct lab *lab, const struct density_options *o, struct under_test *under,
			     char **baseline)
{
	size_t n = 0;
	const char *wanted = o->baseline ? lab->scenario.baseline : "";
	add(lab, under, &n, "cassin", NULL);
	*baseline = *wanted ? resource_baseline(wanted) : NULL;
	if (*baseline)
		add(lab, under, &n, "process", *baseline);
	else if (*wanted)
		printf("No program for the baseline \"%s\" is beside this one: it is left out.\n", wanted);
	for (unsigned i = 0; i < o->peer_count; i++)
		add(lab, under, &n, o->peers[i].name, o->peers[i].command);
	return n;
}

static void prepare(struct lab *lab, const struct density_options *o)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct rlimit limit;
	struct host_memory m;
	host_memory_read(&m);
	double reserve = m.total * RESERVE_PART > RESERVE_LEAST_KIB ? m.total * RESERVE_PART : RESERVE_LEAST_KIB;
	lab->reserve_kib = o->reserve_kib < 0 ? reserve : o->reserve_kib;
	lab->examples = o->examples;
	lab->progress = !o->quiet;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int density(int argc, char **argv)
{
	struct density_options o;
	struct lab lab = {.examples = NULL};
	struct under_test under[LAB_PEERS_MAX + 2];
	char folder[128], *baseline;
	density_options_parse(&o, argc, argv);
	if (o.list)
		return list_scenarios();
	if (!o.word_count)
		command_usage(&cmd_density, "say which scenario");
	if (!strcmp(o.words[0], "compare"))
		return compare_reports(&o);
	if (o.word_count > 1)
		command_usage(&cmd_density, "%s: one scenario at a time", o.words[1]);
	if (!take_scenario(&lab, &o))
		return EXIT_FAILED;
	if (!make_folder(&lab, &o, folder)) {
		scenario_free(&lab.scenario);
		return EXIT_FAILED;
	}
	prepare(&lab, &o);
	leftovers_sweep();
	results_begin(&lab);
	size_t n = choose_systems(&lab, &o, under, &baseline);
	const char *ended = ramp_run(&lab, under, n);
	bool complete = !strcmp(ended, "complete");
	printf("%s%s%s: %s/report.html\n", complete ? "" : "The report is partial (", complete ? "Report" : ended,
	       complete ? "" : ")", lab.out);
	for (size_t i = 0; i < n; i++)
		under[i].system->calls->free(under[i].system);
	free(baseline);
	json_decref(lab.results);
	scenario_free(&lab.scenario);
	return lab_interrupted ? 130 : complete ? EXIT_OK : EXIT_FAILED;
}

const struct command cmd_density = {"density", "measure how many guests this host holds", help, density};
