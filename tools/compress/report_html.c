// SPDX-License-Identifier: MIT
/*
 * The report as one page that needs nothing else: no script, no other file, and a policy that
 * would keep a browser from fetching any. It is well-formed XML as well as HTML.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/svg.h"
#include "report.h"

/* 1234567 as 1,234,567 */
static void count(FILE *out, uint64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v), i;

	for (i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			putc(',', out);
		putc(digits[i], out);
	}
}

/* Three or four digits and a unit of 10^3 */
static void size(FILE *out, uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double v = (double)bytes;
	unsigned int u = 0;

	while (v >= 999.5 && u < 4) {
		v /= 1000;
		u++;
	}
	fprintf(out, u && v < 99.95 ? "%.1f %s" : "%.0f %s", v, units[u]);
}

static double percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

static void signed_number(FILE *out, double v, int digits)
{
	if (!isfinite(v))
		fputs("\xe2\x80\x93", out);
	else
		fprintf(out, "%s%.*g", v < 0 ? "\xe2\x88\x92" : "", digits, fabs(v));
}

static void decibels(FILE *out, double v)
{
	/* The quantizer's own bound, where nothing was lost. */
	fprintf(out, v >= 99 ? "exact" : "%.1f", fabs(v) < 0.05 ? 0 : v);
}

static void tile_begin(FILE *out, const char *title)
{
	fprintf(out, "<div><dt>%s</dt><dd>", title);
}

static void tile_score(FILE *out, const char *title, const struct score *s)
{
	double n = (double)s->labeled;

	if (!s->labeled)
		return;
	tile_begin(out, title);
	fprintf(out, "%.1f&#160;%%</dd><dd>float %.1f&#160;%%; top-5 %.1f&#160;%%, float "
		"%.1f&#160;%%; %zu pictures</dd></div>\n", 100 * (double)s->top1 / n,
		100 * (double)s->float_top1 / n, 100 * (double)s->top5 / n,
		100 * (double)s->float_top5 / n, s->labeled);
}

static void tiles(FILE *out, const struct report *r)
{
	double n = (double)r->weights;

	fputs("<dl class=\"tiles\">\n", out);
	tile_begin(out, "Compression rate");
	fprintf(out, "%.2f\xc3\x97</dd><dd>", report_rate(r));
	if (r->classifier)
		fprintf(out, "%.2f\xc3\x97 without the classifier",
			report_rate_without_classifier(r));
	else
		fputs("of 4 bytes for each weight and bias", out);
	fputs("</dd></div>\n", out);
	tile_begin(out, "Image");
	size(out, r->file_bytes);
	fputs("</dd><dd>", out);
	count(out, r->file_bytes);
	fputs(" bytes; dense ", out);
	size(out, r->dense_bytes);
	fputs("</dd></div>\n", out);
	if (r->weights) {
		tile_begin(out, "Bits a weight");
		fprintf(out, "%.3f</dd><dd>order-0 entropy %.3f</dd></div>\n",
			8 * (double)r->stream_bytes / n, r->entropy / n);
		tile_begin(out, "Weights that are 0");
		fprintf(out, "%.1f&#160;%%</dd><dd>of ", percent((double)r->zeros, n));
		count(out, r->weights);
		fputs("</dd></div>\n", out);
	}
	tile_begin(out, "Same class as the float network");
	fprintf(out, "%.1f&#160;%%</dd><dd>of %zu %s pictures</dd></div>\n", r->agreement,
		r->calibration->pictures, r->o->calibrate ? "calibration" : "random");
	tile_score(out, r->evaluation ? "Top-1, evaluation pictures" : "Top-1, calibration pictures",
		   r->evaluation ? r->evaluation : r->calibration);
	fputs("</dl>\n", out);
}

/* Each option in a box of its own, so that lines break between them. */
static void options(FILE *out, const char *text)
{
	const char *end;
	char one[1024];

	for (; text; text = end ? end + 1 : NULL) {
		end = strstr(text, " --");
		snprintf(one, sizeof(one), "%.*s", end ? (int)(end - text) : (int)sizeof(one) - 1,
			 text);
		fputs("<code>", out);
		svg_escape(out, one);
		fputs("</code> ", out);
	}
}

