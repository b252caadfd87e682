/* SPDX-License-Identifier: MIT */
/* The log of a training, one JSON object in a line for each epoch, and its curves as SVG. */
#ifndef TRAIN_CURVES_H
#define TRAIN_CURVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** struct curves_epoch - a line of the log. */
struct curves_epoch {
	uint32_t epoch;			/* of the whole run, from 1 */
	char stage[16];			/* "float", "quantize 75 %", ... */
	double loss, accuracy;		/* of training, %, as it went */
	double held_loss, held_accuracy;	/* of the pictures held out, %; NAN: none */
	double rate;			/* learning rate at its end */
	double sparsity, quantized;	/* %, of all weights; of those not pruned */
	double seconds, pictures_per_second;
};

/**
 * curves_check() - whether these may be a log's: stages are printable text with an end, and no epoch is 0
 *                  or lower than the one before
 */
bool curves_check(const struct curves_epoch *e, size_t count);

/**
 * curves_log() - append a line and flush it
 *
 * Numbers that are not finite become null; the others get as few digits as bring the same bits back.
 * Return: 0, -EINVAL for a stage that is empty, not printable or holds '"' or '\\', or epoch 0, or
 * what the system said.
 */
int curves_log(FILE *f, const struct curves_epoch *e);

/**
 * curves_svg() - loss and accuracy over the epochs, stages marked; written to a temporary, renamed
 * @count: at least 1
 *
 * Return: 0, -EINVAL without epochs or where curves_check() fails, -ENOMEM, or what the system said; with @err.
 */
int curves_svg(const char *path, const struct curves_epoch *e, size_t count, char *err,
	       size_t errlen);

#endif
