// SPDX-License-Identifier: MIT
/*
 * Runs an image on the soft card layer by layer and writes into a folder what an independent engine
 * is compared with: every tensor's integers, one picture after another (tN.raw, t0.raw being the
 * pictures), each layer's integer weights and channel parameters (lN.weight, .scale, .bias, .shift), and
 * network.json, which says what they are. Prints how many pictures there were.
 *
 * Usage: ort_card IMAGE.fqz FOLDER COUNT [PICTURES]; without PICTURES they are drawn.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "fqaccel.h"
#include "fqz.h"
#include "net/pictures.h"

static const char *folder;

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("ort_card: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static FILE *create(const char *fmt, ...)
{
	char name[64], path[4096];
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "wb");
	if (!f)
		die("%s: %s", path, strerror(errno));
	return f;
}

static void put(FILE *f, const void *data, size_t size, size_t count)
{
	if (fwrite(data, size, count, f) != count)
		die("%s: %s", folder, strerror(errno));
}

static void done(FILE *f)
{
	if (fclose(f))
		die("%s: %s", folder, strerror(errno));
}

static void list(FILE *f, const char *name, const uint32_t *v, uint32_t count)
{
	uint32_t i;

	fprintf(f, "\"%s\": [", name);
	for (i = 0; i < count; i++)
		fprintf(f, "%s%u", i ? ", " : "", v[i]);
	fputc(']', f);
}

static void write_layer(FILE *f, const struct fqz_layer *l)
{
	fprintf(f, "{\"kind\": \"%s\", \"output\": %u, ", fqz_kind_name(l->kind), l->output);
	list(f, "inputs", l->inputs, l->input_count);
	fprintf(f, ", \"bias_shift\": %u, \"out_shift\": %u, \"act_min\": %d, \"act_max\": %d, "
		"\"add_scale\": [%d, %d], \"groups\": %u, \"kernel\": [%u, %u]}", l->bias_shift,
		l->out_shift, l->act_min, l->act_max, l->add_scale[0], l->add_scale[1], l->groups,
		l->kernel_h, l->kernel_w);
}

static void write_network(const struct fqz_image *img)
{
	static const char *const types[] = { "", "uint8", "int8", "int32" };
	FILE *f = create("network.json");
	uint32_t i;

	fprintf(f, "{\"classes\": %u, \"tensors\": [", img->class_count);
	for (i = 0; i < img->tensor_count; i++) {
		const struct fqz_tensor *t = &img->tensors[i];
		uint32_t bits;

		memcpy(&bits, &t->scale, sizeof(bits));
		fprintf(f, "%s{\"type\": \"%s\", \"shape\": [%u, %u, %u], \"scale_bits\": %u}",
			i ? ",\n" : "", types[t->type], t->c, t->h, t->w, bits);
	}
	fputs("],\n\"layers\": [", f);
	for (i = 0; i < img->layer_count; i++) {
		fputs(i ? ",\n" : "", f);
		write_layer(f, &img->layers[i]);
	}
	fputs("]}\n", f);
	done(f);
}

static void write_weights(const struct fqz_image *img, uint32_t index)
{
	const struct fqz_layer *l = &img->layers[index];
	size_t count = (size_t)l->outputs * l->inputs_per_output, i;
	FILE *f = create("l%u.weight", index);
	uint8_t *symbols = malloc(count);
	int32_t values[FQZ_MAX_ALPHABET];
	struct fqz_error err = { 0 };

	if (!symbols || fqz_layer_decode(img, index, symbols, count, &err))
		die("layer %u: %s", index, err.what ? err.what : "out of memory");
	fqz_layer_weights(l, values);
	for (i = 0; i < count; i++)
		put(f, &values[symbols[i]], sizeof(values[0]), 1);
	free(symbols);
	done(f);
}

static void write_channels(const struct fqz_image *img, uint32_t index)
{
	const struct fqz_layer *l = &img->layers[index];
	uint32_t count = img->tensors[l->output].c;
	FILE *f = create("l%u.scale", index);

	put(f, l->scale, sizeof(*l->scale), count);
	done(f);
	f = create("l%u.bias", index);
	put(f, l->bias, sizeof(*l->bias), count);
	done(f);
	f = create("l%u.shift", index);
	put(f, l->shift, sizeof(*l->shift), count);
	done(f);
}

/* The card, with two buffers that take turns: what is live before a layer, and after it. */
struct run {
	const struct fqz_image *img;
	struct fqaccel_card *card;
	struct fqaccel_model *model;
	struct fqaccel_queue *queue;
	struct fqaccel_buffer *buf[2];
	FILE **files;
	uint32_t *ids;
};

static void check(int ret, const char *what)
{
	if (ret < 0)
		die("%s: %s", what, strerror(-ret));
}

