// SPDX-License-Identifier: MIT
/* The report: a table on standard output, or JSON, and a page if asked for (report.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/file.h"
#include "report.h"

#define TEXT_COLUMNS	20
#define TEXT_CELL	28
#define TEXT_NAME	25	/* with the zero byte */
#define TEXT_FARTHEST	3

/*
 * Exporters repeat themselves: of "/features/features.1/conv/conv.0/Conv" the elements that the
 * next one begins with are left out, then the middle of what is still too long.
 */
void report_short_name(const char *name, char *text, size_t room)
{
	size_t len = strlen(name), n = 0, head;
	const char *next, *p;
	char kept[256];

	if (len < room) {
		memcpy(text, name, len + 1);
		return;
	}
	for (p = name; p && n < sizeof(kept) - 1; p = next) {
		next = strchr(p, '/');
		len = next ? (size_t)(next++ - p) : strlen(p);
		if (next && (!len || (!strncmp(p, next, len) && next[len] == '.')))
			continue;
		n += (size_t)snprintf(kept + n, sizeof(kept) - n, "%s%.*s", n ? "/" : "",
				      (int)len, p);
	}
	n = n < sizeof(kept) ? n : sizeof(kept) - 1;
	if (n < room) {
		memcpy(text, kept, n + 1);
		return;
	}
	head = (room - 3) / 2;
	snprintf(text, room, "%.*s..%s", (int)head, kept, kept + n - (room - 3 - head));
}

/* A column of the table: what it says of a layer. Low ranks are kept on narrow terminals. */
struct column {
	const char *title;
	bool left;
	int rank;
	void (*print)(char *s, size_t n, const struct report_layer *l);
};

/* A number, or "-" where there is none. */
static void number(char *s, size_t n, const char *format, double v)
{
	if (!isfinite(v))
		snprintf(s, n, "-");
	else
		snprintf(s, n, format, v);
}

/* What rounds to 0 has no sign. */
static void decibels(char *s, size_t n, double v)
{
	number(s, n, "%.1f", fabs(v) < 0.05 ? 0 : v);
}

static void print_name(char *s, size_t n, const struct report_layer *l)
{
	report_short_name(l->name, s, n < TEXT_NAME ? n : TEXT_NAME);
}

static void print_shape(char *s, size_t n, const struct report_layer *l)
{
	snprintf(s, n, "%ux%ux%ux%u", l->shape[0], l->shape[1], l->shape[2], l->shape[3]);
}

static void print_mode(char *s, size_t n, const struct report_layer *l)
{
	snprintf(s, n, "%s", l->q->f.mode == FQZ_SHIFT ? "shift" : "recen");
}

static void print_bits(char *s, size_t n, const struct report_layer *l)
{
	snprintf(s, n, "%u", l->q->f.bits);
}

static void print_separation(char *s, size_t n, const struct report_layer *l)
{
	double w = l->q->weights.gmm.steps ? l->q->weights.gmm.separation : NAN;

	number(s, n, w < 100 ? "%.2f" : "%.3g", w);
}

static void print_mean_neg(char *s, size_t n, const struct report_layer *l)
{
	number(s, n, "%.2g", l->mean[0]);
}

static void print_mean_pos(char *s, size_t n, const struct report_layer *l)
{
	number(s, n, "%.2g", l->mean[1]);
}

static void print_powers(char *s, size_t n, const struct report_layer *l)
{
	if (l->q->f.mode == FQZ_SHIFT)
		snprintf(s, n, "-");
	else
		snprintf(s, n, "%u,%u", l->q->f.mean_neg, l->q->f.mean_pos);
}

static void print_shifts(char *s, size_t n, const struct report_layer *l)
{
	snprintf(s, n, "%u-%u", l->q->f.first_exponent,
		 l->q->f.first_exponent + l->q->f.exponent_count - 1);
}

static void print_shift_bias(char *s, size_t n, const struct report_layer *l)
{
	number(s, n, l->one_scale ? "%.0f" : "%.1f", l->shift_bias);
}

static void print_scale(char *s, size_t n, const struct report_layer *l)
{
	number(s, n, "%.2g", l->scale);
}

