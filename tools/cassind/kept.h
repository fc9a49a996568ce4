/* SPDX-License-Identifier: MIT */
/* What the last daemon left in the state folder. */
#ifndef KEPT_H
#define KEPT_H

#include "daemon.h"

/* Makes the kept templates and starts the kept guests. What cannot be had is logged. Before the loop runs. */
void kept_start(struct daemon *d);

#endif
