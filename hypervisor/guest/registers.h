/* SPDX-License-Identifier: MIT */
/* Registers as guests hand them over and get them back: struct cassin_registers. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include "base/types.h"

struct guest;

/* -EINVAL unless rip and fs_base are below CASSIN_VA_END and rsp is at most that. No other value can do harm. */
int registers_check(const struct cassin_registers *r);
/* Makes them those that g runs with. They were checked. */
void registers_set(struct guest *g, const struct cassin_registers *from);
/* Those that g runs with. */
void registers_get(const struct guest *g, struct cassin_registers *to);

#endif