static void print_sparsity(char *s, size_t n, const struct report_layer *l)
{
	number(s, n, "%.1f", 100 * (double)l->zeros / (double)l->weights);
}

static void print_entropy(char *s, size_t n, const struct report_layer *l)
{
	number(s, n, "%.2f", l->entropy);
}

static void print_coded(char *s, size_t n, const struct report_layer *l)
{
	number(s, n, "%.2f", report_coded_bits(l));
}

static void print_coder(char *s, size_t n, const struct report_layer *l)
{
	snprintf(s, n, "%s", fqz_coder_name(l->coder));
}

static void print_weight_snr(char *s, size_t n, const struct report_layer *l)
{
	decibels(s, n, l->q->weight_snr);
}

static void print_snr(char *s, size_t n, const struct report_layer *l)
{
	decibels(s, n, l->q->snr);
}

static void print_bytes(char *s, size_t n, const struct report_layer *l)
{
	snprintf(s, n, "%llu", (unsigned long long)(l->stream_bytes + l->channel_bytes));
}

static const struct column columns[] = {
	{ "layer", true, 0, print_name },
	{ "shape", true, 1, print_shape },
	{ "mode", true, 1, print_mode },
	{ "n", false, 1, print_bits },
	{ "W", false, 2, print_separation },
	{ "mu-", false, 3, print_mean_neg },
	{ "mu+", false, 3, print_mean_pos },
	{ "m-,m+", true, 4, print_powers },
	{ "e", true, 4, print_shifts },
	{ "b", false, 3, print_shift_bias },
	{ "S", false, 5, print_scale },
	{ "0 %", false, 1, print_sparsity },
	{ "H", false, 2, print_entropy },
	{ "coded", false, 1, print_coded },
	{ "coder", true, 2, print_coder },
	{ "dB W", false, 2, print_weight_snr },
	{ "dB out", false, 1, print_snr },
	{ "bytes", false, 0, print_bytes },
};

#define COLUMN_COUNT	(sizeof(columns) / sizeof(columns[0]))

_Static_assert(COLUMN_COUNT <= TEXT_COLUMNS, "room for the widths");

/* The highest rank whose columns still fit the terminal; all of them go into a file or a pipe. */
static int rank_that_fits(const int *widths)
{
	struct winsize size;
	int rank, total;
	size_t c;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return INT32_MAX;
	for (rank = 5; rank > 0; rank--) {
		for (c = 0, total = -1; c < COLUMN_COUNT; c++)
			total += columns[c].rank <= rank ? widths[c] + 1 : 0;
		if (total <= size.ws_col)
			break;
	}
	return rank;
}

static void print_row(char (*cells)[TEXT_CELL], const int *widths, int rank)
{
	const char *separator = "";
	size_t c;

	for (c = 0; c < COLUMN_COUNT; c++) {
		if (columns[c].rank > rank)
			continue;
		printf("%s%*s", separator, columns[c].left ? -widths[c] : widths[c], cells[c]);
		separator = " ";
	}
	putchar('\n');
}

static int print_table(const struct report *r)
{
	char (*cells)[TEXT_CELL] = calloc((r->layer_count + 1) * COLUMN_COUNT, sizeof(*cells));
	int widths[TEXT_COLUMNS] = { 0 }, rank, len;
	uint32_t i;
	size_t c;

	if (!cells)
		return -ENOMEM;
	for (i = 0; i <= r->layer_count; i++)
		for (c = 0; c < COLUMN_COUNT; c++) {
			char *cell = cells[i * COLUMN_COUNT + c];

			if (i)
				columns[c].print(cell, TEXT_CELL, &r->layers[i - 1]);
			else
				snprintf(cell, TEXT_CELL, "%s", columns[c].title);
			len = (int)strlen(cell);
			widths[c] = len > widths[c] ? len : widths[c];
		}
	rank = rank_that_fits(widths);
	for (i = 0; i <= r->layer_count; i++)
		print_row(&cells[i * COLUMN_COUNT], widths, rank);
	free(cells);
	return 0;
}

