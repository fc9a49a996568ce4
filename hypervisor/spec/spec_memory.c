/* SPDX-License-Identifier: MIT */
#include "spec/spec_memory.h"

#include <string.h>

#define BLOCK_COST 16u /* of a block of the C library's, and what it is rounded up by */

static uint64_t block(uint64_t bytes)
{
	return bytes ? bytes + BLOCK_COST : 0;
}

static uint64_t text(const char *t)
{
	return t ? block(strlen(t) + 1) : 0;
}

uint64_t spec_bytes(const struct cassin_guest_spec *s)
{
	uint64_t n = text(s->name) + text(s->image) + text(s->from_template) + text(s->domain);
	for (size_t i = 0; i < s->nargs; i++)
		n += text(s->args[i]);
	return n + block(s->nargs * sizeof *s->args) + block(s->nports * sizeof *s->ports) +
	       block(s->nconnects * sizeof *s->connects);
}
