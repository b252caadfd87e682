// SPDX-License-Identifier: MIT
/* Pictures in the network's layout, and class names (pictures.h). */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/file.h"
#include "exec.h"
#include "pictures.h"
#include "rng.h"

#define SYNTHETIC_PICTURES	16
#define SYNTHETIC_WAVES		12
#define PICTURES_CROPPED	64	/* inputs from this size on are cropped out of larger pictures */

struct load_job {
	const struct dataset *ds;
	const struct net_tensor *t;
	struct picture_set *set;
	enum img_color color;
	int resize;
	size_t total;
	char *err;		/* of the picture with the lowest number that failed */
	size_t errlen, failed;
	pthread_mutex_t lock;	/* guards err and failed */
};

void pictures_free(struct picture_set *set)
{
	free(set->pixels);
	free(set->labels);
	memset(set, 0, sizeof(*set));
}

static int pictures_alloc(const struct net_tensor *t, size_t count, struct picture_set *set)
{
	memset(set, 0, sizeof(*set));
	set->count = count;
	set->pixels = malloc(count * net_tensor_elements(t));
	set->labels = malloc(count * sizeof(*set->labels));
	if (set->pixels && set->labels)
		return 0;
	pictures_free(set);
	return -ENOMEM;
}

int pictures_get(const struct dataset *ds, size_t i, const struct net_tensor *t,
		 enum img_color color, int resize, uint8_t *pixels, int *label, char *err,
		 size_t errlen)
{
	struct img img;
	int rc;

	rc = dataset_get(ds, i, &img, label, err, errlen);
	if (rc)
		return rc;
	rc = img_prepare(&img, color, (int)t->c, (int)t->h, (int)t->w, resize, pixels);
	if (rc)
		snprintf(err, errlen, "%s: cannot be brought to %u x %u pixels: %s",
			 dataset_name(ds, i), t->w, t->h, strerror(-rc));
	img_free(&img);
	return rc;
}

static int load_one(void *arg, size_t i, unsigned int worker)
{
	struct load_job *j = arg;
	size_t n = net_tensor_elements(j->t);
	char err[512];
	int rc;

	(void)worker;
	rc = pictures_get(j->ds, i * j->total / j->set->count, j->t, j->color, j->resize,
			  j->set->pixels + i * n, &j->set->labels[i], err, sizeof(err));
	if (!rc)
		return 0;
	pthread_mutex_lock(&j->lock);
	if (i <= j->failed) {
		j->failed = i;
		snprintf(j->err, j->errlen, "%s", err);
	}
	pthread_mutex_unlock(&j->lock);
	return rc;
}

int pictures_load(const char *path, size_t limit, const struct net_tensor *t,
		  enum img_color color, int resize, unsigned int threads,
		  const char *const *classes, size_t class_count, struct picture_set *set,
		  char *err, size_t errlen)
{
	struct load_job j = { .t = t, .set = set, .color = color, .resize = resize, .err = err,
			      .errlen = errlen, .failed = SIZE_MAX };
	struct dataset *ds;
	int rc;

	memset(set, 0, sizeof(*set));
	rc = dataset_open(path, &ds, err, errlen);
	if (rc)
		return rc;
	if (classes)
		rc = dataset_match_classes(ds, classes, class_count, err, errlen);
	if (rc)
		goto close;
	j.ds = ds;
	j.total = dataset_size(ds);
	rc = pictures_alloc(t, j.total < limit ? j.total : limit, set);
	if (rc) {
		snprintf(err, errlen, "%s: out of memory for its pictures", path);
		goto close;
	}
	set->labeled = dataset_labeled(ds);
	pthread_mutex_init(&j.lock, NULL);
	rc = net_parallel(set->count, threads, load_one, &j);
	pthread_mutex_destroy(&j.lock);
	if (rc)
		pictures_free(set);
close:
	dataset_close(ds);
	return rc;
}

