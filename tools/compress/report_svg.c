// SPDX-License-Identifier: MIT
/*
 * The figures of the report's page: the paper's Figures 1 to 3, layer by layer. Scales are
 * linear, so that a share of the area is a share of the weights and the mixture's densities add
 * up to the histogram; weights that are 0 would dwarf all others and are told as a number.
 *
 * Colors are classes, which the page's style gives colors for light and dark.
 */
#include <math.h>

#include "common/svg.h"
#include "report.h"

#define SVG_WIDTH	560
#define SVG_LEFT	60
#define SVG_RIGHT	10
#define SVG_TOP		14	/* half a number above the highest line */
#define SVG_AXIS	30	/* below the plot */
#define SVG_TICKS	6	/* on an axis, about */
#define SVG_LETTER	11	/* widest letter of a number, where the style makes it 17 high */
#define SVG_FLAT	0.004	/* of the plot's height: curves below are left out */

/* Where a figure's values lie. */
struct plot {
	FILE *out;
	double from, to;	/* across */
	double top;		/* value at the upper edge */
	int height;		/* of the plot itself */
};

static double plot_x(const struct plot *p, double v)
{
	return SVG_LEFT + (v - p->from) / (p->to - p->from) * (SVG_WIDTH - SVG_LEFT - SVG_RIGHT);
}

/* What is above the upper edge ends there. */
static double plot_y(const struct plot *p, double v)
{
	return SVG_TOP + p->height * (1 - fmin(v / p->top, 1));
}

static double bin_edge(const struct report_bins *b, unsigned int i)
{
	return b->from + (b->to - b->from) * i / REPORT_BINS;
}

static void begin(struct plot *p, const struct report_layer *l, const char *figure,
		  const char *title, const char *description)
{
	fprintf(p->out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s-%u\" "
		"aria-describedby=\"%s-%u-d\">\n<title id=\"%s-%u\">", SVG_WIDTH,
		SVG_TOP + p->height + SVG_AXIS, figure, l->index, figure, l->index, figure,
		l->index);
	svg_escape(p->out, title);
	svg_escape(p->out, l->name);
	fprintf(p->out, "</title>\n<desc id=\"%s-%u-d\">%s</desc>\n", figure, l->index,
		description);
}

/* The number at a tick; returns its width on a narrow screen, where letters are largest. */
static double tick_text(char *text, size_t room, double v)
{
	int n = snprintf(text, room, "%.6g", fabs(v));

	return (n + (v < 0)) * SVG_LETTER;
}

/* Ticks across; numbers at so many of them that they neither touch nor leave the picture. */
static void axis_across(const struct plot *p)
{
	double step = svg_nice_step(p->to - p->from, SVG_TICKS), width = 0, x;
	int base = SVG_TOP + p->height, first = (int)ceil(p->from / step), every, i;
	char text[32];

	for (i = first; i * step <= p->to; i++)
		width = fmax(width, tick_text(text, sizeof(text), i * step));
	every = (int)ceil((width + SVG_LETTER) / (plot_x(p, step) - plot_x(p, 0)));
	for (i = first; i * step <= p->to; i++) {
		x = plot_x(p, i * step);
		width = tick_text(text, sizeof(text), i * step);
		fprintf(p->out, "<path class=\"a\" d=\"M%.1f %dv4\"/>", x, base);
		if (i % every == 0 && x - width / 2 > 0 && x + width / 2 < SVG_WIDTH)
			fprintf(p->out, "<text class=\"m\" x=\"%.1f\" y=\"%d\">%s%s</text>\n", x,
				base + 19, i < 0 ? "\xe2\x88\x92" : "", text);
	}
	fprintf(p->out, "<path class=\"a\" d=\"M%d %dH%d\"/>\n", SVG_LEFT, base,
		SVG_WIDTH - SVG_RIGHT);
}