static void open_card(struct run *r, const void *image, size_t len)
{
	uint64_t in, out, most = 0;
	uint32_t i;

	check(fqaccel_card_open("soft", &r->card), "the soft card");
	check(fqaccel_model_load(r->card, image, len, &r->model), "the image");
	for (i = 0; i < r->img->layer_count; i++) {
		check(fqaccel_model_range(r->model, i, 1, &in, &out), "a layer's range");
		most = in > most ? in : most;
		most = out > most ? out : most;
	}
	for (i = 0; i < 2; i++)
		check(fqaccel_buffer_create(r->card, most, FQACCEL_CARD_READS | FQACCEL_CARD_WRITES,
					    &r->buf[i]), "a buffer");
	check(fqaccel_queue_create(r->card, 1, &r->queue), "a queue");
}

static void close_card(struct run *r)
{
	fqaccel_queue_close(r->queue);
	fqaccel_buffer_close(r->buf[0]);
	fqaccel_buffer_close(r->buf[1]);
	fqaccel_model_close(r->model);
	fqaccel_card_close(r->card);
}

/* What the layer wrote lies among the live tensors in order of number (FORMAT.md section 9). */
static void keep_output(struct run *r, uint32_t layer, const uint8_t *live)
{
	uint32_t count = fqz_image_live(r->img, layer + 1, r->ids, NULL), i;

	for (i = 0; i < count && r->ids[i] != layer + 1; i++)
		live += fqz_tensor_bytes(&r->img->tensors[r->ids[i]]);
	if (i == count)
		die("layer %u: its output is not live", layer);
	put(r->files[layer + 1], live, 1, fqz_tensor_bytes(&r->img->tensors[layer + 1]));
}

static void run_picture(struct run *r, const uint8_t *pixels)
{
	struct fqaccel_run_desc run = { .model = r->model, .layer_count = 1, .batch = 1 };
	uint64_t sequence;
	uint32_t i;

	memcpy(fqaccel_buffer_data(r->buf[0]), pixels, fqz_tensor_bytes(&r->img->tensors[0]));
	put(r->files[0], pixels, 1, fqz_tensor_bytes(&r->img->tensors[0]));
	for (i = 0; i < r->img->layer_count; i++) {
		run.first_layer = i;
		run.input = r->buf[i % 2];
		run.output = r->buf[(i + 1) % 2];
		check(fqaccel_queue_submit(r->queue, &run, 1, &sequence), "a run");
		check(fqaccel_queue_wait(r->queue, sequence, -1, NULL), "a run");
		keep_output(r, i, fqaccel_buffer_data(run.output));
	}
}

static void open_run(struct run *r, const void *image, size_t len)
{
	uint32_t i;

	r->files = calloc(r->img->tensor_count, sizeof(*r->files));
	r->ids = calloc(r->img->tensor_count, sizeof(*r->ids));
	if (!r->files || !r->ids)
		die("out of memory");
	for (i = 0; i < r->img->tensor_count; i++)
		r->files[i] = create("t%u.raw", i);
	open_card(r, image, len);
}

static void close_run(struct run *r)
{
	uint32_t i;

	close_card(r);
	for (i = 0; i < r->img->tensor_count; i++)
		done(r->files[i]);
	free(r->files);
	free(r->ids);
}

/* At most @count pictures of @path, or, without one, drawn ones; Return: how many. */
static size_t run_pictures(struct run *r, const char *path, size_t count)
{
	const struct fqz_tensor *x = &r->img->tensors[0];
	struct net_tensor t = { .c = x->c, .h = x->h, .w = x->w };
	struct picture_set set = { 0 };
	char err[512] = "out of memory";
	size_t total = 0, p;
	uint64_t seed;

	for (seed = 1; total < count && (seed == 1 || !path); seed++) {
		if (path ? pictures_load(path, count, &t, (enum img_color)r->img->color,
					 (int)r->img->resize_shorter, 2, NULL, 0, &set, err,
					 sizeof(err)) :
			   pictures_synthetic(&t, seed, &set))
			die("%s", err);
		for (p = 0; p < set.count && total < count; p++, total++)
			run_picture(r, set.pixels + p * fqz_tensor_bytes(x));
		pictures_free(&set);
	}
	return total;
}

int main(int argc, char **argv)
{
	struct fqz_error error = { 0 };
	struct fqz_image *img;
	struct run r = { 0 };
	char err[512];
	void *image;
	size_t len;
	uint32_t i;

	if (argc < 4 || argc > 5) {
		fputs("usage: ort_card IMAGE.fqz FOLDER COUNT [PICTURES]\n", stderr);
		return 2;
	}
	folder = argv[2];
	if (file_read(argv[1], UINT32_MAX, &image, &len, err, sizeof(err)))
		die("%s", err);
	if (fqz_image_open(image, len, &img, &error))
		die("%s: %s", argv[1], error.what);
	write_network(img);
	for (i = 0; i < img->layer_count; i++) {
		if (fqz_layer_has_channels(&img->layers[i]))
			write_channels(img, i);
		if (fqz_layer_has_weights(&img->layers[i]))
			write_weights(img, i);
	}
	r.img = img;
	open_run(&r, image, len);
	printf("%zu\n", run_pictures(&r, argc > 4 ? argv[4] : NULL, strtoul(argv[3], NULL, 10)));
	close_run(&r);
	fqz_image_close(img);
	free(image);
	return 0;
}
