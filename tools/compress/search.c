// SPDX-License-Identifier: MIT
/* The search: plans, passes, and which of them is taken (search.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "search.h"

#define SEARCH_MOVES	5	/* passes that bring a plan to --target-cr */
#define SEARCH_HALVINGS	7	/* passes between the smallest and the largest for --max-loss */
#define SEARCH_NEAR	0.985	/* of the bytes that a plan may have: near enough */
#define SEARCH_MARGIN	0.998	/* of them, what is aimed at */

static const unsigned int way_bits[] = { 3, 4, 5, 6, 8 };
static const double way_sparsity[] = { 0, 0.25, 0.5, 0.65, 0.75, 0.85 };

/* Weightings of the effects that are tried at the size which was found. */
static const double exponents[] = { 1.5, 0.7 };

static double set_loss(const struct score *s)
{
	if (!s->pictures)
		return -INFINITY;
	if (!s->labeled)
		return 100 - 100 * (double)s->agree / (double)s->pictures;
	return 100 * ((double)s->float_top1 - (double)s->top1) / (double)s->labeled;
}

double search_loss(const struct search *s, const struct search_pass *p)
{
	double loss = set_loss(&p->calibration);

	return s->evaluation ? fmax(loss, set_loss(&p->evaluation)) : loss;
}

/* What plans of a size are ranked by. */
static double divergence(const struct search *s, const struct search_pass *p)
{
	return s->evaluation ? fmax(p->calibration.divergence, p->evaluation.divergence) :
	       p->calibration.divergence;
}

static bool meets(const struct search *s, const struct search_pass *p)
{
	return s->o->target_cr > 0 ? p->cr >= s->o->target_cr :
	       search_loss(s, p) <= s->o->max_loss + 1e-9;
}

static bool better(const struct search *s, const struct search_pass *a,
		   const struct search_pass *b)
{
	if (s->o->target_cr > 0)
		return divergence(s, a) < divergence(s, b);
	return a->bytes < b->bytes;
}

struct search_pass *search_pass_add(struct search *s)
{
	struct search_pass *list, *p;

	list = realloc(s->known, (s->known_count + 1) * sizeof(*list));
	if (!list)
		return NULL;
	s->known = list;
	p = &list[s->known_count];
	memset(p, 0, sizeof(*p));
	p->ways = malloc(s->layer_count);
	p->stream = calloc(s->layer_count, sizeof(*p->stream));
	if (!p->ways || !p->stream) {
		free(p->ways);
		free(p->stream);
		return NULL;
	}
	s->known_count++;
	return p;
}

static void show_layer(void *arg, uint32_t layer, uint32_t count)
{
	(void)arg;
	cli_progress(layer + 1, count);
}

static struct quantize_layer_options *layer_options(const struct search *s, const uint8_t *ways)
{
	struct quantize_layer_options *list = calloc(s->net->layer_count, sizeof(*list));
	uint32_t i;

	for (i = 0; list && i < s->layer_count; i++) {
		struct quantize_layer_options *l = &list[s->layers[i].layer];

		l->bits = s->ways[ways[i]].bits;
		l->sparsity = s->ways[ways[i]].sparsity;
		l->mode = s->o->quantize.weights.mode;
		l->coder = s->o->coder;
	}
	return list;
}

static int read_streams(struct search *s, const void *image, size_t len, struct search_pass *p)
{
	struct fqz_image *img;
	uint32_t i;

	if (fqz_image_open(image, len, &img, NULL))
		return -ENOMEM;
	for (i = 0; i < s->layer_count; i++)
		p->stream[i] = img->layers[s->layers[i].layer].stream_size;
	fqz_image_close(img);
	return 0;
}

static void read_weights(const struct search *s, const struct qnet *q, struct search_pass *p)
{
	double weights = 0;
	uint32_t i;

	p->bits = p->zeros = 0;
	for (i = 0; i < s->layer_count; i++) {
		const struct search_layer *l = &s->layers[i];

		weights += (double)l->weights;
		p->bits += (double)l->weights * s->ways[p->ways[i]].bits;
		p->zeros += (double)q->layers[l->layer].pruned;
	}
	p->bits /= weights;
	p->zeros /= weights;
}

/*
 * The image as it would be written, with what was measured in its metadata: it is the whole
 * file that --target-cr is about.
 */
static int weigh(struct search *s, const struct qnet *q,
		 const struct quantize_layer_options *layers, struct search_pass *p)
{
	struct compress_options o = *s->o;
	struct image_info info = s->info;
	void *image = NULL;
	size_t len = 0;
	int rc;

	search_describe(s, p, o.text, sizeof(o.text));
	o.quantize.layers = layers;
	image_describe(&info, &o);
	info.q = q;
	rc = image_make(&info, &image, &len, s->err, sizeof(s->err));
	if (!rc)
		rc = card_score(image, len, s->net, s->pixel_scale, s->calibration, o.threads,
				&p->calibration, NULL, s->err, sizeof(s->err));
	if (!rc && s->evaluation)
		rc = card_score(image, len, s->net, s->pixel_scale, s->evaluation, o.threads,
				&p->evaluation, NULL, s->err, sizeof(s->err));
	free(image);
	image = NULL;
	info.score = s->evaluation ? &p->evaluation : &p->calibration;
	info.score_data = image_score_data(&o);
	if (!rc)
		rc = image_make(&info, &image, &len, s->err, sizeof(s->err));
	if (!rc)
		rc = read_streams(s, image, len, p);
	p->bytes = len;
	p->cr = (double)net_dense_bytes(s->net) / (double)len;
	free(image);
	return rc;
}

