/* SPDX-License-Identifier: MIT */
/* What a report says, in a few sentences. */
#ifndef DENSITY_HTML_SHORT_H
#define DENSITY_HTML_SHORT_H

#include <jansson.h>
#include <stdio.h>

void html_short(FILE *f, const json_t *systems);

#endif
