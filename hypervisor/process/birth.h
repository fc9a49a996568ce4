/* SPDX-License-Identifier: MIT */
/* How a process of a guest begins. */
#ifndef PROCESS_BIRTH_H
#define PROCESS_BIRTH_H

#include <sys/types.h>

/* A process that has become `program`, a file, and waits to be seized; its only descriptor is `memory`. Or it has ended, with the
 * errno of what failed as its status. All signals of the calling thread are blocked. -errno. */
pid_t birth_of(int program, int memory);

#endif
