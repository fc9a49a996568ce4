/* SPDX-License-Identifier: MIT */
/* Which system calls each role has. */
#ifndef CALLS_H
#define CALLS_H

#include <seccomp.h>

#include <cassin/sandbox.h>

/* Adds to a filter all rules of a role. 0, or libseccomp's negative errno code. */
int calls_add(scmp_filter_ctx filter, enum cassin_sandbox_role role);

#endif
