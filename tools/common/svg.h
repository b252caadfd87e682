/* SPDX-License-Identifier: MIT */
/* What pages and figures share. */
#ifndef TOOLS_SVG_H
#define TOOLS_SVG_H

#include <stdio.h>

/** svg_escape() - text inside XML or HTML, in attributes too; what neither may hold is replaced. */
void svg_escape(FILE *out, const char *text);

/** svg_nice_step() - 1, 2 or 5 times a power of ten, so that @count steps about fill @span. */
double svg_nice_step(double span, double count);

#endif
