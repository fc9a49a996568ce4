/* SPDX-License-Identifier: MIT */
/* The report's plots. */
#ifndef DENSITY_HTML_CHARTS_H
#define DENSITY_HTML_CHARTS_H

#include <jansson.h>
#include <stdio.h>

void html_charts(FILE *f, const json_t *systems);

#endif