/* Options within a sentence, which lines must not break in two. */
static void sentence(FILE *out, const char *text)
{
	size_t n;

	for (; *text; text += n) {
		n = strcspn(text, " ,;.");
		n = n ? n : 1;
		if (strncmp(text, "--", 2))
			fprintf(out, "%.*s", (int)n, text);
		else
			fprintf(out, "<code class=\"in\">%.*s</code>", (int)n, text);
	}
}

static void page_header(FILE *out, const struct report *r)
{
	const struct compress_options *o = r->o;

	fputs("<header>\n<p class=\"soft\">Compressed network</p>\n<h1>", out);
	svg_escape(out, basename(o->model));
	fputs("</h1>\n", out);
	if (o->description) {
		fputs("<p>", out);
		svg_escape(out, o->description);
		fputs("</p>\n", out);
	}
	fputs("<p class=\"soft\">", out);
	svg_escape(out, basename(o->output));
	fputs(", made with ", out);
	options(out, o->text);
	fputs("</p>\n", out);
	tiles(out, r);
	if (report_remedy(r)) {
		fprintf(out, "<p class=\"notice\">The image gives the float network\xe2\x80\x99s "
			"class on only %.1f&#160;%% of the pictures: ", r->agreement);
		sentence(out, report_remedy(r));
		fputs(".</p>\n", out);
	}
	fputs("</header>\n", out);
}

/* A part of a stacked bar; @whole is what its full width stands for. */
static void part(FILE *out, const char *class, double bytes, double whole)
{
	fprintf(out, "<i class=\"%s\" style=\"width:%.2f%%\"></i>", class, percent(bytes, whole));
}

/* What of a stream goes to say which weights are 0: its share of the entropy. */
static double mask_bytes(double stream, double mask_entropy, double entropy)
{
	return entropy > 0 ? stream * mask_entropy / entropy : 0;
}

static void step_bar(FILE *out, const char *what, uint64_t bytes, uint64_t whole)
{
	fprintf(out, "<span>%s <b>", what);
	size(out, bytes);
	fputs("</b></span><span class=\"bar\">", out);
	part(out, "values", (double)bytes, (double)whole);
	fputs("</span>\n", out);
}

static void key_bytes(FILE *out, const char *class, const char *what, double bytes, double whole)
{
	fprintf(out, "<li><i class=\"%s\"></i>%s ", class, what);
	size(out, (uint64_t)(bytes + 0.5));
	fprintf(out, ", %.1f&#160;%%</li>\n", percent(bytes, whole));
}

static void section_bytes(FILE *out, const struct report *r)
{
	double file = (double)r->file_bytes, stream = (double)r->stream_bytes;
	double mask = mask_bytes(stream, r->mask_entropy, r->entropy);
	double channels = (double)r->channel_bytes, others = file - stream - channels;

	fputs("<section id=\"bytes\">\n<h2>Where the bytes go</h2>\n<div class=\"steps\">\n", out);
	step_bar(out, "Float, 32 bits", r->dense_bytes, r->dense_bytes);
	step_bar(out, "Quantized", r->packed_bytes, r->dense_bytes);
	step_bar(out, "Coded, the image", r->file_bytes, r->dense_bytes);
	fputs("</div>\n<div class=\"bar big\" aria-hidden=\"true\">", out);
	part(out, "mask", mask, file);
	part(out, "values", stream - mask, file);
	part(out, "channels", channels, file);
	part(out, "others", others, file);
	fputs("</div>\n<ul class=\"key\">\n", out);
	key_bytes(out, "mask", "which weights are 0:", mask, file);
	key_bytes(out, "values", "values of the others:", stream - mask, file);
	key_bytes(out, "channels", "scales and biases of channels:", channels, file);
	key_bytes(out, "others", "layers, names, metadata, padding:", others, file);
	fputs("</ul>\n<p class=\"soft\">The streams of the weights code both at once; they are split in "
	      "proportion to the order-0 entropy of the two.</p>\n</section>\n", out);
}

static const char *mode_name(const struct report_layer *l)
{
	return l->q->f.mode == FQZ_SHIFT ? "shift" : "recentralized";
}

