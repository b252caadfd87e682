/* SPDX-License-Identifier: MIT */
/* What the float network does on the calibration pictures. */
#ifndef NET_CALIB_H
#define NET_CALIB_H

#include "exec.h"

/* Magnitudes by sign, 32 bins an octave from 2^-24 to 2^24. */
#define CALIB_OCTAVES	48
#define CALIB_SPLIT	32
#define CALIB_BINS	(CALIB_OCTAVES * CALIB_SPLIT)

/* How the largest magnitude that is represented follows from those seen. */
enum calib_rule {
	CALIB_MINMAX,		/* the largest */
	CALIB_PERCENTILE,	/* that of all but the 0.01 % largest values other than 0 */
	CALIB_MSE,		/* least squared error of rounding and clipping */
};

struct calib_range {
	uint64_t count[2][CALIB_BINS];	/* 0: negative values, 1: positive */
	float largest[2];		/* magnitudes; INFINITY also where one is not a number */
};

struct calib_set {
	size_t pictures;
	const uint8_t *pixels;	/* pictures * elements of tensor 0, as the card takes them */
	float pixel_scale;	/* real value of a pixel step in tensor 0 */
};

struct calib {
	struct calib_range *ranges;	/* by tensor */
	float **mean;			/* by layer, by channel: NET_CONV, NET_FC before bounds */
	float **channel_top;		/* by tensor, by channel: largest magnitude */
	uint32_t *top1;			/* by picture */
	float largest_output;		/* magnitude */
};

/**
 * calib_run() - run the float network over all pictures
 * @c: to be freed with calib_free(), also after an error
 *
 * The result is the same whatever @threads is. Return: 0 or -ENOMEM.
 */
int calib_run(const struct net *net, const struct calib_set *set, unsigned int threads,
	      struct calib *c);

/** calib_free() - free the arrays. */
void calib_free(const struct net *net, struct calib *c);

/** calib_range_add() - add @b's values to @a's. */
void calib_range_add(struct calib_range *a, const struct calib_range *b);

/**
 * calib_clip() - the magnitude to be represented by the last of @levels (255 or 127) steps
 *
 * Return: 0 if all values are 0.
 */
float calib_clip(const struct calib_range *r, enum calib_rule rule, unsigned int levels);

/** calib_top1() - index of the largest of @n values, the lowest of equal ones. */
uint32_t calib_top1(const float *v, size_t n);

#endif
