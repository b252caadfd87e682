// SPDX-License-Identifier: MIT
/* What is told of a training beyond its table: picture by picture, and layer by layer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cli.h"
#include "common/file.h"
#include "net/gmm.h"
#include "run.h"

int run_pictures(struct run *r)
{
	size_t classes = r->class_count, i, len = 0;
	char *text = NULL;
	FILE *f;
	int rc = 0;

	if (!r->o.per_picture)
		return 0;
	f = open_memstream(&text, &len);
	for (i = 0; f && i < r->held.count && rc >= 0; i++)
		rc = fprintf(f, "%u %u %zu\n", r->held.labels[i],
			     calib_top1(r->outputs + i * classes, classes), i);
	if (!f || fclose(f) || rc < 0)
		rc = run_fail(r, -ENOMEM, "out of memory");
	else
		rc = file_write(r->o.per_picture, text, len, r->err, sizeof(r->err));
	free(text);
	return rc;
}

/* The weights that are left, and how far apart their two components are. */
static int layer_json(const struct run *r, uint32_t i, const char *comma)
{
	const struct tnet_layer *l = &r->t->layers[i];
	const uint8_t *mask = run_begun(r, TRAIN_PRUNE) ? r->masks[i] : NULL;
	float *left = malloc(l->weights * sizeof(*left));
	size_t zeros = 0, k;
	struct gmm g;
	int rc;

	if (!left)
		return -ENOMEM;
	for (k = 0; k < l->weights; k++) {
		left[k] = !mask || mask[k] ? l->weight[k] : 0;
		zeros += left[k] == 0;
	}
	rc = gmm_fit(left, l->weights, &g);
	free(left);
	if (rc)
		return rc;
	printf("%s{\"name\": ", comma);
	cli_json_string(stdout, r->net->layers[i].name);
	printf(", \"weights\": %zu, \"zeros\": %zu, \"separation\": %.9g", l->weights, zeros,
	       g.separation);
	if (run_begun(r, TRAIN_QUANTIZE))
		printf(", \"bits\": %u, \"mode\": \"%s\"", r->fq[i].grid.alphabet.bits,
		       word_modes[r->fq[i].grid.alphabet.mode]);
	putchar('}');
	return 0;
}

int run_layers_json(const struct run *r)
{
	const char *comma = "";
	uint32_t i;
	int rc = 0;

	printf(", \"layers\": [");
	for (i = 0; i < r->net->layer_count && !rc; i++)
		if (r->t->layers[i].weights) {
			rc = layer_json(r, i, comma);
			comma = ", ";
		}
	putchar(']');
	return rc;
}
