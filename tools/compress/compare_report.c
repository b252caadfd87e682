// SPDX-License-Identifier: MIT
/* What --compare says (compare.h). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/cli.h"
#include "compare.h"

#define REPORT_NAMED	3	/* layers that the verdict names at most */
#define REPORT_FALL	3.0	/* dB; what falls by less is not to blame alone */
#define REPORT_FINE	25.0	/* dB; weights and layers above it are not to blame */
#define REPORT_PRUNED	0.3	/* share of weights */

/*
 * The layers where the cumulative ratio falls most: the deepest fall, and those at least half as
 * deep. In order of the fall.
 */
static uint32_t find_worst(const struct comparison *c, uint32_t worst[REPORT_NAMED])
{
	uint32_t n = 0, i, k;

	for (i = 0; i < c->net->layer_count; i++) {
		double fall = c->layers[i].fall;

		if (fall < REPORT_FALL)
			continue;
		for (k = n; k > 0 && c->layers[worst[k - 1]].fall < fall; k--)
			if (k < REPORT_NAMED)
				worst[k] = worst[k - 1];
		if (k < REPORT_NAMED)
			worst[k] = i;
		n += n < REPORT_NAMED;
	}
	while (n > 1 && c->layers[worst[n - 1]].fall < c->layers[worst[0]].fall / 2)
		n--;
	return n;
}

/* What a user may do about a layer. */
static void advise(const struct comparison *c, uint32_t i, char *text, size_t len)
{
	const struct compare_layer *r = &c->layers[i];
	const char *name = c->net->layers[i].name;

	if (r->weights < REPORT_FINE && r->zeros >= REPORT_PRUNED)
		snprintf(text, len, "prune it less: a --config file with '%.200s sparsity=%.2g'", name,
			 r->zeros / 2);
	else if (r->weights < REPORT_FINE && c->img->layers[i].bits < 8)
		snprintf(text, len, "--keep '%.200s'=8", name);
	else if (r->weights < REPORT_FINE)
		snprintf(text, len, "more or other pictures for --calibrate, or fine-tune the network");
	else if (r->isolated < REPORT_FINE)
		snprintf(text, len, "another --calibration (minmax, percentile, mse), or pictures for "
			 "--calibrate that are more like these");
	else
		snprintf(text, len, "it enlarges errors that arrive: more --bits for the layers before");
}

static void print_layer(const struct comparison *c, uint32_t i, bool worst)
{
	const struct fqz_layer *f = &c->img->layers[i];
	const struct compare_layer *r = &c->layers[i];
	char weights[24] = "", bits[16] = "";

	if (fqz_layer_has_weights(f)) {
		snprintf(weights, sizeof(weights), "%.1f", r->weights);
		snprintf(bits, sizeof(bits), "%u", f->bits);
	}
	printf("%-10s %4s %8s %9.1f %11.1f %6.1f %c %s\n", fqz_kind_name(f->kind), bits, weights,
	       r->isolated, r->cumulative, fmax(r->fall, 0), worst ? '*' : ' ',
	       c->net->layers[i].name);
}

static bool among(uint32_t i, const uint32_t *list, uint32_t n)
{
	while (n--)
		if (list[n] == i)
			return true;
	return false;
}

static void print_text(const struct comparison *c)
{
	uint32_t worst[REPORT_NAMED], n = find_worst(c, worst), i;
	char text[512];

	printf("signal to noise in dB over %zu pictures\n", c->set.count);
	printf("kind       bits  weights  isolated  cumulative   fall   layer\n");
	for (i = 0; i < c->net->layer_count; i++)
		print_layer(c, i, among(i, worst, n));
	if (!n)
		printf("no layer stands out: none costs %.0f dB or more\n", REPORT_FALL);
	for (i = 0; i < n; i++) {
		const struct compare_layer *r = &c->layers[worst[i]];

		advise(c, worst[i], text, sizeof(text));
		printf("%s '%s': %.1f dB fall to %.1f dB; try %s\n", i ? "then" : "most is lost at",
		       c->net->layers[worst[i]].name, r->fall, r->cumulative, text);
	}
	printf("same best class as the float network: %.1f %% of %zu pictures\n",
	       100 * (double)c->agree / (double)c->set.count, c->set.count);
}

static void json_layer(const struct comparison *c, uint32_t i)
{
	const struct fqz_layer *f = &c->img->layers[i];
	const struct compare_layer *r = &c->layers[i];

	printf("%s\n  {\"layer\": %" PRIu32 ", \"name\": ", i ? "," : "", i);
	cli_json_string(stdout, c->net->layers[i].name);
	printf(", \"kind\": \"%s\"", fqz_kind_name(f->kind));
	if (fqz_layer_has_weights(f))
		printf(", \"bits\": %u, \"pruned\": %.4f, \"weights_db\": %.2f", f->bits, r->zeros,
		       r->weights);
	printf(", \"isolated_db\": %.2f, \"cumulative_db\": %.2f, \"fall_db\": %.2f}", r->isolated,
	       r->cumulative, r->fall);
}

static void print_json(const struct comparison *c)
{
	uint32_t worst[REPORT_NAMED], n = find_worst(c, worst), i;
	char text[512];

	printf("{\"network\": ");
	cli_json_string(stdout, c->o->model);
	printf(", \"image\": ");
	cli_json_string(stdout, c->o->image);
	printf(", \"same_source\": %s, \"pictures\": %zu, \"same_top1\": %.2f,\n \"layers\": [",
	       c->same_source ? "true" : "false", c->set.count,
	       100 * (double)c->agree / (double)c->set.count);
	for (i = 0; i < c->net->layer_count; i++)
		json_layer(c, i);
	printf("],\n \"worst\": [");
	for (i = 0; i < n; i++) {
		advise(c, worst[i], text, sizeof(text));
		printf("%s{\"layer\": %" PRIu32 ", \"name\": ", i ? ", " : "", worst[i]);
		cli_json_string(stdout, c->net->layers[worst[i]].name);
		printf(", \"try\": ");
		cli_json_string(stdout, text);
		printf("}");
	}
	printf("]}\n");
}

void compare_print(const struct comparison *c)
{
	if (c->o->json)
		print_json(c);
	else
		print_text(c);
}
