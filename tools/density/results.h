/* SPDX-License-Identifier: MIT */
/* What a call of `cassin density` has found, as a document, and the files that are made of it. */
#ifndef DENSITY_RESULTS_H
#define DENSITY_RESULTS_H

#include "lab.h"

/* Begins lab->results. */
void results_begin(struct lab *lab);
/* A system's entry; it belongs to the results. */
json_t *results_system(struct lab *lab, const char *name, const char *command);
/* Writes results.json, results.csv and report.html into the folder, each of them atomically or not at all. `ended`: NULL while it
 * goes on. 0, -errno: reported. */
int results_write(struct lab *lab, const char *ended);
/* Reads a report's results; `path` is its folder or file. NULL: *why says what is wrong. A new reference. */
json_t *results_read(const char *path, char *why, size_t size);

#endif
