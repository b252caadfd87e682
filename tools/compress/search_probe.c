// SPDX-License-Identifier: MIT
/*
 * Sensitivity (search.h). The float network's tensors of some calibration pictures are kept
 * while its layers are gone through. A layer's ways are tried on some of its output channels
 * and inputs: a submatrix of the inputs' Gram matrix is the Gram matrix of these inputs.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "net/equalize.h"
#include "net/exec.h"
#include "net/gram.h"
#include "net/quant_prune.h"
#include "search.h"

#define PROBE_PICTURES	64u
#define PROBE_MEMORY	((size_t)1 << 30)	/* bytes of tensors */
#define PROBE_ROWS	16u			/* output channels */
#define PROBE_INPUTS	512u			/* of each */
#define PROBE_PRODUCTS	1e12			/* multiplications for the effects */
#define PROBE_FEWEST	4u			/* pictures for the effects */
#define PROBE_BITS	4			/* the way whose effect is measured */
#define PROBE_SPARSITY	0.5

struct prober {
	struct search *s;
	const struct net *net;
	size_t pictures;
	float **tensors;		/* by tensor: of all pictures */
	uint32_t *last;			/* by tensor: the last layer that reads it */
	struct net_work *work;		/* by worker */
	uint32_t index, layer;
	/* For the effects: */
	float **weights;		/* by layer with weights, quantized */
	double *errors;			/* of them */
	double **shifts;		/* by layer with weights, by channel: what the mean lost */
	float *sums;			/* pictures * channels */
	struct net_state **exact, **changed;	/* by worker */
	bool **dirty;			/* by worker, by tensor */
	double *divergence;		/* pictures * layers with weights */
};

/* Some of a layer: its weights and moments. */
struct sample {
	float *w;
	size_t outputs, sum;
	struct gram gram;
};

static float *tensor_at(const struct prober *p, uint32_t t, size_t picture)
{
	return p->tensors[t] + picture * net_tensor_elements(&p->net->tensors[t]);
}

static int float_picture(void *arg, size_t picture, unsigned int worker)
{
	struct prober *p = arg;
	const struct net_layer *l = &p->net->layers[p->layer];
	const float *in[NET_MAX_INPUTS];
	uint32_t k;

	for (k = 0; k < l->in_count; k++)
		in[k] = tensor_at(p, l->in[k], picture);
	return net_layer_run(p->net, l, in, tensor_at(p, l->out, picture), &p->work[worker]);
}

static void probe_input(void *arg, size_t picture, float *x)
{
	struct prober *p = arg;
	uint32_t t = p->net->layers[p->layer].in[0];

	memcpy(x, tensor_at(p, t, picture),
	       net_tensor_elements(&p->net->tensors[t]) * sizeof(*x));
}

static void sample_free(struct sample *m)
{
	free(m->w);
	gram_free(&m->gram);
}

/* Output channels and groups evenly taken, of each the first inputs. */
static int sample_take(const struct prober *p, const struct gram *g, struct sample *m)
{
	const struct net_layer *l = &p->net->layers[p->layer];
	size_t outputs = p->net->tensors[l->out].c, per_group = outputs / g->groups;
	size_t groups = g->groups < PROBE_ROWS ? g->groups : PROBE_ROWS, rows, i, r, c;

	rows = PROBE_ROWS / groups < per_group ? PROBE_ROWS / groups : per_group;
	m->sum = g->block < PROBE_INPUTS ? g->block : PROBE_INPUTS;
	m->outputs = groups * rows;
	m->gram = (struct gram){ .groups = groups, .sum = m->sum, .blocks = 1, .block = m->sum,
				 .samples = g->samples };
	m->w = malloc(m->outputs * m->sum * sizeof(*m->w));
	m->gram.matrix = malloc(groups * m->sum * m->sum * sizeof(double));
	if (!m->w || !m->gram.matrix)
		return -ENOMEM;
	for (i = 0; i < groups; i++) {
		size_t group = i * g->groups / groups;
		const double *from = g->matrix + group * g->blocks * g->block * g->block;

		for (r = 0; r < rows; r++) {
			size_t output = group * per_group + r * per_group / rows;

			memcpy(m->w + (i * rows + r) * m->sum, l->weight + output * g->sum,
			       m->sum * sizeof(*m->w));
		}
		for (r = 0; r < m->sum; r++)
			for (c = 0; c < m->sum; c++)
				m->gram.matrix[(i * m->sum + r) * m->sum + c] =
					from[r * g->block + c];
	}
	return 0;
}

