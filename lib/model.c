// SPDX-License-Identifier: MIT
/* Models: loading, and what their images say. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"

/* Reads the image for the host's own use: shapes, names, live tensors. */
static int model_describe(struct fqaccel_model *model)
{
	struct fqz_error err;
	int ret;

	ret = fqz_image_open(model->data, model->len, &model->image, &err);
	if (ret == -ENOMEM)
		return fqaccel_fail_memory();
	if (ret)
		return fqaccel_fail_image("the library", err.reason, err.layer, err.offset,
					  err.what);
	return 0;
}

/* Buffers are sized by the host's reading and filled by the card's: they must agree. */
static int model_compare(const struct fqaccel_model *model)
{
	const struct fqz_image *img = model->image;
	uint64_t in, out;

	fqz_image_live(img, 0, NULL, &in);
	fqz_image_live(img, img->layer_count, NULL, &out);
	if (in != model->facts.input_bytes || out != model->facts.output_bytes ||
	    img->layer_count != model->facts.layers)
		return fqaccel_fail(-EPROTO,
				    "card and library read the image differently; update the driver, the card's firmware or the library");
	return 0;
}

/* Takes over @data. */
static int model_load(struct fqaccel_card *card, void *data, size_t len,
		      struct fqaccel_model **out)
{
	struct fqaccel_model *model = calloc(1, sizeof(*model));
	int ret;

	if (!model) {
		free(data);
		return fqaccel_fail_memory();
	}
	model->card = card;
	model->data = data;
	model->len = len;
	pthread_mutex_init(&model->lock, NULL);
	/* The card is the judge of an image: it is asked first. */
	ret = card->backend->model_load(model);
	if (ret)
		goto free_model;
	ret = model_describe(model);
	if (!ret)
		ret = model_compare(model);
	if (ret)
		goto unload;
	fqaccel_card_ref(card);
	*out = model;
	return 0;

unload:
	card->backend->model_close(model);
	fqz_image_close(model->image);
free_model:
	pthread_mutex_destroy(&model->lock);
	free(model->data);
	free(model);
	return ret;
}

int fqaccel_model_load(struct fqaccel_card *card, const void *image, size_t len,
		       struct fqaccel_model **out)
{
	void *copy;

	fqaccel_error_clear();
	if (!card || !image || !out)
		return fqaccel_fail(-EINVAL, "fqaccel_model_load: card, image or out is NULL");
	*out = NULL;
	if (!len || len > UINT32_MAX)
		return fqaccel_fail(-EBADMSG, "an image of %zu bytes: it has 1 to 2^32 - 1", len);
	copy = malloc(len);
	if (!copy)
		return fqaccel_fail_memory();
	memcpy(copy, image, len);
	return model_load(card, copy, len, out);
}

