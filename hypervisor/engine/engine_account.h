/* SPDX-License-Identifier: MIT */
/* The account of the host's memory, within the engine. */
#ifndef ENGINE_ACCOUNT_H
#define ENGINE_ACCOUNT_H

#include <cassin/engine.h>

struct cassin_engine;
struct guest;

void guest_account(const struct guest *g, struct cassin_memory_account *out);
/* Promises pages of the pool. -ENOMEM, with a line for a person: they may not be there when they are wanted, and the engine was told to
 * refuse that. */
int engine_commit(struct cassin_engine *e, uint64_t pages, const char *who, struct cassin_error_text *err);
void engine_uncommit(struct cassin_engine *e, uint64_t pages);
/* Pages that a cell of this size can take besides those of its guests: its monitor, and page tables in quarantine. */
uint64_t cell_most(const struct cassin_engine *e, uint64_t bytes);
/* A refusal for want of memory that names what the pool is full of. -ENOMEM. */
int engine_full(struct cassin_engine *e, const char *who, struct cassin_error_text *err);

#endif