/* As quantize_network() would; weights that are pruned by magnitude are so before. */
static int quantize_way(const struct search *s, const struct search_way *way, const float *w,
			size_t outputs, size_t sum, uint32_t layer, const struct gram *g,
			struct quant_weights *q)
{
	size_t n = outputs * sum, zeros = (size_t)(way->sparsity * (double)n);
	struct quant_options o = s->o->quantize.weights;
	float *kept = malloc(n * sizeof(*kept));
	int rc = kept ? 0 : -ENOMEM;

	o.bits = way->bits;
	if (!rc)
		memcpy(kept, w, n * sizeof(*kept));
	if (!rc && s->o->quantize.prune != QUANTIZE_PRUNE_FEEDBACK) {
		rc = quant_prune(kept, n, zeros);
		zeros = 0;
	}
	if (!rc && s->o->quantize.feedback)
		rc = quant_feedback(w, kept, zeros, outputs, sum, g, &o, q);
	else if (!rc)
		rc = quant_nearest(kept, outputs, sum, layer, &o, q);
	free(kept);
	return rc;
}

/* x H x of a row of @g's inputs. */
static double energy(const struct gram *g, size_t group, const double *x)
{
	double sum = 0, row;
	size_t b, r, c, n;

	for (b = 0; b < g->blocks; b++) {
		const double *m = g->matrix + (group * g->blocks + b) * g->block * g->block;
		const double *xb = x + b * g->block;

		n = gram_block_size(g, b);
		for (r = 0; r < n; r++) {
			for (c = 0, row = 0; c < n; c++)
				row += m[r * g->block + c] * xb[c];
			sum += row * xb[r];
		}
	}
	return sum;
}

struct error_job {
	const float *w;
	const struct quant_weights *q;
	const struct gram *g;
	size_t outputs;
	double *signal, *noise;		/* by output */
};

static int error_row(void *arg, size_t o, unsigned int worker)
{
	struct error_job *j = arg;
	size_t sum = j->g->sum, group = o / (j->outputs / j->g->groups), k;
	double *x = malloc(2 * sum * sizeof(*x)), *d = x + sum;

	(void)worker;
	if (!x)
		return -ENOMEM;
	for (k = 0; k < sum; k++) {
		uint8_t symbol = j->q->symbols[o * sum + k];

		x[k] = j->w[o * sum + k];
		d[k] = x[k] - (double)j->q->alphabet.weight[symbol] * j->q->scale[o];
	}
	j->signal[o] = energy(j->g, group, x);
	j->noise[o] = energy(j->g, group, d);
	free(x);
	return 0;
}

/* Noise to signal of the outputs before their bounds, about their means. */
static int output_error(const float *w, size_t outputs, const struct gram *g,
			const struct quant_weights *q, unsigned int threads, double *error)
{
	struct error_job j = { .w = w, .q = q, .g = g, .outputs = outputs };
	double signal = 0, noise = 0;
	size_t o;
	int rc;

	j.signal = calloc(2 * outputs, sizeof(*j.signal));
	if (!j.signal)
		return -ENOMEM;
	j.noise = j.signal + outputs;
	rc = net_parallel(outputs, threads, error_row, &j);
	for (o = 0; o < outputs; o++) {
		signal += j.signal[o];
		noise += fmax(j.noise[o], 0);
	}
	*error = signal > 0 ? noise / signal : 0;
	free(j.signal);
	return rc;
}