static void shape(FILE *out, const struct report_layer *l)
{
	fprintf(out, "%u\xc3\x97%u\xc3\x97%u\xc3\x97%u", l->shape[0], l->shape[1], l->shape[2],
		l->shape[3]);
}

static double separation(const struct report_layer *l)
{
	return l->q->weights.gmm.steps ? l->q->weights.gmm.separation : NAN;
}

static void table_row(FILE *out, const struct report_layer *l, uint64_t largest)
{
	double stream = (double)l->stream_bytes, whole = (double)largest;
	double mask = mask_bytes(stream, l->mask_entropy, l->entropy);

	fprintf(out, "<tr><td>%u</td><th class=\"name\" scope=\"row\"><a href=\"#layer-%u\">",
		l->index, l->index);
	svg_escape(out, l->name);
	fputs("</a></th><td class=\"l\">", out);
	shape(out, l);
	fprintf(out, "</td><td class=\"l\">%s</td><td>%u</td><td>", mode_name(l), l->q->f.bits);
	if (isfinite(separation(l)))
		fprintf(out, "%.2f", separation(l));
	else
		fputs("\xe2\x80\x93", out);
	fprintf(out, "</td><td>%.1f</td><td>%.2f</td><td>%.2f</td><td class=\"l\">%s</td><td>",
		percent((double)l->zeros, (double)l->weights), l->entropy, report_coded_bits(l),
		fqz_coder_name(l->coder));
	decibels(out, l->q->weight_snr);
	fputs("</td><td>", out);
	decibels(out, l->q->snr);
	fputs("</td><td>", out);
	count(out, l->stream_bytes + l->channel_bytes);
	fputs("</td><td class=\"wide\"><span class=\"bar\">", out);
	part(out, "mask", mask, whole);
	part(out, "values", stream - mask, whole);
	part(out, "channels", (double)l->channel_bytes, whole);
	fputs("</span></td></tr>\n", out);
}

static void section_layers(FILE *out, const struct report *r)
{
	uint64_t largest = 1, bytes = 0;
	double n = (double)r->weights;
	uint32_t i;

	for (i = 0; i < r->layer_count; i++) {
		uint64_t b = r->layers[i].stream_bytes + r->layers[i].channel_bytes;

		largest = b > largest ? b : largest;
		bytes += b;
	}
	fputs("<section id=\"layers\">\n<h2>Layers</h2>\n<p class=\"soft\"><b>n</b>: bits before "
	      "coding. <b>W</b>: Wasserstein separation of the two fitted components. "
	      "<b>0&#160;%</b>: weights that are 0. <b>H</b>: order-0 entropy, <b>coded</b>: what the "
	      "stream takes, both in bits a weight. <b>dB</b>: signal to noise of the quantized "
	      "weights, and of the layer\xe2\x80\x99s output with all layers before it quantized."
	      "</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Layers\"><table>\n"
	      "<thead><tr><th scope=\"col\">#</th><th class=\"l\" scope=\"col\">layer</th>"
	      "<th class=\"l\" scope=\"col\">shape</th><th class=\"l\" scope=\"col\">mode</th>"
	      "<th scope=\"col\">n</th><th scope=\"col\">W</th><th scope=\"col\">0&#160;%</th>"
	      "<th scope=\"col\">H</th><th scope=\"col\">coded</th>"
	      "<th class=\"l\" scope=\"col\">coder</th>"
	      "<th scope=\"col\">dB<br/>weights</th><th scope=\"col\">dB<br/>output</th>"
	      "<th scope=\"col\">bytes</th><th class=\"l\" scope=\"col\">where</th></tr></thead>\n"
	      "<tbody>\n", out);
	for (i = 0; i < r->layer_count; i++)
		table_row(out, &r->layers[i], largest);
	fprintf(out, "</tbody>\n<tfoot><tr><td></td><th class=\"l\" scope=\"row\">all</th>"
		"<td class=\"l\" colspan=\"4\">");
	count(out, r->weights);
	fprintf(out, " weights</td><td>%.1f</td><td>%.2f</td><td>%.2f</td><td colspan=\"3\"></td><td>",
		percent((double)r->zeros, n), r->entropy / n, 8 * (double)r->stream_bytes / n);
	count(out, bytes);
	fputs("</td><td></td></tr></tfoot>\n</table></div>\n</section>\n", out);
}

