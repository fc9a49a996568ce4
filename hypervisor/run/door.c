/* SPDX-License-Identifier: MIT */
#include "run/door.h"

#include "guest/guest.h"
