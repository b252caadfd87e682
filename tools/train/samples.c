// SPDX-License-Identifier: MIT
/* Labeled pictures in memory and the batches that an epoch makes of them. */
#include "samples.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/exec.h"
#include "net/pictures.h"
#include "net/rng.h"

#define SAMPLES_ERR	512

/* What a random number is for: each has a stream of its own, so none depends on the others' use. */
enum samples_draw { DRAW_ORDER = 1, DRAW_CROP, DRAW_FLIP, DRAW_CUTOUT };

/* The data sets in a row; picture i is picture i - first[k] of set k. */
struct source {
	struct dataset **sets;
	size_t *first;		/* count + 1 of them */
	size_t count;
};

struct load {
	const struct source *from;
	enum img_color color;
	int resize;
	struct samples *s;
	char *err;		/* of the picture with the lowest number that failed */
	size_t errlen, failed;
	pthread_mutex_t lock;	/* guards err and failed */
};

/* The set that picture @i is in, and its number there. */
static const struct dataset *source_find(const struct source *from, size_t i, size_t *at)
{
	size_t k = 0;

	while (i >= from->first[k + 1])
		k++;
	*at = i - from->first[k];
	return from->sets[k];
}

static void source_close(struct source *from)
{
	size_t k;

	for (k = 0; from->sets && k < from->count; k++)
		dataset_close(from->sets[k]);
	free(from->sets);
	free(from->first);
}

static int source_open(struct source *from, const char *const *paths, size_t count,
		       const char *const *names, size_t classes, char *err, size_t errlen)
{
	size_t k;
	int ret;

	memset(from, 0, sizeof(*from));
	from->sets = calloc(count, sizeof(*from->sets));
	from->first = calloc(count + 1, sizeof(*from->first));
	if (!from->sets || !from->first) {
		source_close(from);
		snprintf(err, errlen, "data set: out of memory");
		return -ENOMEM;
	}
	from->count = count;
	for (k = 0; k < count; k++) {
		ret = dataset_open(paths[k], &from->sets[k], err, errlen);
		if (!ret && names)
			ret = dataset_match_classes(from->sets[k], names, classes, err, errlen);
		if (ret) {
			source_close(from);
			return ret;
		}
		from->first[k + 1] = from->first[k] + dataset_size(from->sets[k]);
	}
	return 0;
}

static int check_arguments(size_t path_count, const struct net_tensor *input,
			   enum img_color color, uint32_t resize, char *err, size_t errlen)
{
	if (!path_count) {
		snprintf(err, errlen, "data set: none is given");
	} else if (input->c != (color == IMG_GRAY ? 1u : 3u) || !input->h || !input->w ||
		   input->h > IMG_MAX_SIDE || input->w > IMG_MAX_SIDE) {
		snprintf(err, errlen, "the network's input, %u x %u x %u, is not a %s picture",
			 input->c, input->h, input->w, color == IMG_GRAY ? "gray" : "color");
	} else if (resize > IMG_MAX_SIDE) {
		snprintf(err, errlen, "pictures can't be resized to %u pixels: %u are the most",
			 resize, IMG_MAX_SIDE);
	} else {
		return 0;
	}
	return -EINVAL;
}

/* All labels, before the first picture is read: they are known and a mistake in them is cheap. */
static int take_labels(const struct source *from, size_t classes, struct samples *s, char *err,
		       size_t errlen)
{
	const struct dataset *ds;
	size_t i, at;
	int label;

	for (i = 0; i < s->count; i++) {
		ds = source_find(from, i, &at);
		label = dataset_label(ds, at);
		if (label < 0) {
			snprintf(err, errlen, "%s: has no label; training needs one for each picture",
				 dataset_name(ds, at));
			return -EINVAL;
		}
		if ((size_t)label >= classes || label > UINT16_MAX) {
			snprintf(err, errlen, "%s: its label is %d, but the network has %zu classes",
				 dataset_name(ds, at), label, classes);
			return -ERANGE;
		}
		s->labels[i] = (uint16_t)label;
	}
	return 0;
}