/* Grid, ticks and numbers; values upward are shares in per cent. */
static void axes(const struct plot *p)
{
	double up = svg_nice_step(p->top, 3);
	int i;

	for (i = 1; i * up <= p->top; i++)
		fprintf(p->out, "<path class=\"g\" d=\"M%d %.1fH%d\"/><text class=\"e\" x=\"%d\" "
			"y=\"%.1f\">%.4g%%</text>\n", SVG_LEFT, plot_y(p, i * up),
			SVG_WIDTH - SVG_RIGHT, SVG_LEFT - 6, plot_y(p, i * up) + 4, i * up);
	axis_across(p);
}

/* The outline of a histogram: @counts in units of @whole / 100. */
static void outline(const struct plot *p, const struct report_bins *b, const uint64_t *counts,
		    const uint64_t *below, double whole, const char *class)
{
	double base = SVG_TOP + p->height, y = base, before;
	unsigned int i;

	fprintf(p->out, "<path class=\"%s\" d=\"M%.1f %.1f", class, plot_x(p, b->from), base);
	for (i = 0; i < REPORT_BINS; i++) {
		before = y;
		y = plot_y(p, 100 * (double)(counts[i] + (below ? below[i] : 0)) / whole);
		if (fabs(y - before) < 0.05)
			y = before;
		else
			fprintf(p->out, "H%.1fV%.1f", plot_x(p, bin_edge(b, i)), y);
	}
	fprintf(p->out, "H%.1fV%.1fZ\"/>\n", plot_x(p, b->to), base);
}

static double largest(const uint64_t *counts)
{
	uint64_t top = 0;
	unsigned int i;

	for (i = 0; i < REPORT_BINS; i++)
		top = counts[i] > top ? counts[i] : top;
	return (double)top;
}

/* Share of a component's weights below @v. */
static double normal_below(const struct gmm *g, int c, double v)
{
	return 0.5 * erfc((g->mean[c] - v) / (g->sigma[c] * M_SQRT2));
}

/* How many weights the mixture expects in a bin; @c: of one component, 2: of both. */
static double expected(const struct gmm *g, int c, const struct report_bins *b, unsigned int i)
{
	double n = 0;
	int k;

	for (k = 0; k < 2; k++)
		if (c == 2 || c == k)
			n += g->lambda[k] * (normal_below(g, k, bin_edge(b, i + 1)) -
					     normal_below(g, k, bin_edge(b, i)));
	return n * g->count;
}

static void curve(const struct plot *p, const struct gmm *g, int c, const struct report_bins *b,
		  double whole, const char *class)
{
	const char *pen = "M";
	unsigned int i;

	fprintf(p->out, "<path class=\"%s\" d=\"", class);
	for (i = 0; i < REPORT_BINS; i++) {
		double v = 100 * expected(g, c, b, i) / whole;

		/* Dashes along the axis would say nothing. */
		if (v < SVG_FLAT * p->top) {
			pen = "M";
			continue;
		}
		fprintf(p->out, "%s%.1f %.1f", pen,
			(plot_x(p, bin_edge(b, i)) + plot_x(p, bin_edge(b, i + 1))) / 2,
			plot_y(p, v));
		pen = "L";
	}
	fputs("\"/>\n", p->out);
}

/* A vertical line. */
static void mark(const struct plot *p, double v, const char *class)
{
	if (v > p->from && v < p->to)
		fprintf(p->out, "<path class=\"%s\" d=\"M%.1f %dV%d\"/>\n", class, plot_x(p, v),
			SVG_TOP + p->height, SVG_TOP);
}

static double not_zero(const struct report_layer *l)
{
	double n = (double)(l->weights - l->zeros);

	return n > 0 ? n : 1;
}