/* Bits of a symbol by their frequencies: what a good coder comes close to. */
static double entropy(const uint8_t *symbols, size_t n)
{
	size_t count[256] = { 0 }, i;
	double bits = 0;

	for (i = 0; i < n; i++)
		count[symbols[i]]++;
	for (i = 0; i < 256; i++)
		if (count[i])
			bits -= (double)count[i] / (double)n * log2((double)count[i] / (double)n);
	return bits;
}

static int probe_ways(struct prober *p, struct search_layer *sl, const struct gram *g)
{
	struct search *s = p->s;
	struct sample m = { 0 };
	int rc = sample_take(p, g, &m);
	uint32_t k;

	for (k = 0; !rc && k < s->way_count; k++) {
		struct quant_weights q = { 0 };

		rc = quantize_way(s, &s->ways[k], m.w, m.outputs, m.sum, p->layer, &m.gram, &q);
		if (!rc)
			rc = output_error(m.w, m.outputs, &m.gram, &q, s->o->threads,
					  &sl->error[k]);
		if (!rc)
			sl->bytes[k] = 1 + (double)sl->weights / 8 *
				       entropy(q.symbols, m.outputs * m.sum);
		quant_weights_free(&q);
	}
	sample_free(&m);
	return rc;
}

/* The whole layer in the way whose effect will be measured. */
static int probe_reference(struct prober *p, const struct gram *g)
{
	const struct net_layer *l = &p->net->layers[p->layer];
	const struct search_way way = { PROBE_BITS, p->s->o->quantize.prune ==
					QUANTIZE_PRUNE_NONE ? 0 : PROBE_SPARSITY };
	size_t outputs = p->net->tensors[l->out].c, sum = net_layer_sum(p->net, l), i;
	struct quant_weights q = { 0 };
	float *w = malloc(outputs * sum * sizeof(*w));
	int rc = w ? 0 : -ENOMEM;

	p->weights[p->index] = w;
	if (!rc)
		rc = quantize_way(p->s, &way, l->weight, outputs, sum, p->layer, g, &q);
	if (!rc)
		rc = output_error(l->weight, outputs, g, &q, p->s->o->threads,
				  &p->errors[p->index]);
	for (i = 0; !rc && i < outputs * sum; i++)
		w[i] = (float)q.alphabet.weight[q.symbols[i]] * q.scale[i / sum];
	quant_weights_free(&q);
	return rc;
}

/* Mean of what each channel lost, for one picture. */
static int shift_picture(void *arg, size_t picture, unsigned int worker)
{
	struct prober *p = arg;
	const struct net_layer *l = &p->net->layers[p->layer];
	const struct net_tensor *t = &p->net->tensors[l->out];
	size_t area = (size_t)t->h * t->w, n = net_tensor_elements(t), i;
	float *y = malloc(2 * n * sizeof(*y));
	const float *x = tensor_at(p, l->in[0], picture);
	uint32_t c;
	int rc;

	if (!y)
		return -ENOMEM;
	rc = net_layer_sums(p->net, l, l->weight, x, y, &p->work[worker]);
	if (!rc)
		rc = net_layer_sums(p->net, l, p->weights[p->index], x, y + n, &p->work[worker]);
	for (c = 0; !rc && c < t->c; c++) {
		double lost = 0;

		for (i = c * area; i < (c + 1) * area; i++)
			lost += (double)y[i] - y[n + i];
		p->sums[picture * t->c + c] = (float)(lost / (double)area);
	}
	free(y);
	return rc;
}

