// SPDX-License-Identifier: MIT
/*
 * Sizes of an image's weights in each coder, and how fast they are decoded, beside zstd and
 * xz on the same symbols as bytes.
 *
 *	decode [--sizes] {resnet50[:SPARSITY] | resnet50-conv[:S] | resnet18[:S] | FILE.fqz}...
 *
 * A ResNet has random weights of its shape, pruned to that share and quantized to 5 bits. Times
 * are medians of rounds; in a round each decoder runs once, one after the other, so that what else
 * the machine does touches them alike. Speeds are of one thread, by its processor time. What two
 * threads gain is by the clock, over several passes, since waking a second processor takes as long
 * as a pass. --sizes: no times.
 */
#include <errno.h>
#include <lzma.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "common/file.h"
#include "fqz.h"
#include "resnet.h"

#define ROUNDS	15
#define THREADS	2
#define PASSES	8	/* of one thread and two for the gain */
#define CODERS	((unsigned int)FQZ_TANS + 1)

/* zstd's levels: its default, a slow one, the slowest; the last one is only sized. */
static const int levels[] = { 3, 19, 22 };

#define LEVELS	(sizeof(levels) / sizeof(levels[0]))

/* Each coder as a whole, then PASSES of it in one thread and in two, then zstd's levels. */
enum {
	TIMED_ONE = (int)CODERS,
	TIMED_TWO = 2 * TIMED_ONE,
	TIMED_ZSTD = 3 * TIMED_ONE,
	TIMED = TIMED_ZSTD + 2,
};

struct subject {
	struct fqz_image *img;		/* the network, its layers' symbols set */
	uint8_t *symbols, *back;	/* of all layers, one after another */
	size_t *start;			/* of a layer in them */
	size_t weights;
	void *coded[CODERS];		/* whole images */
	size_t coded_len[CODERS];
	struct fqz_image *opened[CODERS];
	void *zstd[LEVELS];
	size_t zstd_len[LEVELS], xz_len;
	double times[TIMED][ROUNDS], clock[TIMED][ROUNDS];
};

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool has_weights(const struct subject *s, uint32_t i)
{
	return fqz_layer_has_weights(&s->img->layers[i]);
}

/* The same network in each coder; what was written is what is decoded below. */
static void encode(struct subject *s)
{
	struct fqz_error err;
	unsigned int coder;
	uint32_t i;

	for (coder = 0; coder < CODERS; coder++) {
		for (i = 0; i < s->img->layer_count; i++)
			if (has_weights(s, i))
				s->img->layers[i].coder = (enum fqz_coder)coder;
		if (fqz_image_write(s->img, &s->coded[coder], &s->coded_len[coder], &err))
			die(err.what);
		if (fqz_image_open(s->coded[coder], s->coded_len[coder], &s->opened[coder], &err))
			die(err.what);
	}
}

static void gather(struct subject *s)
{
	const struct fqz_image *img = s->opened[FQZ_HUFFMAN];
	uint32_t i;

	s->start = must(calloc(img->layer_count + 1, sizeof(*s->start)));
	s->symbols = must(malloc(img->weight_count));
	s->back = must(malloc(img->weight_count));
	for (i = 0; i < img->layer_count; i++) {
		size_t count = (size_t)img->layers[i].outputs * img->layers[i].inputs_per_output;

		s->start[i] = s->weights;
		if (has_weights(s, i))
			memcpy(s->symbols + s->weights, s->img->layers[i].symbols, count);
		s->weights += has_weights(s, i) ? count : 0;
	}
	s->start[i] = s->weights;
}

