/* SPDX-License-Identifier: MIT */
/* Fields of the API's answers. */
#ifndef ANSWER_H
#define ANSWER_H

#include <jansson.h>
#include <stdint.h>

/* A number, 0 when absent. */
uint64_t answer_number(const json_t *o, const char *key);
/* A text, "" when absent. */
const char *answer_text(const json_t *o, const char *key);
/* Prints one JSON document, indented. */
void answer_print(const json_t *o);

#endif
