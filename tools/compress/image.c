// SPDX-License-Identifier: MIT
/* What the options say of the image (compress.h). */
#include "compress.h"

void image_describe(struct image_info *info, const struct compress_options *o)
{
	info->normal = o->normal;
	info->layers = o->quantize.layers;
	info->coder = o->coder;
	info->encoder = "fqaccel-compress " FQACCEL_VERSION;
	info->options = o->text;
	info->description = o->description;
	info->source = o->model;
}

const char *image_score_data(const struct compress_options *o)
{
	return o->evaluate ? "evaluation pictures" : o->calibrate ? "the calibration pictures" :
	       "synthetic pictures";
}
