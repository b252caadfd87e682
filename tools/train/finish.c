// SPDX-License-Identifier: MIT
/* What a training leaves: the image, run on the soft card, and the float network. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "net/card_score.h"
#include "net/onnx_write.h"
#include "run.h"

static int held_pictures(struct run *r, struct picture_set *set)
{
	size_t i;

	*set = (struct picture_set){ .count = r->held.count, .pixels = r->held.pixels,
				     .labeled = true };
	set->labels = malloc(r->held.count * sizeof(*set->labels));
	if (!set->labels)
		return run_fail(r, -ENOMEM, "out of memory");
	for (i = 0; i < r->held.count; i++)
		set->labels[i] = r->held.labels[i];
	return 0;
}

/* The card's logits are those of the last evaluation, or one of the two is wrong. */
static int compare_outputs(struct run *r, const float *card)
{
	size_t n = r->held.count * r->class_count, i;

	for (i = 0; i < n; i++)
		if (card[i] != r->outputs[i])
			return run_fail(r, -EIO, "held-out picture %zu: the card computes %.9g for class "
					"%zu, the training %.9g; this should never happen, please report "
					"it", i / r->class_count, card[i], i % r->class_count,
					r->outputs[i]);
	return 0;
}

static int score_image(struct run *r, const void *image, size_t len, struct score *s)
{
	float *card = malloc(r->held.count * r->class_count * sizeof(*card));
	struct picture_set set = { 0 };
	int rc = card ? held_pictures(r, &set) : run_fail(r, -ENOMEM, "out of memory");

	if (!rc)
		rc = card_score(image, len, NULL, r->pixel_scale, &set, r->o.threads, s, card,
				r->err, sizeof(r->err));
	if (!rc)
		rc = compare_outputs(r, card);
	free(set.labels);
	free(card);
	return rc;
}

/* Written once without and once with what was measured. */
static int make_image(struct run *r, struct image_info *info, void **image, size_t *len)
{
	struct score score;
	int rc = image_make(info, image, len, r->err, sizeof(r->err));

	if (!rc)
		rc = score_image(r, *image, *len, &score);
	if (rc)
		return rc;
	free(*image);
	*image = NULL;
	info->score = &score;
	info->no_agreement = true;
	info->score_data = r->o.validate.count ? "validation pictures" :
			   "training pictures held out";
	return image_make(info, image, len, r->err, sizeof(r->err));
}

int run_image(struct run *r, size_t *bytes)
{
	struct image_info info = {
		.color = r->color, .resize = (uint32_t)r->o.resize, .classes = r->classes,
		.class_count = (uint32_t)r->class_count,
		.normal = { .range255 = r->o.range255, .bgr = r->o.bgr },
		.encoder = "fqaccel-train " FQACCEL_VERSION, .description = r->o.description,
		.source = r->o.network, .source_crc = r->network_crc,
	};
	struct run_result *s = &r->results[TRAIN_INTEGER];
	char *command = train_options_command(r->text), *options = NULL;
	static struct net_error err;
	void *image = NULL;
	int rc;

	memcpy(info.normal.mean, r->o.mean, sizeof(info.normal.mean));
	memcpy(info.normal.std, r->o.std, sizeof(info.normal.std));
	rc = command && asprintf(&options, "%s%s", r->history, command) >= 0 ? 0 :
	     run_fail(r, -ENOMEM, "out of memory");
	info.options = options;
	if (!rc)
		rc = run_evaluate(r, &s->loss, &s->accuracy);
	if (!rc) {
		rc = integer_finish(r->integer, &err);
		if (rc)
			run_fail(r, rc, "%s", err.text);
	}
	info.q = r->integer->q;
	if (!rc)
		rc = make_image(r, &info, &image, bytes);
	if (!rc)
		rc = file_write(r->o.output, image, *bytes, r->err, sizeof(r->err));
	free(image);
	free(command);
	free(options);
	return rc;
}

int run_save_onnx(struct run *r)
{
	static struct net_error err;
	struct net *net = NULL;
	void *data = NULL;
	size_t len;
	int rc = run_step_begin(r, 0, false);

	if (rc)
		return rc;
	rc = tnet_fold(r->t, &net, NULL, &err);
	if (!rc)
		rc = onnx_write(net, "fqaccel-train", "fqaccel-train", &data, &len, &err);
	if (rc)
		run_fail(r, rc, "%s: %s", r->o.save_onnx, err.text);
	else
		rc = file_write(r->o.save_onnx, data, len, r->err, sizeof(r->err));
	free(data);
	net_destroy(net);
	return rc;
}
