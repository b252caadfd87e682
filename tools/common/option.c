// SPDX-License-Identifier: MIT
/* Values of options that several tools take. */
#include "option.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const char *const word_modes[] = { "auto", "shift", "recentralized", NULL };
const char *const word_coders[] = { "auto", "huffman", "rle-huffman", "tans", NULL };

int word_find(const char *const *list, const char *word)
{
	int i;

	for (i = 0; list[i]; i++)
		if (!strcmp(list[i], word))
			return i;
	return -1;
}

bool option_integer(const char *s, long min, long max, long *v)
{
	char *end;

	errno = 0;
	*v = strtol(s, &end, 10);
	return end != s && !*end && !errno && *v >= min && *v <= max;
}

bool option_real(const char *s, double min, double max, double *v)
{
	char *end;

	*v = strtod(s, &end);
	return end != s && !*end && *v >= min && *v <= max;
}

bool option_colors(const char *s, float min, float *v)
{
	int i;

	for (i = 0; i < 3; i++) {
		char *end;

		v[i] = strtof(s, &end);
		if (end == s || !isfinite(v[i]) || v[i] < min)
			return false;
		if (i == 0 && !*end) {
			v[1] = v[2] = v[0];
			return true;
		}
		if (*end != (i < 2 ? ',' : '\0'))
			return false;
		s = end + 1;
	}
	return true;
}

bool option_description(const char *s)
{
	size_t n;

	for (; *s; s += n) {
		n = *s == '\t' || *s == '\n' ? 1 : cli_text_length(s);
		if (!n)
			return false;
	}
	return true;
}