static int load_one(void *arg, size_t i, unsigned int worker)
{
	struct load *l = arg;
	struct samples *s = l->s;
	const struct net_tensor t = { .c = s->c, .h = s->h, .w = s->w };
	size_t at, bytes = (size_t)s->c * s->h * s->w;
	const struct dataset *ds = source_find(l->from, i, &at);
	char err[SAMPLES_ERR];
	int ret;

	(void)worker;
	ret = pictures_get(ds, at, &t, l->color, l->resize, s->pixels + i * bytes, NULL, err,
			   sizeof(err));
	if (!ret)
		return 0;
	pthread_mutex_lock(&l->lock);
	if (i < l->failed) {
		l->failed = i;
		snprintf(l->err, l->errlen, "%s", err);
	}
	pthread_mutex_unlock(&l->lock);
	return ret;
}

/* Room for s->count pictures, within bounds. */
static int samples_alloc(struct samples *s, char *err, size_t errlen)
{
	size_t bytes;

	if (__builtin_mul_overflow((size_t)s->c * s->h, s->w, &bytes) ||
	    __builtin_mul_overflow(bytes, s->count, &bytes) || bytes > SAMPLES_MAX_BYTES ||
	    s->count > UINT32_MAX) {
		snprintf(err, errlen, "data set: %zu pictures of %u x %u x %u bytes are more than "
			 "the %zu GiB that are held in memory; name fewer data sets", s->count, s->c,
			 s->h, s->w, SAMPLES_MAX_BYTES >> 30);
		return -EFBIG;
	}
	s->pixels = malloc(bytes);
	s->labels = calloc(s->count, sizeof(*s->labels));
	if (s->pixels && s->labels)
		return 0;
	snprintf(err, errlen, "data set: out of memory for %zu pictures of %u x %u x %u bytes",
		 s->count, s->c, s->h, s->w);
	return -ENOMEM;
}

int samples_load(const char *const *paths, size_t path_count, const struct net_tensor *input,
		 enum img_color color, uint32_t resize, size_t classes, const char *const *names,
		 unsigned int threads, struct samples *s, char *err, size_t errlen)
{
	struct source from;
	struct load l = { .from = &from, .color = color, .resize = (int)resize, .s = s, .err = err,
			  .errlen = errlen, .failed = SIZE_MAX };
	int ret;

	memset(s, 0, sizeof(*s));
	ret = check_arguments(path_count, input, color, resize, err, errlen);
	if (ret)
		return ret;
	ret = source_open(&from, paths, path_count, names, classes, err, errlen);
	if (ret)
		return ret;
	s->c = input->c;
	s->h = input->h;
	s->w = input->w;
	s->count = from.first[path_count];
	ret = samples_alloc(s, err, errlen);
	if (!ret)
		ret = take_labels(&from, classes, s, err, errlen);
	if (!ret) {
		pthread_mutex_init(&l.lock, NULL);
		ret = net_parallel(s->count, threads, load_one, &l);
		pthread_mutex_destroy(&l.lock);
	}
	source_close(&from);
	if (ret)
		samples_free(s);
	return ret;
}

void samples_free(struct samples *s)
{
	free(s->pixels);
	free(s->labels);
	memset(s, 0, sizeof(*s));
}

static uint64_t draw(uint64_t seed, enum samples_draw what, uint32_t epoch, uint64_t at)
{
	return rng_bits(seed, (uint64_t)what << 32 | epoch, at);
}

/* One of 0 .. n - 1; what 32 bits give too much of some is below n / 2^32 of it. */
static uint32_t scale_to(uint32_t bits, uint32_t n)
{
	return (uint32_t)((uint64_t)bits * n >> 32);
}

void samples_order(const struct samples *s, uint64_t seed, uint32_t epoch, uint32_t *order)
{
	uint32_t other, swap;
	size_t i;

	for (i = 0; i < s->count; i++)
		order[i] = (uint32_t)i;
	for (i = s->count; i > 1; i--) {
		other = scale_to((uint32_t)(draw(seed, DRAW_ORDER, epoch, i) >> 32), (uint32_t)i);
		swap = order[i - 1];
		order[i - 1] = order[other];
		order[other] = swap;
	}
}

/* How one picture is changed. */
struct change {
	int64_t down, right;	/* source pixel of the upper left one */
	bool flip;
	size_t top, left, bottom, end;	/* of the square that is cut out; empty where top is bottom */
};

/* The part within 0 .. n - 1 of a square's side around @center. */
static void cut(uint32_t center, uint32_t side, uint32_t n, size_t *from, size_t *to)
{
	int64_t first = (int64_t)center - side / 2, last = first + side;

	*from = first < 0 ? 0 : (size_t)first;
	*to = last > n ? n : (size_t)last;
}

