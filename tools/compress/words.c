// SPDX-License-Identifier: MIT
/* Words that options and configurations share. */
#include <string.h>

#include "compress.h"

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
