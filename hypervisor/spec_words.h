/* SPDX-License-Identifier: MIT */
/* What a spec's words are in JSON, by value; NULL ends them. */
#ifndef SPEC_WORDS_H
#define SPEC_WORDS_H

extern const char *const isolation_words[], *const restart_words[];

#endif
