/* SPDX-License-Identifier: MIT */
/* A command that is run once for each guest: the same service as plain processes, or another VMM. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "histogram.h"
#include "lab.h"
#include "metrics.h"
#include "../common/placeholders.h"

#define PORT_BASE 20000u /* unless the scenario says another */
#define LISTEN_MS 30000
#define STOP_MS 2000

struct processes {
	struct system system;
	struct child *children;
	unsigned have, base;
	struct histogram spawns;
};

static struct processes *processes_of(struct system *s)
{
	return (struct processes *)s;
}

/* The command with {i} and {port} filled in; malloc'd. */
static char *expand(const char *command, unsigned i, unsigned port)
{
	char number[12], at[12];
	const struct placeholder words[] = {{"{i}", number}, {"{port}", at}};
	snprintf(number, sizeof number, "%u", i);
	snprintf(at, sizeof at, "%u", port);
	return placeholders_fill(command, words, 2);
}

static bool answers(unsigned port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
	if (fd >= 0)
		close(fd);
	return yes;
}

/* Waits until somebody listens. */
static int await_port(struct processes *p, unsigned i, const char *command)
{
	struct system *s = &p->system;
	char fate[48];
	uint64_t began = now_ns();
	while (!answers(p->base + i)) {
		if (child_ended(&p->children[i]))
			return system_failed(s, "%s before it listened on port %u: %s",
					     child_fate(&p->children[i], fate), p->base + i, command);
		if (lab_interrupted)
			return -EINTR;
		if (now_ns() - began > LISTEN_MS * 1000000ull)
			return system_failed(s, "does not listen on port %u: %s", p->base + i, command);
		usleep(now_ns() - began < 20000000 ? 100 : 2000);
	}
	/* It may be someone else who listens there. */
	if (child_ended(&p->children[i]))
		return system_failed(s, "%s, and another listens on port %u: %s", child_fate(&p->children[i], fate),
				     p->base + i, command);
	return 0;
}

static int start_one(struct processes *p, unsigned i)
{
	char *command = expand(p->system.command, i, p->base + i);
	char *const argv[] = {(char *)"/bin/sh", (char *)"-c", command, NULL};
	uint64_t began = now_ns();
	int result = command ? child_start(&p->children[i], argv, false, -1, p->system.memory.procs) : -ENOMEM;
	if (result < 0) {
		system_failed(&p->system, "cannot start a process: %s", strerror(-result));
	} else {
		result = await_port(p, i, command);
		histogram_add(&p->spawns, now_ns() - began);
		p->have = i + 1;
	}
	free(command);
	return result == -EAGAIN ? -ENOMEM : result;
}

static int processes_grow(struct system *s, unsigned guests, json_t *into)
{
	struct processes *p = processes_of(s);
	unsigned want = lab_all_guests(&s->lab->scenario, guests), before = p->have;
	uint64_t began = now_ns();
	int result = 0;
	if (p->base + want > 65536)
		return system_failed(s, "there are no ports for %u processes from %u on", want, p->base);
	memset(&p->spawns, 0, sizeof p->spawns);
	while (result == 0 && p->have < want) {
		result = p->have % 16 ? 0 : lab_check(s);
		if (result == 0)
			result = start_one(p, p->have);
		bar_say(&s->lab->bar, "%s: %u of %u", s->name, p->have, want);
	}
	s->guests = result == 0 ? guests : p->have;
	if (p->spawns.count) {
		metric_set(into, "spawn_p50_us", (double)histogram_at(&p->spawns, 0.5) / 1e3);
		metric_set(into, "spawn_p99_us", (double)histogram_at(&p->spawns, 0.99) / 1e3);
	}
	if (p->have > before)
		s->lab->spawn_s = (double)(now_ns() - began) / 1e9 / (p->have - before);
	return result;
}

static void processes_target(struct system *s, size_t group, struct target *t)
{
	(void)group;
	*t = (struct target){.base = processes_of(s)->base};
}

static int processes_counters(struct system *s, struct counters *k)
{
	struct processes *p = processes_of(s);
	*k = (struct counters){.exits = NAN, .hypercalls = NAN, .switches = NAN, .preemptions = NAN};
	for (unsigned i = 0; i < p->have; i++) {
		char fate[48];
		double guest;
		if (child_ended(&p->children[i]))
			return system_failed(s, "process %u %s", i, child_fate(&p->children[i], fate));
		k->cpu += process_cpu_seconds(p->children[i].pid, &guest);
		k->cpu_guest += guest;
	}
	return 0;
}

static int processes_memory(struct system *s, struct memory_kinds *k)
{
	struct processes *p = processes_of(s);
	*k = (struct memory_kinds){.pages = NAN, .shared = NAN, .tables = NAN, .own = NAN};
	for (unsigned i = 0; i < p->have; i++)
		k->processes += process_pss(p->children[i].pid);
	return 0;
}

static double processes_descriptors(struct system *s)
{
	(void)s;
	return NAN;
}

static int processes_start(struct system *s)
{
	struct processes *p = processes_of(s);
	const struct scenario *scenario = &s->lab->scenario;
	s->guests = p->have = 0;
	p->base = PORT_BASE;
	for (size_t i = 0; i < scenario->group_count; i++)
		if (scenario->groups[i].host_port)
			p->base = scenario->groups[i].host_port;
	unsigned most = lab_all_guests(scenario, scenario->steps[scenario->step_count - 1]);
	p->children = calloc(most, sizeof *p->children);
	return p->children ? 0 : system_failed(s, "no memory");
}

static void processes_stop(struct system *s)
{
	struct processes *p = processes_of(s);
	for (unsigned i = 0; i < p->have; i++)
		if (p->children[i].pid)
			kill(-p->children[i].pid, SIGTERM);
	for (unsigned i = 0; i < p->have; i++)
		child_stop(&p->children[i], SIGTERM, STOP_MS);
	free(p->children);
	p->children = NULL;
	p->have = 0;
}

static void processes_free(struct system *s)
{
	free(processes_of(s));
}

struct system *process_system(struct lab *lab, const char *name, const char *command)
{
	static const struct system_calls calls = {.start = processes_start,
						  .grow = processes_grow,
						  .target = processes_target,
						  .counters = processes_counters,
						  .memory = processes_memory,
						  .descriptors = processes_descriptors,
						  .stop = processes_stop,
						  .free = processes_free};
	struct processes *p = calloc(1, sizeof *p);
	if (p)
		p->system = (struct system){.calls = &calls, .lab = lab, .name = name, .command = command};
	return p ? &p->system : NULL;
}
