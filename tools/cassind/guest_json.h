/* SPDX-License-Identifier: MIT */
/* Guests and counters as JSON. */
#ifndef GUEST_JSON_H
#define GUEST_JSON_H

#include <jansson.h>

#include "daemon.h"

/* A counter or gauge within struct cassin_guest_counters or struct cassin_engine_stats; all are uint64_t. */
struct figure {
	const char *name, *help;
	size_t at;
	bool counter; /* it only grows */
};
extern const struct figure guest_figures[], engine_figures[], account_figures[];
extern const size_t guest_figures_count, engine_figures_count, account_figures_count;
uint64_t figure_of(const struct figure *f, const void *from);

json_t *account_json(const struct cassin_memory_account *account);
enum guest_detail { GUEST_BRIEF, GUEST_WITH_SPEC };
/* What the API tells of a guest. NULL: no memory, or the guest has gone. */
json_t *guest_json(struct daemon *d, uint64_t id, enum guest_detail detail);

#endif
