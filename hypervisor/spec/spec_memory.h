/* SPDX-License-Identifier: MIT */
/* What a spec takes of the host's memory. */
#ifndef SPEC_MEMORY_H
#define SPEC_MEMORY_H

#include <cassin/spec.h>

/* Bytes that a copy takes, with the C library's own, but for its list of files: files_list_bytes() has that. */
uint64_t spec_bytes(const struct cassin_guest_spec *s);

#endif