static int measure(struct search *s, const uint8_t *ways)
{
	struct calib_set set = { s->calibration->count, s->calibration->pixels, s->pixel_scale };
	struct quantize_layer_options *layers = layer_options(s, ways);
	struct search_pass *p = layers ? search_pass_add(s) : NULL;
	struct quantize_options o = s->o->quantize;
	static struct net_error err;
	struct qnet *q = NULL;
	int rc = -ENOMEM;

	if (!p)
		goto out;
	memcpy(p->ways, ways, s->layer_count);
	o.layers = layers;
	o.progress = s->o->quiet ? NULL : show_layer;
	rc = quantize_network(s->net, &set, &o, &q, &err);
	cli_progress_clear();
	if (rc) {
		snprintf(s->err, sizeof(s->err), "%.1000s", err.text);
		goto out;
	}
	read_weights(s, q, p);
	rc = weigh(s, q, layers, p);
	if (!rc)
		rc = search_file_write(s);
out:
	qnet_destroy(q);
	free(layers);
	return rc;
}

/* Sizes that are expected from now on are those that were seen. */
static void learn(struct search *s, const struct search_pass *p)
{
	double streams = 0;
	uint32_t i;

	for (i = 0; i < s->layer_count; i++) {
		s->layers[i].correction = p->stream[i] / s->layers[i].bytes[p->ways[i]];
		streams += p->stream[i];
	}
	s->overhead = (double)p->bytes - streams;
}

static void tell(const struct search *s, const struct search_pass *p)
{
	if (s->o->quiet)
		return;
	fprintf(stderr, "search: pass %u: CR %.2f, %.2f bits, %.1f %% zeros, divergence %.4f, loss "
		"%.2f points\n", s->pass_count, p->cr, p->bits, 100 * p->zeros, divergence(s, p),
		search_loss(s, p));
}

/*
 * Measure a plan, or recall it. *@index is its number in s->known. Return: 1 where it was no
 * new one in this search.
 */
static int try_plan(struct search *s, const uint8_t *ways, size_t *index)
{
	uint32_t k;
	size_t i;
	int rc;

	for (i = 0; i < s->known_count; i++)
		if (!memcmp(s->known[i].ways, ways, s->layer_count))
			break;
	*index = i;
	for (k = 0; k < s->pass_count; k++)
		if (s->passes[k] == i)
			return 1;
	if (s->pass_count == SEARCH_PASSES)
		return 1;
	if (i == s->known_count) {
		rc = measure(s, ways);
		if (rc)
			return rc;
	}
	s->passes[s->pass_count++] = i;
	learn(s, &s->known[i]);
	tell(s, &s->known[i]);
	return 0;
}

/* Bring a plan to --target-cr from above. */
static int find_size(struct search *s, double exponent, unsigned int moves, uint8_t *ways)
{
	double want = (double)net_dense_bytes(s->net) / s->o->target_cr, aim = SEARCH_MARGIN;
	const struct search_pass *p;
	unsigned int i;
	size_t index;
	int rc = 0;

	for (i = 0; i < moves; i++) {
		search_plan(s, want * aim - s->overhead, exponent, ways);
		rc = try_plan(s, ways, &index);
		if (rc < 0)
			return rc;
		p = index < s->known_count ? &s->known[index] : NULL;
		if (!p || (p->cr >= s->o->target_cr && (double)p->bytes >= SEARCH_NEAR * want))
			break;
		/* The same plan again: what is expected of it is what it has, so aim elsewhere. */
		if (rc == 1 && p->cr >= s->o->target_cr)
			break;
		if (rc == 1)
			aim *= 0.99;
	}
	return 0;
}

static int search_target(struct search *s, uint8_t *ways)
{
	double want = (double)net_dense_bytes(s->net) / s->o->target_cr;
	size_t i, index;
	int rc;

	/* It also tells first what coded weights weigh. */
	search_uniform(s, SEARCH_MARGIN * want - s->overhead, ways);
	rc = try_plan(s, ways, &index);
	if (rc >= 0)
		rc = find_size(s, 1, SEARCH_MOVES, ways);
	for (i = 0; !rc && i < sizeof(exponents) / sizeof(exponents[0]); i++)
		rc = find_size(s, exponents[i], 2, ways);
	return rc;
}

