// SPDX-License-Identifier: MIT
/*
 * What a search has measured, for --resume: text, a record in a line, each with the CRC32C of
 * the line before it.
 *
 *	fqaccel-search 1 #CRC
 *	key NETWORK CALIBRATION EVALUATION OPTIONS #CRC		what it was measured of
 *	layer I ERROR BYTES ERROR BYTES ... #CRC		by way
 *	effect I DIVERGENCE #CRC
 *	pass WAY,WAY,... STREAM,STREAM,... BYTES CR BITS ZEROS SCORE SCORE #CRC
 *
 * I counts the layers with weights. A score is its members in the order of struct score.
 * Numbers are written so that they are read back bit by bit: a search that was interrupted
 * goes on as if it had not been. The file is replaced as a whole after each measurement.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "fqz.h"
#include "search.h"

#define FILE_LIMIT	((size_t)64 << 20)	/* bytes */
#define FILE_PASSES	4096

struct text {
	char *data;
	size_t len, room, line;		/* line: where the last one begins */
	bool failed;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	if (t->room - t->len < 512) {
		size_t room = 2 * t->room + 4096;
		char *data = realloc(t->data, room);

		if (!data) {
			t->failed = true;
			return;
		}
		t->data = data;
		t->room = room;
	}
	va_start(args, format);
	n = vsnprintf(t->data + t->len, t->room - t->len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= t->room - t->len)
		t->failed = true;
	else
		t->len += (size_t)n;
}

static void end_line(struct text *t)
{
	if (t->failed)
		return;
	put(t, " #%08" PRIx32 "\n", fqz_crc32c(0, t->data + t->line, t->len - t->line));
	t->line = t->len;
}

static void put_score(struct text *t, const struct score *s)
{
	put(t, " %zu %zu %zu %zu %zu %zu %zu %.17g", s->pictures, s->labeled, s->agree, s->top1,
	    s->top5, s->float_top1, s->float_top5, s->divergence);
}

static void put_pass(struct text *t, const struct search *s, const struct search_pass *p)
{
	uint32_t i;

	put(t, "pass ");
	for (i = 0; i < s->layer_count; i++)
		put(t, "%s%u", i ? "," : "", p->ways[i]);
	for (i = 0; i < s->layer_count; i++)
		put(t, "%c%" PRIu32, i ? ',' : ' ', p->stream[i]);
	put(t, " %zu %.17g %.17g %.17g", p->bytes, p->cr, p->bits, p->zeros);
	put_score(t, &p->calibration);
	put_score(t, &p->evaluation);
	end_line(t);
}

int search_file_write(struct search *s)
{
	struct text t = { 0 };
	uint32_t i, k;
	int rc = -ENOMEM;

	if (!s->o->resume)
		return 0;
	put(&t, "fqaccel-search 1");
	end_line(&t);
	put(&t, "key %08" PRIx32 " %08" PRIx32 " %08" PRIx32 " %08" PRIx32, s->key[0], s->key[1],
	    s->key[2], s->key[3]);
	end_line(&t);
	for (i = 0; i < s->layer_count; i++) {
		if (!s->layers[i].probed)
			continue;
		put(&t, "layer %" PRIu32, i);
		for (k = 0; k < s->way_count; k++)
			put(&t, " %.17g %.17g", s->layers[i].error[k], s->layers[i].bytes[k]);
		end_line(&t);
	}
	for (i = 0; i < s->layer_count; i++) {
		if (!s->layers[i].weighed)
			continue;
		put(&t, "effect %" PRIu32 " %.17g", i, s->layers[i].effect);
		end_line(&t);
	}
	for (i = 0; i < s->known_count; i++)
		put_pass(&t, s, &s->known[i]);
	if (!t.failed)
		rc = file_write(s->o->resume, t.data, t.len, s->err, sizeof(s->err));
	free(t.data);
	return rc;
}

/* Reading: a cursor in a line, false at the first thing that does not belong there. */
static bool skip(char **at, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(*at, text, n))
		return false;
	*at += n;
	return true;
}