static void choose_change(const struct samples *s, const struct samples_augment *a, uint64_t seed,
			  uint32_t epoch, size_t at, struct change *ch)
{
	uint32_t crop = a->crop < IMG_MAX_SIDE ? a->crop : IMG_MAX_SIDE;
	uint64_t bits;

	memset(ch, 0, sizeof(*ch));
	if (crop) {
		bits = draw(seed, DRAW_CROP, epoch, at);
		ch->down = (int64_t)scale_to((uint32_t)bits, 2 * crop + 1) - crop;
		ch->right = (int64_t)scale_to((uint32_t)(bits >> 32), 2 * crop + 1) - crop;
	}
	if (a->flip)
		ch->flip = draw(seed, DRAW_FLIP, epoch, at) >> 63;
	if (a->cutout) {
		/* Around any pixel: at the edges less of the square lies in the picture. */
		bits = draw(seed, DRAW_CUTOUT, epoch, at);
		cut(scale_to((uint32_t)bits, s->h), a->cutout, s->h, &ch->top, &ch->bottom);
		cut(scale_to((uint32_t)(bits >> 32), s->w), a->cutout, s->w, &ch->left, &ch->end);
	}
}

/* From both ends, eight pixels at a time: half of all pictures go through here each epoch. */
static void flip_row(uint8_t *row, size_t w)
{
	uint64_t head, tail;
	uint8_t swap, *end;

	for (end = row + w; end - row >= 16; row += 8) {
		end -= 8;
		memcpy(&head, row, 8);
		memcpy(&tail, end, 8);
		head = __builtin_bswap64(head);
		tail = __builtin_bswap64(tail);
		memcpy(row, &tail, 8);
		memcpy(end, &head, 8);
	}
	for (; end - row > 1; row++) {
		swap = *--end;
		*end = *row;
		*row = swap;
	}
}

/*
 * A plane moved by ch->down and ch->right. One copy moves all of it; what came from a neighboring row
 * or from nowhere is filled then.
 */
static void move_plane(const uint8_t *from, size_t h, size_t w, const struct change *ch,
		       uint8_t fill, uint8_t *to)
{
	size_t rows = (size_t)(ch->down < 0 ? -ch->down : ch->down), i;
	size_t columns = (size_t)(ch->right < 0 ? -ch->right : ch->right);
	int64_t by = ch->down * (int64_t)w + ch->right;

	if (rows >= h || columns >= w) {
		memset(to, fill, h * w);
		return;
	}
	if (by < 0)
		memcpy(to - by, from, h * w - (size_t)-by);
	else
		memcpy(to, from + by, h * w - (size_t)by);
	memset(ch->down < 0 ? to : to + (h - rows) * w, fill, rows * w);
	for (i = 0; columns && i < h; i++)
		memset(ch->right < 0 ? to + i * w : to + (i + 1) * w - columns, fill, columns);
}

static void change_plane(const uint8_t *from, size_t h, size_t w, const struct change *ch,
			 uint8_t fill, uint8_t *to)
{
	size_t i;

	move_plane(from, h, w, ch, fill, to);
	for (i = 0; ch->flip && i < h; i++)
		flip_row(to + i * w, w);
	for (i = ch->top; i < ch->bottom; i++)
		memset(to + i * w + ch->left, fill, ch->end - ch->left);
}

void samples_batch(const struct samples *s, const uint32_t *order, size_t first, size_t n,
		   const struct samples_augment *a, uint64_t seed, uint32_t epoch,
		   uint8_t *pixels, uint16_t *labels)
{
	size_t plane = (size_t)s->h * s->w, i, k;
	const uint8_t *from;
	struct change ch;

	for (i = 0; i < n; i++) {
		from = s->pixels + (size_t)order[first + i] * s->c * plane;
		labels[i] = s->labels[order[first + i]];
		if (a) {
			choose_change(s, a, seed, epoch, first + i, &ch);
			for (k = 0; k < s->c; k++)
				change_plane(from + k * plane, s->h, s->w, &ch, a->fill[k],
					     pixels + k * plane);
		} else {
			memcpy(pixels, from, s->c * plane);
		}
		pixels += s->c * plane;
	}
}