/* The smallest image within --max-loss: halve the octaves between the extremes. */
static int search_limit(struct search *s, uint8_t *ways)
{
	double low, high, middle;
	unsigned int i, met = 0;
	size_t index = 0;
	int rc = 0;

	search_plan(s, 0, 1, ways);
	low = search_plan_bytes(s, ways);
	search_plan(s, INFINITY, 1, ways);
	high = search_plan_bytes(s, ways);
	for (i = 0; rc >= 0 && i < SEARCH_HALVINGS && high > 1.02 * low; i++) {
		middle = sqrt(low * high);
		search_plan(s, middle, 1, ways);
		rc = try_plan(s, ways, &index);
		if (rc < 0)
			return rc;
		if (rc || index == s->known_count)
			break;
		/* Expectations were corrected: of this plan they are now what it weighs. */
		middle = search_plan_bytes(s, ways);
		if (meets(s, &s->known[index])) {
			high = middle;
			met++;
		} else {
			low = middle;
		}
	}
	/* Nothing so far: then the best there is. */
	if (!met) {
		search_plan(s, INFINITY, 1, ways);
		rc = try_plan(s, ways, &index);
		return rc < 0 ? rc : 0;
	}
	search_uniform(s, high, ways);
	rc = try_plan(s, ways, &index);
	for (i = 0; rc >= 0 && i < sizeof(exponents) / sizeof(exponents[0]); i++) {
		search_plan(s, 0.97 * high, exponents[i], ways);
		rc = try_plan(s, ways, &index);
	}
	return rc < 0 ? rc : 0;
}

static bool choose(struct search *s)
{
	bool any = false;
	uint32_t i;

	for (i = 0; i < s->pass_count; i++) {
		const struct search_pass *p = &s->known[s->passes[i]];

		if (!meets(s, p) || (any && !better(s, p, &s->known[s->chosen])))
			continue;
		s->chosen = s->passes[i];
		any = true;
	}
	return any;
}

static void refuse(struct search *s)
{
	double cr = 0, loss = INFINITY, at = 0;
	uint32_t i;

	for (i = 0; i < s->pass_count; i++) {
		const struct search_pass *p = &s->known[s->passes[i]];

		cr = fmax(cr, p->cr);
		if (search_loss(s, p) < loss) {
			loss = search_loss(s, p);
			at = p->cr;
		}
	}
	if (s->o->target_cr > 0)
		snprintf(s->err, sizeof(s->err), "--target-cr %g cannot be met: the most that was "
			 "seen is %.2f", s->o->target_cr, cr);
	else
		snprintf(s->err, sizeof(s->err), "--max-loss %g cannot be met: the least that was "
			 "seen is a loss of %.2f points, at CR %.2f", s->o->max_loss, loss, at);
}

static int prepare(struct search *s)
{
	bool prune = s->o->quantize.prune != QUANTIZE_PRUNE_NONE;
	uint32_t i, k, n = 0;

	for (i = 0; i < sizeof(way_bits) / sizeof(way_bits[0]); i++)
		for (k = 0; k < (prune ? sizeof(way_sparsity) / sizeof(way_sparsity[0]) : 1); k++)
			s->ways[s->way_count++] = (struct search_way){ way_bits[i],
								       way_sparsity[k] };
	s->layers = calloc(s->net->layer_count, sizeof(*s->layers));
	if (!s->layers)
		return -ENOMEM;
	for (i = 0; i < s->net->layer_count; i++) {
		if (!net_layer_has_weights(&s->net->layers[i]))
			continue;
		s->layers[n].layer = i;
		s->layers[n].weights = net_layer_weights(s->net, &s->net->layers[i]);
		s->layers[n++].correction = 1;
		/* Channel parameters take 5 bytes each (FORMAT.md section 5). */
		s->overhead += 5 * s->net->tensors[s->net->layers[i].out].c;
	}
	s->layer_count = n;
	if (n)
		return 0;
	snprintf(s->err, sizeof(s->err), "the network has no weights to compress");
	return -EINVAL;
}

int search_run(struct search *s, struct quantize_layer_options **layers)
{
	uint8_t *ways = NULL;
	int rc;

	*layers = NULL;
	snprintf(s->err, sizeof(s->err), "out of memory");
	rc = prepare(s);
	if (!rc)
		rc = search_file_read(s);
	if (!rc)
		rc = search_probe(s);
	if (!rc) {
		ways = malloc(s->layer_count);
		rc = !ways ? -ENOMEM : s->o->target_cr > 0 ? search_target(s, ways) :
		     search_limit(s, ways);
	}
	free(ways);
	if (rc)
		return rc;
	if (!choose(s)) {
		refuse(s);
		return -ERANGE;
	}
	*layers = layer_options(s, s->known[s->chosen].ways);
	return *layers ? 0 : -ENOMEM;
}

void search_free(struct search *s)
{
	size_t i;

	for (i = 0; i < s->known_count; i++) {
		free(s->known[i].ways);
		free(s->known[i].stream);
	}
	free(s->known);
	free(s->layers);
}