static bool get_number(char **at, uint64_t limit, uint64_t *v)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*v = strtoull(*at, &end, 10);
	*at = end;
	return !errno && *v <= limit;
}

static bool get_real(char **at, double *v)
{
	char *end;

	if (!skip(at, " ") || **at == ' ')
		return false;
	*v = strtod(*at, &end);
	if (end == *at)
		return false;
	*at = end;
	return isfinite(*v);
}

static bool get_score(char **at, struct score *s)
{
	size_t *members[] = { &s->pictures, &s->labeled, &s->agree, &s->top1, &s->top5,
			      &s->float_top1, &s->float_top5 };
	uint64_t v, limit = UINT32_MAX;
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (!skip(at, " ") || !get_number(at, limit, &v))
			return false;
		*members[i] = (size_t)v;
		/* All the others count some of the pictures. */
		limit = s->pictures;
	}
	return get_real(at, &s->divergence);
}

static bool read_layer(struct search *s, char *at)
{
	struct search_layer *l;
	uint64_t i;
	uint32_t k;

	if (!get_number(&at, s->layer_count - 1, &i))
		return false;
	l = &s->layers[i];
	for (k = 0; k < s->way_count; k++)
		if (!get_real(&at, &l->error[k]) || !get_real(&at, &l->bytes[k]) ||
		    l->error[k] < 0 || l->bytes[k] < 1)
			return false;
	l->probed = true;
	return !*at;
}

static bool read_effect(struct search *s, char *at)
{
	uint64_t i;

	if (!get_number(&at, s->layer_count - 1, &i) || !get_real(&at, &s->layers[i].effect) ||
	    s->layers[i].effect < 0)
		return false;
	s->layers[i].weighed = true;
	return !*at;
}

static bool read_pass(struct search *s, char *at)
{
	struct search_pass *p = s->known_count < FILE_PASSES ? search_pass_add(s) : NULL;
	uint64_t v;
	uint32_t i;

	if (!p)
		return false;
	for (i = 0; i < s->layer_count; i++) {
		if ((i && !skip(&at, ",")) || !get_number(&at, s->way_count - 1, &v))
			return false;
		p->ways[i] = (uint8_t)v;
	}
	for (i = 0; i < s->layer_count; i++) {
		if (!skip(&at, i ? "," : " ") || !get_number(&at, UINT32_MAX, &v))
			return false;
		p->stream[i] = (uint32_t)v;
	}
	if (!skip(&at, " ") || !get_number(&at, SIZE_MAX, &v))
		return false;
	p->bytes = (size_t)v;
	return get_real(&at, &p->cr) && get_real(&at, &p->bits) && get_real(&at, &p->zeros) &&
	       get_score(&at, &p->calibration) && get_score(&at, &p->evaluation) && !*at;
}

/* The line without its CRC, or false. */
static bool check_line(char *line)
{
	char *mark = strrchr(line, '#'), text[16];

	if (!mark || mark == line || mark[-1] != ' ')
		return false;
	mark[-1] = '\0';
	snprintf(text, sizeof(text), "%08" PRIx32, fqz_crc32c(0, line, strlen(line)));
	return !strcmp(text, mark + 1);
}

static int refuse(struct search *s, unsigned int line, const char *why)
{
	snprintf(s->err, sizeof(s->err), "%s, line %u: %s", s->o->resume, line, why);
	return -EINVAL;
}

/* NULL, or whose measurements they are. */
static const char *foreign(const struct search *s, char *at)
{
	static const char *const of[] = {
		"its measurements are of another network; remove it, or name another file",
		"its measurements were made on other calibration pictures; name another file",
		"its measurements were made on other evaluation pictures; name another file",
		"its measurements were made with other options; name another file",
	};
	char text[16];
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), " %08" PRIx32, s->key[i]);
		if (!skip(&at, text))
			return of[i];
	}
	return NULL;
}