/* The quantizer gives channels their means back, so the effects are measured with them. */
static int probe_shifts(struct prober *p)
{
	uint32_t channels = p->net->tensors[p->net->layers[p->layer].out].c, c;
	size_t i;
	int rc;

	p->shifts[p->index] = calloc(channels, sizeof(double));
	p->sums = malloc(p->pictures * channels * sizeof(*p->sums));
	rc = p->shifts[p->index] && p->sums ? 0 : -ENOMEM;
	if (!rc && p->s->o->quantize.feedback) {
		rc = net_parallel(p->pictures, p->s->o->threads, shift_picture, p);
		for (c = 0; c < channels; c++)
			for (i = 0; i < p->pictures; i++)
				p->shifts[p->index][c] += p->sums[i * channels + c] /
							  (double)p->pictures;
	}
	free(p->sums);
	p->sums = NULL;
	return rc;
}

static int probe_weights(struct prober *p, bool reference)
{
	struct search_layer *sl = &p->s->layers[p->index];
	const struct net_layer *l = &p->net->layers[p->layer];
	struct gram_source source = { p->pictures, probe_input, NULL, true, p };
	struct gram g = { 0 };
	int rc = 0;

	if (!sl->probed || reference)
		rc = gram_compute(p->net, l, p->layer, &source, p->s->o->quantize.weights.seed,
				  p->s->o->threads, &g);
	if (rc == -ERANGE)
		snprintf(p->s->err, sizeof(p->s->err), "layer '%.200s': products of its inputs are "
			 "beyond single precision; check --mean, --std and --range255", l->name);
	if (!rc && !sl->probed) {
		rc = probe_ways(p, sl, &g);
		sl->probed = !rc;
		if (!rc && search_file_write(p->s))
			rc = -EIO;
	}
	if (!rc && reference)
		rc = probe_reference(p, &g);
	if (!rc && reference)
		rc = probe_shifts(p);
	gram_free(&g);
	return rc;
}

/* Layer after layer; @reference: also what the effects need. */
static int probe_layers(struct prober *p, bool reference)
{
	const struct net *net = p->net;
	uint32_t i, t;
	int rc = 0;

	p->index = 0;
	for (i = 0; !rc && i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];

		p->layer = i;
		p->tensors[l->out] = malloc(p->pictures * sizeof(float) *
					    net_tensor_elements(&net->tensors[l->out]));
		rc = p->tensors[l->out] ? net_parallel(p->pictures, p->s->o->threads,
						       float_picture, p) : -ENOMEM;
		if (!rc && net_layer_has_weights(l)) {
			rc = probe_weights(p, reference);
			p->index++;
		}
		for (t = 1; t <= i; t++)
			if (p->last[t] <= i) {
				free(p->tensors[t]);
				p->tensors[t] = NULL;
			}
		if (!p->s->o->quiet)
			cli_progress(i + 1, net->layer_count);
	}
	cli_progress_clear();
	return rc;
}

/* The layer with its quantized weights, then all that depends on it. */
static int run_changed(struct prober *p, unsigned int worker, uint32_t index)
{
	const struct net *net = p->net;
	struct net_state *a = p->exact[worker], *b = p->changed[worker];
	bool *dirty = p->dirty[worker];
	uint32_t first = p->s->layers[index].layer, i, k, c;
	int rc = 0;

	memset(dirty, 0, net->tensor_count * sizeof(*dirty));
	for (i = first; !rc && i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];
		const struct net_tensor *t = &net->tensors[l->out];
		size_t area = (size_t)t->h * t->w, n;
		const float *in[NET_MAX_INPUTS];
		float *out = b->tensors[l->out];

		for (k = 0; k < l->in_count; k++) {
			dirty[l->out] |= dirty[l->in[k]];
			in[k] = (dirty[l->in[k]] ? b : a)->tensors[l->in[k]];
		}
		if (i > first) {
			if (dirty[l->out])
				rc = net_layer_run(net, l, in, out, &b->work);
			continue;
		}
		dirty[l->out] = true;
		rc = net_layer_sums(net, l, p->weights[index], in[0], out, &b->work);
		for (c = 0; c < t->c; c++)
			for (n = c * area; n < (c + 1) * area; n++) {
				float v = out[n] + l->bias[c] + (float)p->shifts[index][c];

				v = v < l->act_min ? l->act_min : v;
				out[n] = v > l->act_max ? l->act_max : v;
			}
	}
	return rc;
}

