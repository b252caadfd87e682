// SPDX-License-Identifier: MIT
/*
 * The curves of a training: accuracy above, loss below, over the same epochs, which are divided into the
 * stages. Training is drawn thin and dashed, what was held out thick, so that color is not needed.
 */
#include "curves.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/svg.h"

#define WIDTH		900
#define LEFT		84	/* of the plots, for numbers and what they are */
#define RIGHT		150	/* for what the curves are, and the last stage's name */
#define PLOT		210	/* height of either plot */
#define GAP		26	/* between them */
#define TOP		12
#define BOTTOM		46	/* for epochs */
#define ROW		17	/* height of a line of text */
#define ROWS		8	/* of stages' names; what would need more is left out */
#define LETTER		6.9	/* mean width of a letter, rather more than that */
#define POINTS		60	/* so many values of a curve are also marked one by one */
#define LARGEST		1e12	/* what is beyond is not drawn */
#define DECADES		20	/* from this ratio on the axis of losses is logarithmic */

static const char style[] =
	".b{fill:#fff}text{font:12px system-ui,sans-serif;fill:#59636c}.m{text-anchor:middle}"
	".e{text-anchor:end}.g{stroke:#dde1e4}.a{stroke:#59636c}.s{stroke:#8a949c;"
	"stroke-dasharray:1 3}.z{fill:#f3f5f7}path{fill:none}.t{stroke:#b1500a;stroke-width:1.5;"
	"stroke-dasharray:6 3}.h{stroke:#1f5c99;stroke-width:2.2}path.t,path.h{stroke-linejoin:round}"
	"circle.t{fill:#b1500a;stroke:none}circle.h{fill:#1f5c99;stroke:none}text.t{fill:#b1500a;"
	"stroke:none}text.h{fill:#1f5c99;stroke:none;font-weight:600}"
	"@media(prefers-color-scheme:dark){.b{fill:#14171a}text{fill:#a2abb4}.g{stroke:#343a41}"
	".a{stroke:#a2abb4}.s{stroke:#7d8790}.z{fill:#1d2226}.t{stroke:#f0954a}.h{stroke:#86b9ee}"
	"circle.t,text.t{fill:#f0954a}circle.h,text.h{fill:#86b9ee}}";

/* Where epochs and stages lie, for both plots. */
struct figure {
	FILE *out;
	const struct curves_epoch *e;
	size_t count;
	double from, to;	/* epochs across */
	int top;		/* upper edge of the upper plot */
};

/* A plot of two series; @training and @held are places in struct curves_epoch. */
struct plot {
	const struct figure *f;
	const char *title;
	const char *unit;	/* behind a number */
	int top;
	size_t training, held;
	bool log;		/* allowed; then, whether it is */
	double least, most;	/* possible values */
	double lo, hi;
};

/* Epochs of one stage, from e[first] on. */
struct stage {
	size_t first;
	const char *name;
	double x, width;	/* of its name */
	int row;		/* that its name is in, from below; ROWS: none */
};

static double value(const struct curves_epoch *e, size_t at)
{
	double v = *(const double *)((const char *)e + at);

	return fabs(v) < LARGEST ? v : NAN;
}

static double x_of(const struct figure *f, double epoch)
{
	return LEFT + (epoch - f->from) / (f->to - f->from) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct plot *p, double v)
{
	double part = p->log ? (log(v) - log(p->lo)) / (log(p->hi) - log(p->lo)) :
			       (v - p->lo) / (p->hi - p->lo);

	return p->top + PLOT * (1 - part);
}

/* The range of all values, widened to whole steps; false: there are none. */
static bool choose_range(struct plot *p)
{
	const size_t series[] = { p->training, p->held };
	double lo = INFINITY, hi = -INFINITY, step, v;
	size_t i, k;

	for (i = 0; i < p->f->count; i++)
		for (k = 0; k < 2; k++) {
			v = value(&p->f->e[i], series[k]);
			if (isfinite(v)) {
				lo = fmin(lo, v);
				hi = fmax(hi, v);
			}
		}
	if (lo > hi)
		return false;
	p->log = p->log && lo > 0 && hi / lo > DECADES;
	if (p->log) {
		p->lo = lo / 1.1;
		p->hi = hi * 1.1;
		return true;
	}
	p->least = fmin(p->least, lo);
	p->most = fmax(p->most, hi);
	if (hi - lo < 1e-6 * fmax(fabs(hi), 1e-3)) {
		v = fmax(0.05 * fabs(hi), 1e-3);
		lo -= v;
		hi += v;
	}
	step = svg_nice_step(hi - lo, 5);
	p->lo = fmax(floor(lo / step) * step, p->least);
	p->hi = fmin(ceil(hi / step) * step, p->most);
	return true;
}

static void tick(const struct plot *p, double v)
{
	double y = y_of(p, v);

	fprintf(p->f->out, "<path class=\"g\" d=\"M%d %.1fH%d\"/><text class=\"e\" x=\"%d\" "
		"y=\"%.1f\">%.6g%s</text>\n", LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, v, p->unit);
}

