/* SPDX-License-Identifier: MIT */
/*
 * What outlives the daemon: the specs of guests whose restart policy is "always", one NAME.json each, and of templates,
 * one NAME.template each, in a folder that one daemon owns at a time. Thread-safe.
 */
#ifndef STATE_H
#define STATE_H

#include <cassin/spec.h>

struct state;
enum state_kind { STATE_GUEST, STATE_TEMPLATE };

/* Creates the folder if need be and locks it. -EADDRINUSE: another daemon has it. */
int state_open(struct state **out, const char *folder, struct cassin_error_text *err);
void state_close(struct state *s);
/* Writes the spec's file: whole or not at all, even through a crash. */
int state_keep(struct state *s, enum state_kind kind, const struct cassin_guest_spec *spec,
	       struct cassin_error_text *err);
void state_forget(struct state *s, enum state_kind kind, const char *name);
/* Gives each kept spec of a kind to `each`, in the order of names. What cannot be read is logged and left alone. */
void state_each(struct state *s, enum state_kind kind, void (*each)(void *opaque, const struct cassin_guest_spec *spec),
		void *opaque);

#endif