static int effect_picture(void *arg, size_t picture, unsigned int worker)
{
	struct prober *p = arg;
	const struct net *net = p->net;
	const struct net_tensor *out = &net->tensors[net->output];
	size_t n = net_tensor_elements(out);
	uint32_t i;
	int rc;

	memcpy(p->exact[worker]->tensors[0], tensor_at(p, 0, picture),
	       net_tensor_elements(&net->tensors[0]) * sizeof(float));
	rc = net_state_run(p->exact[worker]);
	for (i = 0; !rc && i < p->s->layer_count; i++) {
		rc = run_changed(p, worker, i);
		p->divergence[picture * p->s->layer_count + i] =
			score_divergence(p->exact[worker]->tensors[net->output],
					 p->changed[worker]->tensors[net->output], n,
					 out->h == 1 && out->w == 1);
	}
	return rc;
}

/* As many pictures as PROBE_PRODUCTS allows: a layer's effect takes all layers after it. */
static size_t effect_pictures(const struct prober *p)
{
	const struct net *net = p->net;
	double products = 0, n;
	uint32_t i, before = 0;

	for (i = 0; i < net->layer_count; i++) {
		const struct net_tensor *t = &net->tensors[net->layers[i].out];

		before += net_layer_has_weights(&net->layers[i]);
		products += (double)net_layer_weights(net, &net->layers[i]) * t->h * t->w * before;
	}
	n = PROBE_PRODUCTS / (products + 1);
	n = n < PROBE_FEWEST ? PROBE_FEWEST : n;
	return n < (double)p->pictures ? (size_t)n : p->pictures;
}

static int probe_effects(struct prober *p)
{
	uint32_t count = p->s->layer_count, i;
	size_t pictures = effect_pictures(p), k;
	unsigned int w;
	int rc;

	p->divergence = calloc(pictures * count, sizeof(*p->divergence));
	if (!p->divergence)
		return -ENOMEM;
	for (w = 0; w < p->s->o->threads; w++) {
		p->exact[w] = net_state_create(p->net);
		p->changed[w] = net_state_create(p->net);
		p->dirty[w] = calloc(p->net->tensor_count, sizeof(**p->dirty));
		if (!p->exact[w] || !p->changed[w] || !p->dirty[w])
			return -ENOMEM;
	}
	rc = net_parallel(pictures, p->s->o->threads, effect_picture, p);
	for (i = 0; !rc && i < count; i++) {
		double sum = 0;

		for (k = 0; k < pictures; k++)
			sum += p->divergence[k * count + i] / (double)pictures;
		p->s->layers[i].effect = p->errors[i] > 0 ? sum / p->errors[i] : 0;
		p->s->layers[i].weighed = true;
	}
	if (!rc && search_file_write(p->s))
		rc = -EIO;
	return rc;
}

/* Pictures that fit into memory, and the first tensor. */
static int load_input(struct prober *p)
{
	size_t n = net_tensor_elements(&p->net->tensors[0]), i;
	/* quantize_memory() counts 3 bytes for an element. */
	size_t fit = PROBE_MEMORY / (2 * quantize_memory(p->net));

	p->pictures = p->s->calibration->count < PROBE_PICTURES ? p->s->calibration->count :
		      PROBE_PICTURES;
	p->pictures = fit < 1 ? 1 : fit < p->pictures ? fit : p->pictures;
	p->tensors[0] = malloc(p->pictures * n * sizeof(float));
	if (!p->tensors[0])
		return -ENOMEM;
	for (i = 0; i < p->pictures; i++) {
		/* Evenly taken: sets are often sorted by class. */
		const uint8_t *from = p->s->calibration->pixels +
				      i * p->s->calibration->count / p->pictures * n;
		size_t k;

		for (k = 0; k < n; k++)
			p->tensors[0][i * n + k] = (float)from[k] * p->s->pixel_scale;
	}
	return 0;
}

