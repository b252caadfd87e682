// SPDX-License-Identifier: MIT
/* What the search says (search.h). */
#include <inttypes.h>
#include <string.h>

#include "search.h"

/* Ways of layer after layer, "BITS/SPARSITY" in percent, with "xN" where N follow each other. */
static size_t plan_text(const struct search *s, const uint8_t *ways, char *text, size_t len)
{
	size_t n = 0, part;
	uint32_t i, k;
	char one[64];

	text[0] = '\0';
	for (i = 0; i < s->layer_count; i += k) {
		const struct search_way *w = &s->ways[ways[i]];

		for (k = 1; i + k < s->layer_count && ways[i + k] == ways[i]; k++)
			;
		part = (size_t)snprintf(one, sizeof(one), "%s%u/%g", i ? " " : "", w->bits,
					100 * w->sparsity);
		if (k > 1)
			part += (size_t)snprintf(one + part, sizeof(one) - part, "x%" PRIu32, k);
		if (n + part + 4 >= len) {
			snprintf(text + n, len - n, "...");
			return n + 3;
		}
		memcpy(text + n, one, part + 1);
		n += part;
	}
	return n;
}

/* Without the constraint: what a plan weighs must not depend on what asks for it. */
void search_describe(const struct search *s, const struct search_pass *p, char *text, size_t len)
{
	int n;

	n = snprintf(text, len, "%s, by a search bits/sparsity in %% by layer: ", s->o->text);
	if (n > 0 && (size_t)n + 8 < len)
		plan_text(s, p->ways, text + n, len - (size_t)n);
}

static double percent(size_t part, size_t all)
{
	return all ? 100 * (double)part / (double)all : 0;
}

static void print_pass(const struct search *s, const struct search_pass *p, bool chosen)
{
	const struct score *e = s->evaluation ? &p->evaluation : &p->calibration;

	printf("%c %9zu %7.2f %5.2f %6.1f %11.4f %10.1f", chosen ? '*' : ' ', p->bytes, p->cr,
	       p->bits, 100 * p->zeros, p->calibration.divergence,
	       percent(p->calibration.agree, p->calibration.pictures));
	if (e->labeled)
		printf(" %6.2f", percent(e->top1, e->labeled));
	printf(" %6.2f\n", search_loss(s, p));
}

void search_print(const struct search *s)
{
	const struct score *e = s->evaluation ? &s->known[s->chosen].evaluation :
				&s->known[s->chosen].calibration;
	char text[512];
	uint32_t i;

	printf("search: the plans that were measured, the chosen one marked\n");
	printf("      bytes      CR  bits  zeros  divergence  agreement%s   loss\n",
	       e->labeled ? "  top-1" : "");
	for (i = 0; i < s->pass_count; i++)
		print_pass(s, &s->known[s->passes[i]], s->passes[i] == s->chosen);
	plan_text(s, s->known[s->chosen].ways, text, sizeof(text));
	printf("bits/sparsity in %% by layer: %s\n", text);
	if (!s->evaluation)
		printf("measured on the pictures that it was calibrated on, which flatters: "
		       "--evaluate on others\n");
}

static void json_score(FILE *out, const char *name, const struct score *s)
{
	fprintf(out, ", \"%s\": {\"pictures\": %zu, \"divergence\": %.6g, \"agreement\": %.2f", name,
		s->pictures, s->divergence, percent(s->agree, s->pictures));
	if (s->labeled)
		fprintf(out, ", \"top1\": %.2f, \"float_top1\": %.2f",
			percent(s->top1, s->labeled), percent(s->float_top1, s->labeled));
	fputc('}', out);
}

void search_json(FILE *out, const struct search *s)
{
	uint32_t i, k;

	fprintf(out, "{\"%s\": %g, \"passes\": [", s->o->target_cr > 0 ? "target_cr" : "max_loss",
		s->o->target_cr > 0 ? s->o->target_cr : s->o->max_loss);
	for (i = 0; i < s->pass_count; i++) {
		const struct search_pass *p = &s->known[s->passes[i]];

		fprintf(out, "%s\n  {\"chosen\": %s, \"bytes\": %zu, \"cr\": %.4f, \"bits\": %.3f, "
			"\"zeros\": %.4f, \"loss\": %.2f", i ? "," : "",
			s->passes[i] == s->chosen ? "true" : "false", p->bytes, p->cr, p->bits,
			p->zeros, search_loss(s, p));
		json_score(out, "calibration", &p->calibration);
		if (s->evaluation)
			json_score(out, "evaluation", &p->evaluation);
		fprintf(out, ",\n   \"plan\": [");
		for (k = 0; k < s->layer_count; k++)
			fprintf(out, "%s{\"layer\": %" PRIu32 ", \"bits\": %u, \"sparsity\": %g}",
				k ? ", " : "", s->layers[k].layer, s->ways[p->ways[k]].bits,
				s->ways[p->ways[k]].sparsity);
		fprintf(out, "]}");
	}
	fprintf(out, "]}");
}
