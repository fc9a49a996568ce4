/* SPDX-License-Identifier: MIT */
/* Two reports beside each other. */
#ifndef DENSITY_COMPARE_H
#define DENSITY_COMPARE_H

#include <jansson.h>

/* Prints a table of the medians that both have, and how they differ. Returns how many figures that was. */
size_t compare_print(const json_t *a, const json_t *b);

#endif
