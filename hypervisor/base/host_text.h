/* SPDX-License-Identifier: MIT */
/* What the host says of itself in small files of /proc and /sys. */
#ifndef BASE_HOST_TEXT_H
#define BASE_HOST_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The beginning of a file, terminated; false, and "", if it cannot be read or is empty. */
bool host_text(const char *path, char *text, size_t size);

#endif