/* The layers whose outputs are farthest from the float network's. */
static void print_farthest(const struct report *r)
{
	const struct report_layer *told[TEXT_FARTHEST];
	unsigned int n, k;
	uint32_t i;

	printf("farthest from the float network:");
	for (n = 0; n < TEXT_FARTHEST && n < r->layer_count; n++) {
		const struct report_layer *worst = NULL;

		for (i = 0; i < r->layer_count; i++) {
			const struct report_layer *l = &r->layers[i];

			for (k = 0; k < n && told[k] != l; k++)
				;
			if (k == n && (!worst || l->q->snr < worst->q->snr))
				worst = l;
		}
		told[n] = worst;
		printf("%s %s (%.1f dB)", n ? "," : "", worst->name, worst->q->snr);
	}
	putchar('\n');
}

static void print_sizes(const struct report *r)
{
	uint64_t rest = r->file_bytes - r->stream_bytes - r->channel_bytes;
	double n = (double)r->weights;

	if (r->weights)
		printf("%llu weights, %.2f %% are 0; bits a weight: %.3f coded, order-0 entropy %.3f\n",
		       (unsigned long long)r->weights, 100 * (double)r->zeros / n,
		       8 * (double)r->stream_bytes / n, r->entropy / n);
	printf("bytes: %llu weights, %llu channels, %llu others\n",
	       (unsigned long long)r->stream_bytes, (unsigned long long)r->channel_bytes,
	       (unsigned long long)rest);
	printf("%s: %llu bytes, CR %.2f (dense: %llu bytes, 4 for each weight and bias)\n",
	       r->o->output, (unsigned long long)r->file_bytes, report_rate(r),
	       (unsigned long long)r->dense_bytes);
	if (r->classifier)
		printf("without the classifier %s: CR %.2f\n", r->classifier->name,
		       report_rate_without_classifier(r));
}

static void print_accuracy(const char *what, const struct score *s)
{
	double n = (double)s->labeled;

	if (!s->labeled)
		return;
	printf("%s: top-1 %.2f %%, top-5 %.2f %%, float network %.2f %% and %.2f %% "
	       "(%zu pictures)\n", what, 100 * (double)s->top1 / n, 100 * (double)s->top5 / n,
	       100 * (double)s->float_top1 / n, 100 * (double)s->float_top5 / n, s->labeled);
}

static int print_text(const struct report *r)
{
	if (r->layer_count) {
		if (print_table(r))
			return -ENOMEM;
		print_farthest(r);
	}
	print_sizes(r);
	printf("top-1 agreement with the float network: %.1f %% of %zu %s pictures\n",
	       r->agreement, r->calibration->pictures,
	       r->o->calibrate ? "calibration" : "random");
	print_accuracy("on the calibration pictures", r->calibration);
	if (r->evaluation)
		print_accuracy("on the evaluation pictures", r->evaluation);
	return 0;
}

static int write_page(const struct report *r, char *err, size_t errlen)
{
	char *page = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&page, &len);
	int rc;

	rc = out ? report_html(out, r) : -ENOMEM;
	/* What memory did not suffice for shows at the latest when it is closed. */
	if (out && (ferror(out) | fclose(out)))
		rc = -ENOMEM;
	if (rc)
		snprintf(err, errlen, "%s: out of memory", r->o->report);
	else
		rc = file_write(r->o->report, page, len, err, errlen);
	free(page);
	return rc;
}

int report_write(const struct compress_options *o, const struct search *search,
		 const struct image_info *info, const void *image, size_t len,
		 const struct score *calibration, const struct score *evaluation, char *err,
		 size_t errlen)
{
	struct report r;
	int rc;

	rc = report_collect(info, image, len, calibration, evaluation, &r, err, errlen);
	r.o = o;
	r.search = search;
	if (!rc && o->json) {
		report_json(stdout, &r);
	} else if (!rc && !o->quiet) {
		rc = print_text(&r);
		if (rc)
			snprintf(err, errlen, "out of memory");
	}
	fflush(stdout);
	if (!rc && o->report)
		rc = write_page(&r, err, errlen);
	if (!rc && report_remedy(&r))
		fprintf(stderr, "fqaccel-compress: warning: only %.1f %% agreement; %s\n",
			r.agreement, report_remedy(&r));
	report_free(&r);
	return rc;
}
