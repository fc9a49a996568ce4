/* SPDX-License-Identifier: MIT */
/* What the host says of itself in small files of /proc and /sys, and which limits its control groups set this process. */
#ifndef CASSIN_HOST_FACTS_H
#define CASSIN_HOST_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The beginning of a file, terminated; false, and "", if it cannot be read or is empty. */
bool cassin_host_text(const char *path, char *text, size_t size);

/* A limit of control groups: its controller, and its file in groups of the second version and of the first. */
struct cassin_group_limit {
	const char *controller, *file, *old_file;
};
extern const struct cassin_group_limit cassin_group_memory, cassin_group_processes;

/* The least such limit, over this process's group and those around it, as far as they can be seen; UINT64_MAX: none. */
uint64_t cassin_group_least(const struct cassin_group_limit *l);
/* The same, by the text of /proc/self/cgroup and the folder where groups are mounted. In a container that folder may show the
 * container's own group only, whatever the text says. */
uint64_t cassin_group_least_of(const struct cassin_group_limit *l, const char *groups, const char *mounted);

#ifdef __cplusplus
}
#endif

#endif
