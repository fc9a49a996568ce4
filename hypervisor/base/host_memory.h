/* SPDX-License-Identifier: MIT */
/* What the host has for this process. */
#ifndef BASE_HOST_MEMORY_H
#define BASE_HOST_MEMORY_H

#include <stdint.h>

/* Bytes of memory that can be had now: what the host can spare; less, where it counts what is only reserved
 * (vm.overcommit_memory 2), where a control group has a limit, as a container's has, or where this process's address space is limited,
 * half of which is left to the rest of it. */
uint64_t host_memory(void);
/* The same of what a host says: the text of /proc/meminfo ("": there is none), the bytes that are free otherwise, whether what is
 * reserved counts, and the limit of address space (UINT64_MAX: none). */
uint64_t host_memory_of(const char *meminfo, uint64_t free_bytes, int reserved_counts, uint64_t address_space);

#endif