/* 1, 2, 5 of each power of ten, or 1 where there are many powers. */
static void log_ticks(const struct plot *p)
{
	static const double mantissa[] = { 1, 2, 5 };
	int from = (int)floor(log10(p->lo)), to = (int)ceil(log10(p->hi)), power, k;
	int each = to - from > 4 ? 1 : 3, every = 1 + (to - from) / 8;

	for (power = from; power <= to; power += every)
		for (k = 0; k < each; k++) {
			double v = mantissa[k] * pow(10, power);

			if (v >= p->lo && v <= p->hi)
				tick(p, v);
		}
}

static void axis_up(const struct plot *p)
{
	double step = svg_nice_step(p->hi - p->lo, 5), i;

	if (p->log)
		log_ticks(p);
	else
		for (i = ceil(p->lo / step - 1e-6); i * step <= p->hi + 1e-6 * step; i++)
			tick(p, i * step + 0.0);	/* no -0 */
	fprintf(p->f->out, "<path class=\"a\" d=\"M%d %dV%dH%d\"/><text class=\"m\" transform="
		"\"translate(16 %d)rotate(-90)\">%s%s</text>\n", LEFT, p->top, p->top + PLOT,
		WIDTH - RIGHT, p->top + PLOT / 2, p->title, p->log ? ", logarithmic" : "");
}

static void axis_across(const struct figure *f, int base)
{
	double step = fmax(1, svg_nice_step(f->to - f->from, 10)), i;

	for (i = ceil(f->from / step); i * step <= f->to; i++)
		fprintf(f->out, "<path class=\"a\" d=\"M%.1f %dv5\"/><text class=\"m\" x=\"%.1f\" "
			"y=\"%d\">%.0f</text>\n", x_of(f, i * step), base, x_of(f, i * step), base + 19,
			i * step);
	fprintf(f->out, "<text class=\"m\" x=\"%d\" y=\"%d\">epoch</text>\n",
		LEFT + (WIDTH - LEFT - RIGHT) / 2, base + 38);
}

/* A curve, from value to value whatever is between them; few of them are marked. */
static void curve(const struct plot *p, size_t at, const char *class)
{
	const struct figure *f = p->f;
	size_t i, n = 0;
	double v;

	fprintf(f->out, "<path class=\"%s\" d=\"", class);
	for (i = 0; i < f->count; i++) {
		v = value(&f->e[i], at);
		if (isfinite(v))
			fprintf(f->out, "%s%.1f %.1f", n++ ? "L" : "M", x_of(f, f->e[i].epoch),
				y_of(p, v));
	}
	fputs("\"/>\n", f->out);
	for (i = 0; n <= POINTS && i < f->count; i++) {
		v = value(&f->e[i], at);
		if (isfinite(v))
			fprintf(f->out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n",
				class, x_of(f, f->e[i].epoch), y_of(p, v));
	}
}

/* The last value of a series, NAN where there is none. */
static double last_value(const struct figure *f, size_t at)
{
	double v = NAN;
	size_t i;

	for (i = f->count; i > 0 && !isfinite(v); i--)
		v = value(&f->e[i - 1], at);
	return v;
}

static void name_curve(const struct plot *p, double y, double v, const char *class, const char *name)
{
	if (isfinite(v))
		fprintf(p->f->out, "<text class=\"%s\" x=\"%d\" y=\"%.1f\">%s %.4g%s</text>\n", class,
			WIDTH - RIGHT + 8, y + 4, name, v, p->unit);
}

/* What the curves are stands where they end, moved apart where they end together. */
static void name_curves(const struct plot *p)
{
	double training = last_value(p->f, p->training), held = last_value(p->f, p->held);
	double a = isfinite(training) ? y_of(p, training) : 0, b = isfinite(held) ? y_of(p, held) : 0;
	double low = p->top + ROW / 2.0, high = p->top + PLOT - ROW / 2.0, middle;

	if (isfinite(training) && isfinite(held) && fabs(a - b) < ROW) {
		middle = fmin(fmax((a + b) / 2, low + ROW / 2.0), high - ROW / 2.0);
		a = a < b ? middle - ROW / 2.0 : middle + ROW / 2.0;
		b = 2 * middle - a;
	}
	name_curve(p, fmin(fmax(a, low), high), training, "t", "training");
	name_curve(p, fmin(fmax(b, low), high), held, "h", "held out");
}

static void draw_plot(struct plot *p)
{
	if (!choose_range(p))
		return;
	axis_up(p);
	curve(p, p->training, "t");
	curve(p, p->held, "h");
	name_curves(p);
}

/* What epoch @i's stage is called behind the one before: "50 %" behind "quantize 25 %". */
static const char *name_stage(const struct figure *f, size_t i)
{
	const char *name = f->e[i].stage;
	size_t word = strcspn(name, " ");

	if (!i || !name[word] || strncmp(name, f->e[i - 1].stage, word + 1))
		return name;
	return name + word + 1;
}

