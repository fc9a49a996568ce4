/* SPDX-License-Identifier: MIT */
/* The API's handlers (docs/api.md). Each answers its connection, now or later. */
#ifndef API_H
#define API_H

#include "connection.h"
#include "target.h"

void api_guests_list(struct connection *c, const struct target *t);
void api_guests_create(struct connection *c, const struct target *t);
void api_guest_show(struct connection *c, const struct target *t);
void api_guest_remove(struct connection *c, const struct target *t);
void api_guest_stop(struct connection *c, const struct target *t);
void api_guest_kill(struct connection *c, const struct target *t);
void api_guest_restart(struct connection *c, const struct target *t);
void api_guest_report(struct connection *c, const struct target *t);
void api_guest_log(struct connection *c, const struct target *t);
void api_guest_trace(struct connection *c, const struct target *t);
void api_templates_list(struct connection *c, const struct target *t);
void api_templates_create(struct connection *c, const struct target *t);
void api_template_remove(struct connection *c, const struct target *t);
void api_spawn(struct connection *c, const struct target *t);
void api_stats(struct connection *c, const struct target *t);
void api_version(struct connection *c, const struct target *t);
void api_metrics(struct connection *c, const struct target *t);

/* The guest that the target's third segment names. -ENOENT: answered already. */
int api_guest_find(struct connection *c, const struct target *t, uint64_t *id);
/* The HTTP status that fits an engine's or a spec's error. */
unsigned api_status_of(int error);

#endif
