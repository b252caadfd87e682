/* SPDX-License-Identifier: MIT */
/*
 * fqaccel-compress --compare: where an image departs from its network.
 *
 * Both have the same layers in the same order (compare.c checks it). Three signal-to-noise
 * ratios of each layer, over all pictures:
 *
 * weights:    of the image's weights against the network's
 * isolated:   of the layer's output as the card computes it from the float network's
 *             inputs, rounded to the image's tensors: what the layer itself spoils
 * cumulative: of the card's tensor in a run from the picture on: what arrives here
 *
 * A channel that is scaled up where it is written and down by all that read it leaves the
 * network the same (net/equalize.h); an image may be full of such factors, and tells them
 * nowhere. Which part of a channel's gain is such a factor and which an error can't be known
 * from the network: it is the same network. So such a channel's factor is taken to be what
 * fits best in isolation, by least squares (the scale-invariant ratio known from audio); a
 * gain that the readers do not undo shows up in their outputs. Tensors that others than
 * convolutions read have no such freedom, and a wrong gain is an error there.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include "compress.h"
#include "net/fqz_float.h"

#define COMPARE_MOST	99.0	/* dB, where there is no error at all */

struct compare_layer {
	double weights;		/* dB; NAN where the layer has none */
	double isolated, cumulative;
	double fall;		/* of the cumulative ratio from the worst input on, dB */
	double zeros;		/* share of weights that only the image has as 0 */
};

struct comparison {
	const struct compress_options *o;
	struct net *net;		/* float, as the file has it */
	struct fqz_image *img;
	struct netf *floats;		/* the image's weights as real numbers */
	void *data;			/* the image */
	size_t len;
	struct picture_set set;
	bool same_source;		/* the image says that it was made of this file */
	struct compare_layer *layers;
	size_t agree;			/* pictures of the same best class */
	char err[1024];
};

/** compare_check() - refuse an image whose layers are not those of the network. */
int compare_check(struct comparison *c);

/** compare_memory() - bytes that each picture takes in compare_run(). */
size_t compare_memory(const struct comparison *c);

/** compare_run() - measure c->layers and c->agree on the soft card; c->err where it fails. */
int compare_run(struct comparison *c);

/** compare_print() - the table and the verdict, or JSON. */
void compare_print(const struct comparison *c);

#endif
