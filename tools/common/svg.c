// SPDX-License-Identifier: MIT
/* What pages and figures share. */
#include "svg.h"

#include <math.h>
#include <string.h>

#include "cli.h"

void svg_escape(FILE *out, const char *text)
{
	while (*text) {
		size_t n = cli_text_length(text);

		if (strchr("<>&\"'", *text))
			fprintf(out, "&#%d;", *text);
		/* XML has neither control characters nor U+FFFE and U+FFFF. */
		else if (!n || !strncmp(text, "\xef\xbf\xbe", 3) || !strncmp(text, "\xef\xbf\xbf", 3))
			fputs("\xef\xbf\xbd", out);
		else
			fwrite(text, 1, n, out);
		text += n ? n : 1;
	}
}

double svg_nice_step(double span, double count)
{
	double power = pow(10, floor(log10(span / count))), rest = span / count / power;

	return power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
}
