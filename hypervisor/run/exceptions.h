/* SPDX-License-Identifier: MIT */
/* Exceptions in words, for crash reports. */
#ifndef EXCEPTIONS_H
#define EXCEPTIONS_H

#include <stdint.h>

/* Static text, for any number. */
const char *vector_name(uint64_t vector);

#endif
