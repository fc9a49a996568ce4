/* SPDX-License-Identifier: MIT */
/* The words of specs. */
#ifndef SPEC_WORDS_H
#define SPEC_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* In JSON, by value; NULL ends them. */
extern const char *const isolation_words[], *const restart_words[];
/* The index of the word that is text's first len bytes. -EINVAL: there is none. */
int word_find(const char *const *words, const char *text, size_t len);
/* Whether text can stand in a spec's JSON. */
bool utf8_valid(const char *text, size_t len);

#endif