static void fact_begin(FILE *out, const char *name)
{
	fprintf(out, "<tr><th scope=\"row\">%s</th><td>", name);
}

static void fact_end(FILE *out)
{
	fputs("</td></tr>\n", out);
}

static void power(FILE *out, int exponent)
{
	fprintf(out, "2<sup>%d</sup>", exponent);
}

static void facts_mixture(FILE *out, const struct report_layer *l)
{
	const struct gmm *g = &l->q->weights.gmm;
	int c;

	if (!g->steps) {
		fact_begin(out, "mixture");
		fputs("none: not two weights of either sign", out);
		fact_end(out);
		return;
	}
	fact_begin(out, "separation W");
	fprintf(out, "%.3g%s", g->separation, g->usable ? "" : ", but not one peak of either sign");
	fact_end(out);
	for (c = 0; c < 2; c++) {
		fact_begin(out, c ? "component +" : "component \xe2\x88\x92");
		fputs("\xce\xbc ", out);
		signed_number(out, g->mean[c], 3);
		fprintf(out, ", \xcf\x83 %.3g, %.1f&#160;%%", g->sigma[c], 100 * g->lambda[c]);
		fact_end(out);
	}
}

static void facts_alphabet(FILE *out, const struct report_layer *l)
{
	const struct fqz_layer *f = &l->q->f;

	fact_begin(out, "shift values");
	fputs("\xc2\xb1", out);
	power(out, (int)f->first_exponent);
	fputs(" to \xc2\xb1", out);
	power(out, (int)(f->first_exponent + f->exponent_count) - 1);
	fputs(" times S", out);
	fact_end(out);
	if (f->mode == FQZ_RECENTRALIZED) {
		fact_begin(out, "means");
		fputs("\xe2\x88\x92", out);
		power(out, (int)f->mean_neg);
		fputs(" and +", out);
		power(out, (int)f->mean_pos);
		fputs(" times S: ", out);
		signed_number(out, -ldexp(l->scale, (int)f->mean_neg), 3);
		fputs(" and ", out);
		signed_number(out, ldexp(l->scale, (int)f->mean_pos), 3);
		fact_end(out);
	}
	fact_begin(out, "scale S");
	fprintf(out, "%.3g", l->scale);
	if (!l->one_scale)
		fprintf(out, ", the median; by channel %.3g to %.3g", l->scale_min, l->scale_max);
	fact_end(out);
	fact_begin(out, "shift bias b");
	if (isfinite(l->shift_bias) && l->one_scale)
		fprintf(out, "%.0f", l->shift_bias);
	else if (isfinite(l->shift_bias))
		fprintf(out, "%.1f, the median channel\xe2\x80\x99s", l->shift_bias);
	else
		fputs("\xe2\x80\x93", out);
	fact_end(out);
}

static void facts(FILE *out, const struct report_layer *l)
{
	fputs("<table class=\"facts\"><tbody>\n", out);
	fact_begin(out, "weights");
	count(out, l->weights);
	fputs(" = ", out);
	shape(out, l);
	if (l->groups > 1)
		fprintf(out, " in %u groups", l->groups);
	fact_end(out);
	fact_begin(out, "0 after / before");
	fprintf(out, "%.2f&#160;%% / %.2f&#160;%%", percent((double)l->zeros, (double)l->weights),
		percent((double)l->zeros_before, (double)l->weights));
	fact_end(out);
	facts_mixture(out, l);
	fact_begin(out, "mode");
	fprintf(out, "%s, %u bits", mode_name(l), l->q->f.bits);
	fact_end(out);
	facts_alphabet(out, l);
	fact_begin(out, "bits a weight");
	fprintf(out, "%.3f by %s, entropy %.3f", report_coded_bits(l), fqz_coder_name(l->coder),
		l->entropy);
	fact_end(out);
	fact_begin(out, "bytes");
	count(out, l->stream_bytes);
	fputs(" weights, ", out);
	count(out, l->channel_bytes);
	fputs(" channels", out);
	fact_end(out);
	fact_begin(out, "signal to noise");
	decibels(out, l->q->weight_snr);
	fputs(l->q->weight_snr >= 99 ? " weights, " : " dB weights, ", out);
	decibels(out, l->q->snr);
	fputs(l->q->snr >= 99 ? " output" : " dB output", out);
	fact_end(out);
	fputs("</tbody></table>\n", out);
}

