/* SPDX-License-Identifier: MIT */
/* The report: one HTML file that needs no other. */
#ifndef DENSITY_HTML_H
#define DENSITY_HTML_H

#include <jansson.h>
#include <stdio.h>

void html_write(FILE *f, const json_t *results);
/* A text with what HTML would take for markup escaped. */
void html_text(FILE *f, const char *text);

#endif