static int read_line(struct search *s, char *line, unsigned int number)
{
	const char *why;
	bool good;

	if (!check_line(line))
		return refuse(s, number, number == 1 ? "this is not a file that --resume wrote" :
			      "it is damaged; remove the file to begin anew");
	if (number == 1)
		return !strcmp(line, "fqaccel-search 1") ? 0 :
		       refuse(s, number, "of another version of this program; remove the file");
	if (number == 2) {
		why = skip(&line, "key") ? foreign(s, line) : "it has no key";
		return why ? refuse(s, number, why) : 0;
	}
	good = skip(&line, "layer ") ? read_layer(s, line) :
	       skip(&line, "effect ") ? read_effect(s, line) :
	       skip(&line, "pass ") && read_pass(s, line);
	return good ? 0 : refuse(s, number, "it makes no sense; remove the file to begin anew");
}

static uint32_t crc_pictures(const struct search *s, const struct picture_set *set)
{
	size_t n = net_tensor_elements(&s->net->tensors[0]);
	uint32_t crc;

	if (!set)
		return 0;
	crc = fqz_crc32c(0, set->pixels, set->count * n);
	return fqz_crc32c(crc, set->labels, set->count * sizeof(*set->labels));
}

/* All that decides what is measured, but for the constraint: another one may go on. */
static uint32_t crc_options(const struct search *s)
{
	const struct compress_options *o = s->o;
	const struct quant_options *w = &o->quantize.weights;
	char text[1024];
	uint32_t crc, i;

	snprintf(text, sizeof(text), "%s %d %a %d %d %llu %d %d %d %d %a %a %a %a %a %a %d %d %u %u",
		 FQACCEL_VERSION, w->mode, w->separation, w->by_error, w->assign_nearest,
		 (unsigned long long)w->seed, o->quantize.feedback, o->quantize.prune,
		 o->quantize.range, o->coder, (double)o->normal.mean[0], (double)o->normal.mean[1],
		 (double)o->normal.mean[2], (double)o->normal.std[0], (double)o->normal.std[1], (double)o->normal.std[2], o->normal.bgr,
		 o->normal.range255, s->info.resize, s->way_count);
	crc = fqz_crc32c(0, text, strlen(text));
	/* Texts that take room in the image. */
	crc = fqz_crc32c(crc, o->text, strlen(o->text) + 1);
	if (o->description)
		crc = fqz_crc32c(crc, o->description, strlen(o->description) + 1);
	for (i = 0; i < s->info.class_count; i++)
		crc = fqz_crc32c(crc, s->info.classes[i], strlen(s->info.classes[i]) + 1);
	return crc;
}

static bool complete(const struct search *s)
{
	bool all = true;
	uint32_t i;

	for (i = 0; i < s->layer_count; i++)
		all &= s->layers[i].probed && s->layers[i].weighed;
	return all || !s->known_count;
}

int search_file_read(struct search *s)
{
	char *data, *line, *next;
	unsigned int number = 0;
	void *p = NULL;
	size_t len;
	int rc;

	if (!s->o->resume)
		return 0;
	s->key[0] = s->info.source_crc;
	s->key[1] = crc_pictures(s, s->calibration);
	s->key[2] = crc_pictures(s, s->evaluation);
	s->key[3] = crc_options(s);
	rc = file_read(s->o->resume, FILE_LIMIT, &p, &len, s->err, sizeof(s->err));
	if (rc)
		/* Where there is none it begins: and a folder that can't be written to is told now. */
		return rc == -ENOENT ? search_file_write(s) : rc;
	data = p;
	for (line = data; !rc && line < data + len; line = next) {
		next = memchr(line, '\n', (size_t)(data + len - line));
		number++;
		if (!next || memchr(line, 0, (size_t)(next - line))) {
			rc = refuse(s, number, "it is damaged; remove the file to begin anew");
			break;
		}
		*next++ = '\0';
		rc = read_line(s, line, number);
	}
	if (!rc && number < 2)
		rc = refuse(s, number + 1, "this is not a file that --resume wrote");
	if (!rc && !complete(s))
		rc = refuse(s, number, "passes without sensitivities; remove the file to begin anew");
	free(p);
	return rc;
}
