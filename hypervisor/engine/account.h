/* SPDX-License-Identifier: MIT */
/* The account of the host's memory, within the engine. */
#ifndef ENGINE_ACCOUNT_H
#define ENGINE_ACCOUNT_H

#include <cassin/engine.h>

struct engine;
struct guest;

void engine_account(struct engine *e, struct memory_account *out);
void guest_account(const struct guest *g, struct memory_account *out);
/* A refusal for want of memory that names what the pool is full of. -ENOMEM. */
int engine_full(struct engine *e, const char *who, struct cassin_error_text *err);

#endif