/* Runs of epochs with the same stage; their number, or -ENOMEM. */
static long find_stages(const struct figure *f, struct stage **out)
{
	struct stage *s = calloc(f->count, sizeof(*s));
	size_t i, n = 0;

	if (!s)
		return -ENOMEM;
	for (i = 0; i < f->count; i++)
		if (!i || strcmp(f->e[i].stage, f->e[i - 1].stage))
			s[n++] = (struct stage){ .first = i, .name = name_stage(f, i) };
	for (i = 0; i < n; i++) {
		s[i].x = i ? x_of(f, ((double)f->e[s[i].first].epoch +
				      f->e[s[i].first - 1].epoch) / 2) : LEFT;
		s[i].width = LETTER * (double)strlen(s[i].name) + 10;
	}
	*out = s;
	return (long)n;
}

/*
 * Rows for the stages' names, each of which begins at its stage: above all names that begin within it,
 * so that neither they nor the lines down from them meet it. Returns the number of rows.
 */
static int choose_rows(struct stage *s, size_t n)
{
	int rows = 0;
	size_t i, k;

	for (i = n; i-- > 0;) {
		s[i].row = 0;
		for (k = i + 1; k < n && s[k].x < s[i].x + s[i].width; k++)
			if (s[k].row < ROWS && s[k].row >= s[i].row)
				s[i].row = s[k].row + 1;
		if (s[i].row < ROWS && s[i].row >= rows)
			rows = s[i].row + 1;
	}
	return rows;
}

static void draw_stages(const struct figure *f, const struct stage *s, size_t n)
{
	int bottom = f->top + 2 * PLOT + GAP, y;
	double end;
	size_t i;

	for (i = 1; i < n; i += 2) {
		end = i + 1 < n ? s[i + 1].x : WIDTH - RIGHT;
		fprintf(f->out, "<rect class=\"z\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n",
			s[i].x, f->top, end - s[i].x, bottom - f->top);
	}
	for (i = 0; i < n; i++) {
		y = f->top;
		if (s[i].row < ROWS) {
			y -= ROW * s[i].row + 16;
			fprintf(f->out, "<text x=\"%.1f\" y=\"%d\">", s[i].x + 4, y + 10);
			svg_escape(f->out, s[i].name);
			fputs("</text>\n", f->out);
		}
		fprintf(f->out, "<path class=\"s\" d=\"M%.1f %dV%d\"/>\n", s[i].x, y, bottom);
	}
}

static void draw(struct figure *f, const struct stage *s, size_t n, int rows)
{
	struct plot accuracy = {
		.f = f, .title = "accuracy", .unit = "%", .most = 100,
		.training = offsetof(struct curves_epoch, accuracy),
		.held = offsetof(struct curves_epoch, held_accuracy),
	}, loss = {
		.f = f, .title = "loss (nats)", .unit = "", .log = true, .most = LARGEST,
		.training = offsetof(struct curves_epoch, loss),
		.held = offsetof(struct curves_epoch, held_loss),
	};
	int height;

	f->top = TOP + ROW * rows;
	height = f->top + 2 * PLOT + GAP + BOTTOM;
	accuracy.top = f->top;
	loss.top = f->top + PLOT + GAP;
	fprintf(f->out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		"height=\"%d\" role=\"img\">\n<title>Training: epochs %u to %u</title>\n<style>%s"
		"</style>\n<rect class=\"b\" width=\"%d\" height=\"%d\"/>\n", WIDTH, height, WIDTH,
		height, f->e[0].epoch, f->e[f->count - 1].epoch, style, WIDTH, height);
	draw_stages(f, s, n);
	draw_plot(&accuracy);
	draw_plot(&loss);
	axis_across(f, loss.top + PLOT);
	fputs("</svg>\n", f->out);
}

int curves_svg(const char *path, const struct curves_epoch *e, size_t count, char *err,
	       size_t errlen)
{
	struct figure f = { .e = e, .count = count };
	struct stage *stages;
	char *text = NULL;
	size_t len;
	bool bad;
	long n;
	int ret;

	if (!count || !curves_check(e, count)) {
		snprintf(err, errlen, count ? "%s: the epochs to plot are damaged" :
			 "%s: there is no epoch to plot yet", path);
		return -EINVAL;
	}
	f.from = e[0].epoch - 0.5;
	f.to = e[count - 1].epoch + 0.5;
	n = find_stages(&f, &stages);
	f.out = n < 0 ? NULL : open_memstream(&text, &len);
	if (!f.out) {
		snprintf(err, errlen, "%s: out of memory", path);
		if (n >= 0)
			free(stages);
		return -ENOMEM;
	}
	draw(&f, stages, (size_t)n, choose_rows(stages, (size_t)n));
	free(stages);
	bad = ferror(f.out);
	if (fclose(f.out) || bad) {
		snprintf(err, errlen, "%s: out of memory", path);
		ret = -ENOMEM;
	} else {
		ret = file_write(path, text, len, err, errlen);
	}
	free(text);
	return ret;
}
