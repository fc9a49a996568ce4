/* SPDX-License-Identifier: MIT */
/* What the host says of itself that bears on running guests: settings and limits, as they stand for who asks. */
#ifndef DOCTOR_FACTS_H
#define DOCTOR_FACTS_H

#include <stddef.h>

struct fact {
	const char *name;
	char value[64]; /* as the host writes it; "-": it has no such thing */
	const char *note;
};

/* All of them; *count is how many. Theirs until the next call. */
const struct fact *doctor_facts(size_t *count);

#endif
