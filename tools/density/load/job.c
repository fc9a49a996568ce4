/* SPDX-License-Identifier: MIT */
#include "job.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "../fields.h"

static void read_all(const struct fields *f, struct job *j)
{
	static const char *const keys[] = {"kind",  "connections", "requests",    "rate",      "zipf",     "skew",
					   "path",  "keys",        "value_bytes", "set_share", "warmup_s", "measure_s",
					   "count", "gateway",     "prefix",      "port",      "batch",    "host",
					   "base",  "patience_s",  "seed",        NULL};
	fields_only(f, keys);
	j->kind = fields_choice(f, "kind", load_kinds);
	j->connections = fields_count(f, "connections", 1, 4096, 64);
	j->requests = fields_count(f, "requests", 1, 1000000000, 1);
	j->rate = fields_number(f, "rate", 0, 1e7, 0);
	j->zipf = fields_flag(f, "zipf", false);
	j->skew = fields_number(f, "skew", 0, 10, 1);
	j->path = fields_text(f, "path", "/");
	j->keys = fields_count(f, "keys", 1, 1000000, 100);
	j->value_bytes = fields_count(f, "value_bytes", 1, 65536, 64);
	j->set_share = fields_number(f, "set_share", 0, 1, 0.1);
	j->warmup_s = fields_number(f, "warmup_s", 0, 3600, 1);
	j->measure_s = fields_number(f, "measure_s", 0.01, 3600, 1);
	j->patience_s = fields_number(f, "patience_s", 0.1, 3600, 10);
	j->count = fields_count(f, "count", 1, SCENARIO_GUESTS_MAX, 1);
	j->seed = fields_count(f, "seed", 0, 2000000000, 1);
	j->gateway = fields_text(f, "gateway", "");
	if (*j->gateway) {
		j->prefix = fields_text(f, "prefix", NULL);
		j->port = fields_count(f, "port", 1, 65535, 80);
		j->batch = fields_count(f, "batch", 1, 1000000, 1);
	} else {
		j->host = fields_text(f, "host", "127.0.0.1");
		j->base = fields_count(f, "base", 1, 65535, 80);
		if (j->base + j->count > 65536)
			fields_mistake(f, "count", "the ports end at 65535");
	}
}

static int zipf_prepare(struct job *j)
{
	double sum = 0;
	j->cumulative = calloc(j->count, sizeof *j->cumulative);
	if (!j->cumulative)
		return -ENOMEM;
	for (unsigned i = 0; i < j->count; i++)
		j->cumulative[i] = sum += pow(i + 1, -j->skew);
	for (unsigned i = 0; i < j->count; i++)
		j->cumulative[i] /= sum;
	return 0;
}

int job_read(struct job *j, FILE *in, char *why, size_t size)
{
	json_error_t error;
	struct mistake mistake = {0};
	*j = (struct job){.document = json_loadf(in, JSON_REJECT_DUPLICATES, &error)};
	if (!j->document) {
		snprintf(why, size, "job:%d: %s", error.line, error.text);
		return -EINVAL;
	}
	struct fields f = {.file = "job", .o = j->document, .mistake = &mistake};
	read_all(&f, j);
	j->random = j->seed * 0x9e3779b97f4a7c15u + 0x1234567;
	if (!mistake.made)
		return j->zipf ? zipf_prepare(j) : 0;
	snprintf(why, size, "%s", mistake.text);
	json_decref(j->document);
	return -EINVAL;
}

void job_free(struct job *j)
{
	free(j->cumulative);
	json_decref(j->document);
}

double job_draw(struct job *j)
{
	j->random ^= j->random << 13;
	j->random ^= j->random >> 7;
	j->random ^= j->random << 17;
	return (double)(j->random >> 11) * 0x1p-53;
}

unsigned job_target(struct job *j)
{
	double x = job_draw(j);
	if (!j->zipf)
		return (unsigned)(x * j->count);
	unsigned low = 0, high = j->count - 1;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (j->cumulative[middle] > x)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