/* Beside @what, how many weights the figure does not show. */
static void caption(FILE *out, const char *what, uint64_t outside, uint64_t of)
{
	fprintf(out, "<figcaption>%s", what);
	if (outside)
		fprintf(out, "; %.2g&#160;%% lie outside", percent((double)outside, (double)of));
	fputs("</figcaption>\n", out);
}

static void layer_article(FILE *out, const struct report_layer *l,
			  const struct report_histograms *h)
{
	uint64_t after = l->weights - l->zeros;

	fprintf(out, "<article id=\"layer-%u\">\n<header><h3>", l->index);
	svg_escape(out, l->name);
	fprintf(out, "</h3><span class=\"soft\">layer %u, %s, %.1f&#160;%% of the weights are 0"
		"</span></header>\n<div class=\"cols\"><div>\n<figure>\n", l->index, mode_name(l),
		percent((double)l->zeros, (double)l->weights));
	caption(out, "Before: weights by value, with the mixture over them", h->value.outside,
		l->weights - l->zeros_before);
	report_svg_before(out, l, &h->value);
	fputs("</figure>\n<figure>\n", out);
	caption(out, l->one_scale ? "After: how many took each level, same axis" :
		"After: quantized weights by value, same axis", h->value.outside_after, after);
	report_svg_after(out, l, &h->value);
	fputs("</figure>\n", out);
	if (!l->one_scale) {
		fputs("<figure>\n", out);
		caption(out, "Levels, in units of each channel\xe2\x80\x99s scale S; behind them the "
			"float weights divided by it", 0, after);
		report_svg_levels(out, l, &h->unit);
		fputs("</figure>\n", out);
	}
	fputs("</div>\n", out);
	facts(out, l);
	fputs("</div>\n</article>\n", out);
}

static int section_weights(FILE *out, const struct report *r)
{
	bool feedback = r->o->quantize.feedback;
	struct report_histograms *h = malloc(sizeof(*h));
	uint32_t i;
	int rc = h ? 0 : -ENOMEM;

	fprintf(out, "<section id=\"weights\">\n<h2>Weights, layer by layer</h2>\n"
		"<p>Before is what was quantized: the file\xe2\x80\x99s weights with batch "
		"normalization folded in%s. Heights are per cent of the layer\xe2\x80\x99s weights "
		"that did not become 0, on linear scales, so equal areas are equal numbers of "
		"weights; those that became 0 may reach beyond the upper edge.</p>\n", feedback ?
		", and with the channels of successive layers scaled against each other where that "
		"evens them out, which leaves what the network computes as it is" : "");
	fputs("<ul class=\"key\">\n<li><i class=\"kept\"></i>float weights</li>\n"
	      "<li><i class=\"zeroed\"></i>those that became 0</li>\n"
	      "<li><i class=\"neg\"></i>component \xe2\x88\x92</li>\n"
	      "<li><i class=\"pos\"></i>component +</li>\n<li><i class=\"sum\"></i>both</li>\n"
	      "<li><i class=\"stem\"></i>quantized weights that are not 0</li>\n</ul>\n", out);
	for (i = 0; !rc && i < r->layer_count; i++) {
		rc = report_histograms_fill(r, &r->layers[i], h);
		if (!rc)
			layer_article(out, &r->layers[i], h);
	}
	fputs("</section>\n", out);
	free(h);
	return rc;
}

int report_html(FILE *out, const struct report *r)
{
	int rc = 0;

	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
	      "<meta http-equiv=\"Content-Security-Policy\" "
	      "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n<title>", out);
	svg_escape(out, basename(r->o->model));
	fprintf(out, ", compressed</title>\n<style>%s</style>\n</head>\n<body>\n", report_style);
	page_header(out, r);
	fputs("<main>\n", out);
	section_bytes(out, r);
	if (r->layer_count) {
		section_layers(out, r);
		rc = section_weights(out, r);
	}
	fputs("</main>\n<footer>fqaccel-compress " FQACCEL_VERSION "</footer>\n</body>\n</html>\n",
	      out);
	return rc;
}
