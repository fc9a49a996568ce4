/* SPDX-License-Identifier: MIT */
/* Limits of the control groups that this process is in, of either version of them, as far as they can be seen. */
#ifndef BASE_CONTROL_GROUP_H
#define BASE_CONTROL_GROUP_H

#include <stdint.h>

/* The least limit of memory in bytes, over this process's group and those around it; UINT64_MAX: none. */
uint64_t control_group_memory(void);
/* The same, by the text of /proc/self/cgroup and the folder where groups are mounted. In a container that folder may show the
 * container's own group only, whatever the text says. */
uint64_t control_group_memory_of(const char *groups, const char *mounted);

#endif