static void pack(struct subject *s)
{
	size_t room = ZSTD_compressBound(s->weights), xz_room = lzma_stream_buffer_bound(s->weights);
	uint8_t *xz = must(malloc(xz_room));
	size_t i;

	for (i = 0; i < LEVELS; i++) {
		s->zstd[i] = must(malloc(room));
		s->zstd_len[i] = ZSTD_compress(s->zstd[i], room, s->symbols, s->weights, levels[i]);
		if (ZSTD_isError(s->zstd_len[i]))
			die(ZSTD_getErrorName(s->zstd_len[i]));
	}
	if (lzma_easy_buffer_encode(9 | LZMA_PRESET_EXTREME, LZMA_CHECK_CRC64, NULL, s->symbols,
				    s->weights, xz, &s->xz_len, xz_room) != LZMA_OK)
		die("xz");
	free(xz);
}

struct job {
	struct subject *s;
	struct fqz_stream **streams;	/* by layer, shared by the threads */
	unsigned int coder, thread, threads;
};

/* The segments of a layer that begin within the thread's share of all weights. */
static void share(const struct job *j, uint32_t layer, uint32_t *first, uint32_t *last)
{
	size_t from = j->s->weights * j->thread / j->threads;
	size_t to = j->s->weights * (j->thread + 1) / j->threads;
	uint32_t n = fqz_stream_segments(j->streams[layer]), i;

	*first = *last = 0;
	for (i = 0; i < n; i++) {
		size_t at = j->s->start[layer] + fqz_stream_start(j->streams[layer], i);

		*first += at < from;
		*last += at < to;
	}
}

static void *decode_share(void *arg)
{
	struct job *j = arg;
	uint32_t layers = j->s->opened[j->coder]->layer_count, i, first, last;
	struct fqz_error err;
	unsigned int pass;

	for (pass = 0; pass < PASSES; pass++)
		for (i = 0; i < layers; i++) {
			if (!has_weights(j->s, i))
				continue;
			share(j, i, &first, &last);
			if (fqz_stream_decode(j->streams[i], first, last - first,
					      j->s->back + j->s->start[i], NULL, NULL, &err))
				die(err.what);
		}
	return NULL;
}

static void decode_threads(struct subject *s, unsigned int coder, unsigned int count)
{
	const struct fqz_image *img = s->opened[coder];
	struct fqz_stream **streams = must(calloc(img->layer_count, sizeof(*streams)));
	pthread_t threads[THREADS];
	struct job jobs[THREADS];
	struct fqz_error err;
	unsigned int t;
	uint32_t i;

	for (i = 0; i < img->layer_count; i++)
		if (has_weights(s, i) && fqz_stream_open(img, i, &streams[i], &err))
			die(err.what);
	for (t = 0; t < count; t++) {
		jobs[t] = (struct job){ s, streams, coder, t, count };
		if (pthread_create(&threads[t], NULL, decode_share, &jobs[t]))
			die("no thread");
	}
	for (t = 0; t < count; t++)
		pthread_join(threads[t], NULL);
	for (i = 0; i < img->layer_count; i++)
		fqz_stream_close(streams[i]);
	free(streams);
}

static void decode_one(struct subject *s, unsigned int coder)
{
	const struct fqz_image *img = s->opened[coder];
	struct fqz_error err;
	uint32_t i;

	for (i = 0; i < img->layer_count; i++)
		if (has_weights(s, i) &&
		    fqz_layer_decode(img, i, s->back + s->start[i], s->start[i + 1] - s->start[i],
				     &err))
			die(err.what);
}