/* A sum of plane waves at row @y and column @x, both 0 to 1. */
static float waves_at(float wave[SYNTHETIC_WAVES][3], float y, float x)
{
	float v = 0;
	int k;

	for (k = 0; k < SYNTHETIC_WAVES; k++) {
		float turn = wave[k][2] + (float)k * (wave[k][0] * y + wave[k][1] * x);

		v += sinf(6.2832f * turn) / (1.0f + (float)k / 2);
	}
	return v;
}

static uint8_t *plane_draw(const struct net_tensor *t, uint64_t seed, uint64_t stream,
			   uint8_t *at)
{
	float wave[SYNTHETIC_WAVES][3], v;
	uint32_t y, x, k;

	for (k = 0; k < 3 * SYNTHETIC_WAVES; k++)
		wave[k / 3][k % 3] = (float)rng_uniform(seed, stream, k);
	for (y = 0; y < t->h; y++)
		for (x = 0; x < t->w; x++) {
			v = 128 + 60 * waves_at(wave, (float)y / (float)t->h,
						(float)x / (float)t->w);
			*at++ = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
	return at;
}

int pictures_synthetic(const struct net_tensor *t, uint64_t seed, struct picture_set *set)
{
	uint8_t *at;
	uint64_t i;
	size_t p;

	if (pictures_alloc(t, SYNTHETIC_PICTURES, set))
		return -ENOMEM;
	for (p = 0; p < set->count; p++)
		set->labels[p] = -1;
	at = set->pixels;
	for (i = 0; i < (uint64_t)set->count * t->c; i++)
		at = plane_draw(t, seed, i, at);
	return 0;
}

uint32_t pictures_resize(const struct net_tensor *t)
{
	uint32_t side = t->h < t->w ? t->h : t->w;

	return side < PICTURES_CROPPED ? 0 : (side * 8 + 3) / 7;
}

void classes_free(char **names, size_t count)
{
	size_t i;

	for (i = 0; names && i < count; i++)
		free(names[i]);
	free(names);
}

int classes_number(size_t count, char ***names)
{
	char text[24], **list = calloc(count, sizeof(*list));
	size_t i;

	*names = NULL;
	for (i = 0; list && i < count; i++) {
		snprintf(text, sizeof(text), "%zu", i);
		list[i] = strdup(text);
		if (!list[i])
			break;
	}
	if (list && i == count) {
		*names = list;
		return 0;
	}
	classes_free(list, count);
	return -ENOMEM;
}

/* What an image may hold of names (FORMAT.md section 8). */
static bool is_name(const char *text, size_t len)
{
	const char *p;
	size_t n;

	for (p = text; *p; p += n) {
		n = cli_text_length(p);
		if (!n)
			return false;
	}
	return (size_t)(p - text) == len;
}

int classes_load(const char *path, size_t count, char ***names, char *err, size_t errlen)
{
	char *data, *line, *next, *end;
	char **list = calloc(count ? count : 1, sizeof(*list));
	size_t n = 0, len;
	void *p = NULL;
	int rc = -ENOMEM;

	*names = NULL;
	snprintf(err, errlen, "%s: out of memory", path);
	if (!list)
		return rc;
	rc = file_read(path, 1 << 20, &p, &len, err, errlen);
	data = p;
	for (line = data; !rc && line < data + len; line = next) {
		end = memchr(line, '\n', (size_t)(data + len - line));
		next = end ? end + 1 : data + len;
		end = end ? end : data + len;
		if (end > line && end[-1] == '\r')
			end--;
		if (n < count) {
			list[n] = strndup(line, (size_t)(end - line));
			if (!list[n]) {
				rc = -ENOMEM;
			} else if (!is_name(list[n], (size_t)(end - line))) {
				rc = -EINVAL;
				snprintf(err, errlen, "%s:%zu: a name of UTF-8 text without control "
					 "characters is expected", path, n + 1);
			}
		}
		n++;
	}
	if (!rc && n != count) {
		snprintf(err, errlen, "%s: %zu names, but the network has %zu classes; one name in "
			 "a line is expected", path, n, count);
		rc = -EINVAL;
	}
	free(p);
	if (rc)
		classes_free(list, count);
	else
		*names = list;
	return rc;
}
