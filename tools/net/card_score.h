/* SPDX-License-Identifier: MIT */
/* How an image does on the soft card, beside the float network. */
#ifndef NET_CARD_SCORE_H
#define NET_CARD_SCORE_H

#include "pictures.h"

/* How a network did on pictures. */
struct score {
	size_t pictures, labeled;
	size_t agree;		/* same best class as the float network */
	size_t top1, top5;	/* of the labeled ones */
	size_t float_top1, float_top5;
	double divergence;	/* mean of score_divergence() */
};

/**
 * score_divergence() - how far outputs are from the float network's
 * @classes: they are the classes' logits: the Kullback-Leibler divergence, in nats; else noise
 *           to signal
 */
double score_divergence(const float *reference, const float *output, size_t n, bool classes);

/**
 * card_score() - run an image on the soft card and compare with the float network
 * @net:   the float network, or NULL: agreement and the float network's accuracy mean nothing
 * @scale: real value of a pixel step of the float network's input
 * @outputs: NULL, or by picture what the card gave, integers times the output's scale
 *
 * Return: 0 or a negative errno, @err is one line.
 */
int card_score(const void *image, size_t len, const struct net *net, float scale,
	       const struct picture_set *set, unsigned int threads, struct score *s,
	       float *outputs, char *err, size_t errlen);

#endif
