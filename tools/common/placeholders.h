/* SPDX-License-Identifier: MIT */
/* A command of the user's with words in braces, which are replaced: "other-vmm {image} --port {port}". */
#ifndef PLACEHOLDERS_H
#define PLACEHOLDERS_H

#include <stddef.h>

struct placeholder {
	const char *word; /* "{port}" */
	const char *value;
};

/* The command with each of the words replaced, as often as it is there; malloc'd. NULL: no memory. */
char *placeholders_fill(const char *command, const struct placeholder *words, size_t n);

#endif
