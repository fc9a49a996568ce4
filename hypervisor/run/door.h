/* SPDX-License-Identifier: MIT */
/* Whether an `out` on the hypercall's port was the hypercall, in its one form. */
#ifndef DOOR_H
#define DOOR_H

#include <stdbool.h>

#include "base/hot.h"

struct guest;

/* Whether the instruction before the guest's rip is the hypercall's. */
HOT bool came_by_door(struct guest *g);

#endif
