/* SPDX-License-Identifier: MIT */
/* Which request goes where. */
#ifndef ROUTES_H
#define ROUTES_H

#include "connection.h"

/* Answers c->request, now or later. */
void routes_answer(struct connection *c);

#endif