static void run(struct subject *s, int what)
{
	size_t level;

	if (what < TIMED_ONE) {
		decode_one(s, (unsigned int)what);
	} else if (what < TIMED_ZSTD) {
		decode_threads(s, (unsigned int)(what % TIMED_ONE), what < TIMED_TWO ? 1 : THREADS);
	} else {
		level = (size_t)(what - TIMED_ZSTD);
		if (ZSTD_decompress(s->back, s->weights, s->zstd[level], s->zstd_len[level]) !=
		    s->weights)
			die("zstd");
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct subject *s)
{
	unsigned int round;
	double begin, clock;
	int what;

	for (round = 0; round < ROUNDS; round++) {
		for (what = 0; what < TIMED; what++) {
			memset(s->back, 255, s->weights);
			clock = now(CLOCK_MONOTONIC);
			begin = now(CLOCK_THREAD_CPUTIME_ID);
			run(s, what);
			s->times[what][round] = now(CLOCK_THREAD_CPUTIME_ID) - begin;
			s->clock[what][round] = now(CLOCK_MONOTONIC) - clock;
			if (memcmp(s->back, s->symbols, s->weights))
				die("what was decoded is not what was encoded");
		}
	}
	for (what = 0; what < TIMED; what++) {
		qsort(s->times[what], ROUNDS, sizeof(double), compare);
		qsort(s->clock[what], ROUNDS, sizeof(double), compare);
	}
}

/* Bits, by the symbols' frequencies in each layer. */
static double entropy(const struct subject *s)
{
	double bits = 0;
	uint32_t i, k;
	size_t n;

	for (i = 0; i < s->img->layer_count; i++) {
		uint64_t counts[256] = { 0 };

		for (n = s->start[i]; n < s->start[i + 1]; n++)
			counts[s->symbols[n]]++;
		for (k = 0; k < 256; k++)
			if (counts[k])
				bits += (double)counts[k] *
					log2((double)(s->start[i + 1] - s->start[i]) /
					     (double)counts[k]);
	}
	return bits;
}

static uint64_t stream_bytes(const struct fqz_image *img)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < img->layer_count; i++)
		sum += img->layers[i].stream_size;
	return sum;
}

static void print(const struct subject *s, const char *name, bool timed)
{
	double n = (double)s->weights, zstd = s->times[TIMED_ZSTD][ROUNDS / 2];
	size_t zero = 0, i;
	unsigned int coder;

	for (i = 0; i < s->weights; i++)
		zero += !s->symbols[i];
	printf("%s: %zu weights, %.2f %% zero, order-0 entropy %.4f bits a weight, 32-bit floats %zu bytes\n",
	       name, s->weights, 100 * (double)zero / n, entropy(s) / n, 4 * s->weights);
	printf("  %-14s %12s %8s %8s %10s", "", "bytes", "bits/w", "CR", "x huffman");
	puts(timed ? "   Mw/s  x zstd -3  x zstd -19  2 threads" : "");
	for (coder = 1; coder <= CODERS; coder++) {
		unsigned int c = coder % CODERS;

		printf("  %-14s %12zu %8.4f %8.3f %10.4f", fqz_coder_name((enum fqz_coder)c),
		       s->coded_len[c], 8 * (double)stream_bytes(s->opened[c]) / n,
		       4 * n / (double)s->coded_len[c],
		       (double)s->coded_len[FQZ_HUFFMAN] / (double)s->coded_len[c]);
		if (timed)
			printf("%7.0f %10.2f %11.2f %8.2f x", 1e-6 * n / s->times[c][ROUNDS / 2],
			       zstd / s->times[c][ROUNDS / 2],
			       s->times[TIMED_ZSTD + 1][ROUNDS / 2] / s->times[c][ROUNDS / 2],
			       s->clock[TIMED_ONE + (int)c][ROUNDS / 2] /
				       s->clock[TIMED_TWO + (int)c][ROUNDS / 2]);
		putchar('\n');
	}
	for (i = 0; i < LEVELS; i++) {
		printf("  zstd -%-8d %12zu %8.4f %19s", levels[i], s->zstd_len[i],
		       8 * (double)s->zstd_len[i] / n, "");
		if (timed && i < 2)
			printf("%7.0f", 1e-6 * n / s->times[TIMED_ZSTD + (int)i][ROUNDS / 2]);
		putchar('\n');
	}
	printf("  %-14s %12zu %8.4f\n", "xz -9e", s->xz_len, 8 * (double)s->xz_len / n);
}

