// SPDX-License-Identifier: MIT
/* The report for programs; fqaccel-compress(1) says what each member is. */
#include <math.h>

#include "common/cli.h"
#include "report.h"
#include "search.h"

static void member_string(FILE *out, const char *name, const char *value)
{
	fprintf(out, "\"%s\": ", name);
	if (value)
		cli_json_string(out, value);
	else
		fputs("null", out);
	fputs(", ", out);
}

static void member_count(FILE *out, const char *name, uint64_t v)
{
	fprintf(out, "\"%s\": %llu, ", name, (unsigned long long)v);
}

/* JSON has no words for what is no number. */
static void value(FILE *out, double v)
{
	if (isfinite(v))
		fprintf(out, "%.9g", v);
	else
		fputs("null", out);
}

static void member(FILE *out, const char *name, double v)
{
	fprintf(out, "\"%s\": ", name);
	value(out, v);
	fputs(", ", out);
}

static double share(double count, double total)
{
	return total > 0 ? count / total : NAN;
}

static void print_score(FILE *out, const char *name, const struct score *s)
{
	double n;

	fprintf(out, "\"%s\": ", name);
	if (!s) {
		fputs("null, ", out);
		return;
	}
	n = (double)s->labeled;
	putc('{', out);
	member_count(out, "pictures", s->pictures);
	member(out, "agreement", share((double)s->agree, (double)s->pictures));
	member_count(out, "labeled", s->labeled);
	member(out, "top1", share((double)s->top1, n));
	member(out, "top5", share((double)s->top5, n));
	member(out, "float_top1", share((double)s->float_top1, n));
	fputs("\"float_top5\": ", out);
	value(out, share((double)s->float_top5, n));
	fputs("}, ", out);
}

static void print_bytes(FILE *out, const struct report *r)
{
	fputs("\"bytes\": {", out);
	member_count(out, "file", r->file_bytes);
	member_count(out, "weights", r->stream_bytes);
	member_count(out, "channels", r->channel_bytes);
	member_count(out, "others", r->file_bytes - r->stream_bytes - r->channel_bytes);
	fprintf(out, "\"dense\": %llu},\n ", (unsigned long long)r->dense_bytes);
	member(out, "compression_rate", report_rate(r));
	fputs("\"without_classifier\": ", out);
	if (r->classifier) {
		putc('{', out);
		member_string(out, "layer", r->classifier->name);
		member_count(out, "dense", r->dense_bytes - r->classifier_dense);
		fputs("\"compression_rate\": ", out);
		value(out, report_rate_without_classifier(r));
		putc('}', out);
	} else {
		fputs("null", out);
	}
	fputs(",\n ", out);
}

static void print_mixture(FILE *out, const struct gmm *g)
{
	fputs("\"mixture\": ", out);
	if (!g->steps) {
		fputs("null,\n   ", out);
		return;
	}
	fprintf(out, "{\"lambda\": [%.9g, %.9g], \"mean\": [%.9g, %.9g], "
		"\"sigma\": [%.9g, %.9g]}, ", g->lambda[0], g->lambda[1], g->mean[0], g->mean[1],
		g->sigma[0], g->sigma[1]);
	fprintf(out, "\"two_peaks\": %s,\n   ", g->usable ? "true" : "false");
}

static void print_alphabet(FILE *out, const struct report_layer *l)
{
	const struct fqz_layer *f = &l->q->f;
	const struct quant_alphabet *a = &l->q->weights.alphabet;
	unsigned int s, count = fqz_layer_alphabet(f);

	member_string(out, "mode", f->mode == FQZ_SHIFT ? "shift" : "recentralized");
	member_count(out, "bits", f->bits);
	fprintf(out, "\"shift_exponents\": [%u, %u], ", f->first_exponent,
		f->first_exponent + f->exponent_count - 1);
	if (f->mode == FQZ_SHIFT)
		fputs("\"mean_exponents\": null, ", out);
	else
		fprintf(out, "\"mean_exponents\": [%u, %u], ", f->mean_neg, f->mean_pos);
	member(out, "b", l->shift_bias);
	member(out, "scale", l->scale);
	fprintf(out, "\"scale_range\": [%.9g, %.9g],\n   \"symbols\": [", l->scale_min, l->scale_max);
	for (s = 0; s < count; s++)
		fprintf(out, "%s[%d, %llu]", s ? ", " : "", a->weight[s],
			(unsigned long long)l->symbol_count[s]);
	fputs("],\n   ", out);
}

static void print_layer(FILE *out, const struct report_layer *l)
{
	const struct gmm *g = &l->q->weights.gmm;

	fputs("  {", out);
	member_count(out, "index", l->index);
	member_string(out, "name", l->name);
	fprintf(out, "\"shape\": [%u, %u, %u, %u], ", l->shape[0], l->shape[1], l->shape[2],
		l->shape[3]);
	member_count(out, "groups", l->groups);
	member_count(out, "weights", l->weights);
	member_count(out, "zeros", l->zeros);
	member_count(out, "zeros_before", l->zeros_before);
	fputs("\n   ", out);
	member(out, "separation", g->steps ? g->separation : NAN);
	print_mixture(out, g);
	print_alphabet(out, l);
	member_string(out, "coder", fqz_coder_name(l->coder));
	member_count(out, "stream_bytes", l->stream_bytes);
	member_count(out, "channel_bytes", l->channel_bytes);
	member(out, "entropy", l->entropy);
	member(out, "mask_entropy", l->mask_entropy);
	member(out, "coded_bits", report_coded_bits(l));
	member(out, "weight_snr_db", l->q->weight_snr);
	fputs("\"output_snr_db\": ", out);
	value(out, l->q->snr);
	putc('}', out);
}

void report_json(FILE *out, const struct report *r)
{
	double n = (double)r->weights;
	uint32_t i;

	fputs("{", out);
	member_string(out, "encoder", "fqaccel-compress " FQACCEL_VERSION);
	member_string(out, "model", r->o->model);
	member_string(out, "image", r->o->output);
	member_string(out, "options", r->o->text);
	fprintf(out, "\"source_crc32c\": \"%08x\",\n ", r->info->source_crc);
	print_bytes(out, r);
	member_count(out, "weights", r->weights);
	member_count(out, "zeros", r->zeros);
	member(out, "entropy", r->entropy / n);
	member(out, "mask_entropy", r->mask_entropy / n);
	member(out, "coded_bits", 8 * (double)r->stream_bytes / n);
	fputs("\n ", out);
	print_score(out, "calibration", r->calibration);
	fprintf(out, "\"synthetic\": %s,\n ", r->o->calibrate ? "false" : "true");
	print_score(out, "evaluation", r->evaluation);
	member_string(out, "advice", report_remedy(r));
	if (r->search) {
		fputs("\n \"search\": ", out);
		search_json(out, r->search);
		fputs(",", out);
	}
	fputs("\n \"layers\": [\n", out);
	for (i = 0; i < r->layer_count; i++) {
		print_layer(out, &r->layers[i]);
		fputs(i + 1 < r->layer_count ? ",\n" : "\n", out);
	}
	fputs(" ]}\n", out);
}