static int read_all(int fd, char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = read(fd, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fqaccel_fail(n ? -errno : -EIO, "cannot be read: %s",
					    n ? fqaccel_strerror(-errno) : "it became shorter");
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

static int image_read(const char *path, void **data, size_t *len)
{
	struct stat st;
	int fd, ret = 0;

	/* O_NONBLOCK: a named pipe must be refused, not waited for. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fqaccel_fail(-errno, "cannot be opened: %s", strerrordesc_np(errno));
	if (fstat(fd, &st))
		ret = fqaccel_fail(-errno, "cannot be examined: %s", strerrordesc_np(errno));
	else if (!S_ISREG(st.st_mode))
		ret = fqaccel_fail(-EINVAL, "is not a regular file");
	else if (!st.st_size || st.st_size > UINT32_MAX)
		ret = fqaccel_fail(-EBADMSG,
				   "is no .fqz image: it has %lld bytes, an image 1 to 2^32 - 1",
				   (long long)st.st_size);
	if (ret)
		goto close_fd;
	*len = (size_t)st.st_size;
	*data = malloc(*len);
	if (!*data) {
		ret = fqaccel_fail_memory();
		goto close_fd;
	}
	ret = read_all(fd, *data, *len);
	if (ret)
		free(*data);
close_fd:
	close(fd);
	return ret;
}

int fqaccel_model_load_file(struct fqaccel_card *card, const char *path,
			    struct fqaccel_model **out)
{
	void *data = NULL;
	size_t len = 0;
	int ret;

	fqaccel_error_clear();
	if (!card || !path || !out)
		return fqaccel_fail(-EINVAL, "fqaccel_model_load_file: card, path or out is NULL");
	*out = NULL;
	ret = image_read(path, &data, &len);
	if (!ret)
		ret = model_load(card, data, len, out);
	if (ret)
		fqaccel_fail_prefix(path);
	return ret;
}

void fqaccel_model_close(struct fqaccel_model *model)
{
	if (!model)
		return;
	fqaccel_infer_buffers_free(model->spare);
	model->card->backend->model_close(model);
	fqaccel_card_unref(model->card);
	fqz_image_close(model->image);
	pthread_mutex_destroy(&model->lock);
	free(model->data);
	free(model);
}

static struct fqaccel_tensor_info tensor_info(const struct fqz_tensor *t)
{
	return (struct fqaccel_tensor_info){
		.type = (enum fqaccel_type)t->type,
		.c = t->c,
		.h = t->h,
		.w = t->w,
		.scale = t->scale,
	};
}

int fqaccel_model_info(struct fqaccel_model *model, struct fqaccel_model_info *info, size_t size)
{
	struct fqaccel_model_info all;
	const struct fqz_image *img;

	fqaccel_error_clear();
	if (!model || !info || size < sizeof(info->layers))
		return fqaccel_fail(-EINVAL, "fqaccel_model_info: model, info or size is invalid");
	img = model->image;
	memset(&all, 0, sizeof(all));
	all.layers = img->layer_count;
	all.classes = img->class_count;
	all.weights = img->weight_count;
	all.input_bytes = model->facts.input_bytes;
	all.output_bytes = model->facts.output_bytes;
	all.image_bytes = model->facts.image_bytes;
	all.arena_bytes = model->facts.arena_bytes;
	all.cycles = model->facts.cycles;
	all.input = tensor_info(&img->tensors[0]);
	all.output = tensor_info(&img->tensors[img->tensor_count - 1]);
	all.color = (enum fqaccel_color)img->color;
	all.resize_shorter = img->resize_shorter;
	if (size > sizeof(all))
		memset((char *)info + sizeof(all), 0, size - sizeof(all));
	memcpy(info, &all, size < sizeof(all) ? size : sizeof(all));
	return 0;
}

const char *fqaccel_model_class(struct fqaccel_model *model, uint32_t index)
{
	if (!model || !model->image->classes || index >= model->image->class_count)
		return NULL;
	return model->image->classes[index];
}

const char *fqaccel_model_meta(struct fqaccel_model *model, const char *key)
{
	return model && key ? fqz_image_meta(model->image, key) : NULL;
}

const char *fqaccel_model_layer_name(struct fqaccel_model *model, uint32_t index)
{
	if (!model || index >= model->image->layer_count)
		return NULL;
	return model->image->layers[index].name;
}

int fqaccel_model_range(struct fqaccel_model *model, uint32_t first, uint32_t count,
			uint64_t *input_bytes, uint64_t *output_bytes)
{
	fqaccel_error_clear();
	if (!model || !input_bytes || !output_bytes)
		return fqaccel_fail(-EINVAL,
				    "fqaccel_model_range: model, input_bytes or output_bytes is NULL");
	if (!first && !count)
		count = model->image->layer_count;
	if (!count || first >= model->image->layer_count ||
	    count > model->image->layer_count - first)
		return fqaccel_fail(-EINVAL, "layers %u to %llu are not all in the network of %u",
				    first, (unsigned long long)first + count,
				    model->image->layer_count);
	if (!first && count == model->image->layer_count) {
		*input_bytes = model->facts.input_bytes;
		*output_bytes = model->facts.output_bytes;
		return 0;
	}
	fqz_image_live(model->image, first, NULL, input_bytes);
	fqz_image_live(model->image, first + count, NULL, output_bytes);
	return 0;
}
