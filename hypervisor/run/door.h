/* SPDX-License-Identifier: MIT */
#ifndef DOOR_H
#define DOOR_H

#include "base/hot.h"

struct guest;

#define OUT_SIZE 2u /* bytes of `out %al, imm8` */

#endif
