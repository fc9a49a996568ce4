/* SPDX-License-Identifier: MIT */
/* The words of specs. */
#ifndef SPEC_WORDS_H
#define SPEC_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* In JSON, by value; NULL ends them. */
extern const char *const isolation_words[], *const restart_words[];
/* Whether text can stand in a spec's JSON. */
bool utf8_valid(const char *text, size_t len);

#endif