static int prober_alloc(struct prober *p)
{
	uint32_t tensors = p->net->tensor_count, count = p->s->layer_count, i, k;
	unsigned int threads = p->s->o->threads;

	p->tensors = calloc(tensors, sizeof(*p->tensors));
	p->last = calloc(tensors, sizeof(*p->last));
	p->work = calloc(threads, sizeof(*p->work));
	p->weights = calloc(count, sizeof(*p->weights));
	p->errors = calloc(count, sizeof(*p->errors));
	p->shifts = calloc(count, sizeof(*p->shifts));
	p->exact = calloc(threads, sizeof(*p->exact));
	p->changed = calloc(threads, sizeof(*p->changed));
	p->dirty = calloc(threads, sizeof(*p->dirty));
	if (!p->tensors || !p->last || !p->work || !p->weights || !p->errors || !p->shifts ||
	    !p->exact || !p->changed || !p->dirty)
		return -ENOMEM;
	for (i = 0; i < p->net->layer_count; i++)
		for (k = 0; k < p->net->layers[i].in_count; k++)
			p->last[p->net->layers[i].in[k]] = i;
	p->last[p->net->output] = p->net->layer_count;
	return load_input(p);
}

static void prober_free(struct prober *p)
{
	unsigned int w;
	uint32_t i;

	for (w = 0; w < p->s->o->threads; w++) {
		if (p->work)
			net_work_free(&p->work[w]);
		if (p->exact)
			net_state_destroy(p->exact[w]);
		if (p->changed)
			net_state_destroy(p->changed[w]);
		if (p->dirty)
			free(p->dirty[w]);
	}
	for (i = 0; p->tensors && i < p->net->tensor_count; i++)
		free(p->tensors[i]);
	for (i = 0; i < p->s->layer_count; i++) {
		if (p->weights)
			free(p->weights[i]);
		if (p->shifts)
			free(p->shifts[i]);
	}
	free(p->tensors);
	free(p->last);
	free(p->work);
	free(p->weights);
	free(p->errors);
	free(p->shifts);
	free(p->exact);
	free(p->changed);
	free(p->dirty);
	free(p->divergence);
}

/*
 * As quantize_network() does at first: sensitivities are those of what it will quantize. And
 * nothing is measured of a network that overflows.
 */
static int equalize(struct search *s)
{
	struct calib_set set = { s->calibration->count, s->calibration->pixels, s->pixel_scale };
	struct calib calib;
	uint32_t i;
	int rc;

	rc = calib_run(s->net, &set, s->o->threads, &calib);
	for (i = 0; !rc && i < s->net->layer_count; i++) {
		const struct calib_range *r = &calib.ranges[s->net->layers[i].out];

		if (isfinite(r->largest[0]) && isfinite(r->largest[1]))
			continue;
		snprintf(s->err, sizeof(s->err), "layer '%.200s': its values are infinite on the "
			 "calibration pictures; check --mean, --std and --range255",
			 s->net->layers[i].name);
		rc = -EINVAL;
	}
	if (!rc && s->o->quantize.feedback && !s->net->equalized)
		net_equalize(s->net, &calib);
	calib_free(s->net, &calib);
	return rc;
}

int search_probe(struct search *s)
{
	struct prober p = { .s = s, .net = s->net };
	bool reference = false, needed = false;
	uint32_t i;
	int rc;

	for (i = 0; i < s->layer_count; i++) {
		reference |= !s->layers[i].weighed;
		needed |= !s->layers[i].weighed || !s->layers[i].probed;
	}
	rc = equalize(s);
	if (rc || !needed)
		return rc;
	rc = prober_alloc(&p);
	if (!rc)
		rc = probe_layers(&p, reference);
	if (!rc && reference)
		rc = probe_effects(&p);
	prober_free(&p);
	return rc;
}
