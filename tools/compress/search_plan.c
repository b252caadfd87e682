// SPDX-License-Identifier: MIT
/* From sensitivities to plans (search.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search.h"

#define PLAN_FLOOR	1e-3	/* of the mean effect; no layer is free */

static double way_bytes(const struct search_layer *l, uint32_t way)
{
	return l->bytes[way] * l->correction;
}

double search_plan_bytes(const struct search *s, const uint8_t *ways)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < s->layer_count; i++)
		sum += way_bytes(&s->layers[i], ways[i]);
	return sum;
}

static double mean_effect(const struct search *s)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < s->layer_count; i++)
		sum += s->layers[i].effect;
	return sum > 0 ? sum / s->layer_count : 1;
}

/* Loss that is expected of a way. */
static double way_loss(const struct search *s, uint32_t layer, uint32_t way, double mean,
		       double exponent)
{
	double effect = fmax(s->layers[layer].effect / mean, PLAN_FLOOR);

	return pow(effect, exponent) * s->layers[layer].error[way];
}

/* Of equal loss the smaller way. */
static uint8_t best_way(const struct search *s, uint32_t layer)
{
	const struct search_layer *l = &s->layers[layer];
	uint32_t best = 0, k;

	for (k = 1; k < s->way_count; k++)
		if (l->error[k] < l->error[best] ||
		    (l->error[k] == l->error[best] && l->bytes[k] < l->bytes[best]))
			best = k;
	return (uint8_t)best;
}

/*
 * The step that costs least loss for each byte that it saves; steps between neighbors of a
 * layer's convex hull are found so, whatever the order of the ways. False: none is left.
 */
static bool step_down(const struct search *s, double mean, double exponent, uint8_t *ways)
{
	double least = INFINITY, price, saved;
	uint32_t i, k, layer = 0;
	uint8_t way = 0;

	for (i = 0; i < s->layer_count; i++)
		for (k = 0; k < s->way_count; k++) {
			saved = way_bytes(&s->layers[i], ways[i]) - way_bytes(&s->layers[i], k);
			if (saved <= 0)
				continue;
			price = (way_loss(s, i, k, mean, exponent) -
				 way_loss(s, i, ways[i], mean, exponent)) / saved;
			if (price < least) {
				least = price;
				layer = i;
				way = (uint8_t)k;
			}
		}
	if (isfinite(least))
		ways[layer] = way;
	return isfinite(least);
}

/* What the last step saved beyond need buys the improvement that helps most. */
static bool step_up(const struct search *s, double room, double mean, double exponent,
		    uint8_t *ways)
{
	double most = 0, gain;
	uint32_t i, k, layer = 0;
	uint8_t way = 0;

	for (i = 0; i < s->layer_count; i++)
		for (k = 0; k < s->way_count; k++) {
			if (way_bytes(&s->layers[i], k) - way_bytes(&s->layers[i], ways[i]) > room)
				continue;
			gain = way_loss(s, i, ways[i], mean, exponent) -
			       way_loss(s, i, k, mean, exponent);
			if (gain > most) {
				most = gain;
				layer = i;
				way = (uint8_t)k;
			}
		}
	if (most > 0)
		ways[layer] = way;
	return most > 0;
}

bool search_plan(const struct search *s, double bytes, double exponent, uint8_t *ways)
{
	double mean = mean_effect(s);
	uint32_t i;

	for (i = 0; i < s->layer_count; i++)
		ways[i] = best_way(s, i);
	while (search_plan_bytes(s, ways) > bytes)
		if (!step_down(s, mean, exponent, ways))
			return false;
	while (step_up(s, bytes - search_plan_bytes(s, ways), mean, exponent, ways))
		;
	return true;
}

void search_uniform(const struct search *s, double bytes, uint8_t *ways)
{
	double mean = mean_effect(s), least = INFINITY, smallest = INFINITY, size, loss;
	uint32_t best = 0, tiny = 0, i, k;

	for (k = 0; k < s->way_count; k++) {
		size = loss = 0;
		for (i = 0; i < s->layer_count; i++) {
			size += way_bytes(&s->layers[i], k);
			loss += way_loss(s, i, k, mean, 1);
		}
		if (size < smallest) {
			smallest = size;
			tiny = k;
		}
		if (size <= bytes && loss < least) {
			least = loss;
			best = k;
		}
	}
	memset(ways, (int)(isfinite(least) ? best : tiny), s->layer_count);
}