static void subject_free(struct subject *s)
{
	unsigned int i;

	for (i = 0; i < CODERS; i++) {
		fqz_image_close(s->opened[i]);
		free(s->coded[i]);
	}
	for (i = 0; i < LEVELS; i++)
		free(s->zstd[i]);
	free(s->start);
	free(s->symbols);
	free(s->back);
}

/* least: the ratio to coder huffman that a whole image must reach, 0: none. */
static bool bench(struct fqz_image *img, const char *name, bool timed, double least)
{
	struct subject s = { .img = img };
	double ratio;

	encode(&s);
	gather(&s);
	pack(&s);
	if (timed)
		measure(&s);
	print(&s, name, timed);
	ratio = (double)s.coded_len[FQZ_HUFFMAN] / (double)s.coded_len[FQZ_CODER_AUTO];
	if (least > 0)
		printf("  wanted: %.2f times smaller than huffman; %s\n", least,
		       ratio >= least ? "met" : "MISSED");
	subject_free(&s);
	return ratio >= least;
}

struct shape {
	const char *name;
	unsigned int depth;
	bool classifier;
	double sparsity, least;		/* least: where no other sparsity is told */
};

static const struct shape shapes[] = {
	{ "resnet18", 18, true, 0.7486, 1.08 },
	{ "resnet50", 50, true, 0.827, 1.22 },
	{ "resnet50-conv", 50, false, 0.827, 1.22 },
};

/* NULL: name is that of a file. */
static const struct shape *find_shape(const char *name)
{
	size_t len = strcspn(name, ":"), i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (strlen(shapes[i].name) == len && !strncmp(shapes[i].name, name, len))
			return &shapes[i];
	return NULL;
}

static bool bench_resnet(const struct shape *shape, const char *name, bool timed)
{
	const char *colon = strchr(name, ':');
	double sparsity = shape->sparsity, least = shape->least;
	struct resnet r;
	char *end;
	bool good;

	if (colon) {
		sparsity = strtod(colon + 1, &end);
		if (end == colon + 1 || *end || !(sparsity >= 0 && sparsity < 1))
			die("a sparsity is 0 or above, and below 1");
		least = 0;
	}
	if (resnet_init(&r, shape->depth, shape->classifier, sparsity))
		die("cannot make the network");
	good = bench(&r.img, name, timed, least);
	resnet_free(&r);
	return good;
}

static bool bench_file(const char *path, bool timed)
{
	struct fqz_image *img;
	struct fqz_error err;
	char text[256];
	uint8_t *symbols;
	size_t len, count;
	void *data;
	uint32_t i;
	bool good;

	if (file_read(path, UINT32_MAX, &data, &len, text, sizeof(text)))
		die(text);
	if (fqz_image_open(data, len, &img, &err))
		die(err.what);
	for (i = 0; i < img->layer_count; i++) {
		struct fqz_layer *l = &img->layers[i];

		count = (size_t)l->outputs * l->inputs_per_output;
		if (!fqz_layer_has_weights(l))
			continue;
		symbols = must(malloc(count));
		if (fqz_layer_decode(img, i, symbols, count, &err))
			die(err.what);
		l->symbols = symbols;
	}
	good = bench(img, path, timed, 0);
	for (i = 0; i < img->layer_count; i++)
		free((void *)img->layers[i].symbols);
	fqz_image_close(img);
	free(data);
	return good;
}

int main(int argc, char **argv)
{
	bool timed = argc < 2 || strcmp(argv[1], "--sizes"), good = true;
	const struct shape *shape;
	int i;

	if (argc < (timed ? 2 : 3)) {
		fputs("bench: which networks? See the head of tests/bench/decode.c\n", stderr);
		return 2;
	}
	for (i = timed ? 1 : 2; i < argc; i++) {
		shape = find_shape(argv[i]);
		if (shape)
			good &= bench_resnet(shape, argv[i], timed);
		else
			good &= bench_file(argv[i], timed);
		fflush(stdout);
	}
	return good ? 0 : 1;
}
