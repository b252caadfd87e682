/* SPDX-License-Identifier: MIT */
/*
 * Many pictures through one network: threads read, prepare and run them in
 * batches; the caller gets the outputs one by one, in order.
 */
#ifndef TOOLS_PIPELINE_H
#define TOOLS_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

#include "fqaccel.h"
#include "dataset.h"

struct pipeline {
	struct fqaccel_model *model;
	size_t count;		/* pictures */
	uint32_t batch;		/* pictures in one run; 0: as fits count and jobs */
	unsigned int jobs;	/* threads, at least 1; 0: one for each processor */
	/* Fill @chw with picture @i, from any thread; 0, or a negative errno and @err. */
	int (*fill)(void *opaque, size_t i, uint8_t *chw, char *err, size_t errlen);
	/*
	 * Picture @i's output and, as it was filled, its input; @output is NULL and @err says why
	 * if it could not be filled. On the calling thread, in order. Not 0: that was the last.
	 */
	int (*done)(void *opaque, size_t i, const void *output, const uint8_t *chw,
		    const char *err);
	void *opaque;
};

/**
 * pipeline_run() - run them all
 * @err: why it ended early, if the card failed or memory did
 * Return: 0, what done() returned, or a negative errno.
 */
int pipeline_run(const struct pipeline *p, char *err, size_t errlen);

/**
 * pipeline_fill() - read, resize, crop and reorder a picture as the network wants it
 * @info: of the model
 * @chw:  info->input_bytes
 */
int pipeline_fill(const struct fqaccel_model_info *info, const struct dataset *ds, size_t i,
		  uint8_t *chw, char *err, size_t errlen);

/** pipeline_check() - 0, or -EINVAL and @err where the network's input is no picture. */
int pipeline_check(const struct fqaccel_model_info *info, char *err, size_t errlen);

#endif