void report_svg_before(FILE *out, const struct report_layer *l, const struct report_bins *b)
{
	static const char *const curves[] = { "neg", "pos" };
	static const char *const strokes[] = { "neg mean", "pos mean" };
	struct plot p = { out, b->from, b->to, 0, 170 };
	const struct gmm *g = &l->q->weights.gmm;
	double whole = not_zero(l);
	unsigned int i;
	int c;

	p.top = largest(b->kept);
	for (i = 0; i < REPORT_BINS && g->steps; i++)
		p.top = fmax(p.top, expected(g, 2, b, i));
	p.top = p.top > 0 ? 106 * p.top / whole : 1;
	begin(&p, l, "before", "Weights before quantization: ",
	      "Histogram of the float weights, with the density of the fitted mixture's two "
	      "components and of their sum");
	axes(&p);
	/* Those that became 0 lie on top of the others, and may reach beyond the edge. */
	outline(&p, b, b->kept, b->zeroed, whole, "zeroed");
	outline(&p, b, b->kept, NULL, whole, "kept");
	if (g->steps)
		curve(&p, g, 2, b, whole, "sum");
	for (c = 0; c < 2 && g->steps; c++) {
		curve(&p, g, c, b, whole, curves[c]);
		mark(&p, g->mean[c], strokes[c]);
	}
	fputs("</svg>\n", out);
}

/* The share of each level in per cent of the weights that are not 0, pruned ones left out. */
static double level_shares(const struct report_layer *l, double *shares)
{
	const struct quant_alphabet *a = &l->q->weights.alphabet;
	double whole = not_zero(l), top = 0;
	unsigned int i, s;

	for (i = 0; i < a->count; i++)
		shares[i] = 0;
	for (s = 1; s < FQZ_MAX_ALPHABET; s++)
		if (l->symbol_count[s]) {
			i = quant_nearest_level(a, (float)a->weight[s]);
			shares[i] += 100 * (double)l->symbol_count[s] / whole;
			top = fmax(top, shares[i]);
		}
	return top;
}

static void stems(const struct plot *p, const struct report_layer *l, const double *shares,
		  double scale)
{
	const struct quant_alphabet *a = &l->q->weights.alphabet;
	unsigned int i;

	for (i = 0; i < a->count; i++) {
		double v = a->level[i] * scale;

		if (shares[i] > 0 && v >= p->from && v <= p->to)
			fprintf(p->out, "<path class=\"stem\" d=\"M%.1f %dV%.1f\"/>", plot_x(p, v),
				SVG_TOP + p->height, plot_y(p, shares[i]));
	}
	putc('\n', p->out);
}

void report_svg_after(FILE *out, const struct report_layer *l, const struct report_bins *b)
{
	struct plot p = { out, b->from, b->to, 0, 110 };
	double shares[FQZ_MAX_ALPHABET];
	bool one = l->one_scale;

	p.top = 1.06 * (one ? level_shares(l, shares) : 100 * largest(b->after) / not_zero(l));
	p.top = p.top > 0 ? p.top : 1;
	begin(&p, l, "after", "Weights after quantization: ",
	      one ? "How many weights took each of the levels" :
	      "Histogram of the quantized weights on the axis of the figure before");
	axes(&p);
	if (one)
		stems(&p, l, shares, l->q->weights.scale[0]);
	else
		outline(&p, b, b->after, NULL, not_zero(l), "after");
	fputs("</svg>\n", out);
}

void report_svg_levels(FILE *out, const struct report_layer *l, const struct report_bins *b)
{
	struct plot p = { out, b->from, b->to, 0, 110 };
	double shares[FQZ_MAX_ALPHABET], top = level_shares(l, shares), peak = largest(b->kept);

	p.top = top > 0 ? 1.06 * top : 1;
	begin(&p, l, "levels", "Levels of the weights, in units of the channel's scale: ",
	      "How many weights took each of the levels; behind them the float weights, divided by "
	      "their channel's scale");
	axes(&p);
	/* The histogram's height means nothing here: its highest bin takes 60 % of the plot. */
	if (peak > 0)
		outline(&p, b, b->kept, NULL, 100 * peak / (0.6 * p.top), "ghost");
	stems(&p, l, shares, 1);
	fputs("</svg>\n", out);
}
