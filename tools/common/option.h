/* SPDX-License-Identifier: MIT */
/* Values of options that several tools take. None says anything: the caller knows the option. */
#ifndef TOOLS_OPTION_H
#define TOOLS_OPTION_H

#include <stdbool.h>

/* Words of --mode and --coder, in the order of enum quant_mode and enum fqz_coder; NULL ends them. */
extern const char *const word_modes[], *const word_coders[];

/** word_find() - the index of a word in a list that NULL ends, or -1. */
int word_find(const char *const *list, const char *word);

/** option_integer() - a decimal number in [min, max]. */
bool option_integer(const char *s, long min, long max, long *v);

/** option_real() - a number in [min, max]. */
bool option_real(const char *s, double min, double max, double *v);

/** option_colors() - R,G,B, or one value for all three, each at least @min. */
bool option_colors(const char *s, float min, float *v);

/** option_description() - whether metadata may hold the text (FORMAT.md section 8). */
bool option_description(const char *s);

#endif
