/* SPDX-License-Identifier: MIT */
/* The operations that need no handle: nothing, timeouts, giving operations up, randomness. */
#ifndef BASIC_H
#define BASIC_H

#include "guest/device.h"

extern const struct device basic_device;

#endif
