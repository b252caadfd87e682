// SPDX-License-Identifier: MIT
/* What each layer gets: the options for all, then --config, then --keep. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compress.h"

#define PLAN_LINE	1024	/* bytes; a layer's name has at most 200 */

struct plan {
	const struct compress_options *o;
	const struct net *net;
	struct quantize_layer_options *layers;
	unsigned int *line;	/* by layer: that of the configuration which names it */
	unsigned int number;	/* of the line being read */
	char *err;
	size_t errlen;
};

__attribute__((format(printf, 2, 3)))
static int refuse(struct plan *p, const char *fmt, ...)
{
	size_t n = 0;
	va_list ap;

	if (p->number) {
		snprintf(p->err, p->errlen, "%.300s:%u: ", p->o->config, p->number);
		n = strlen(p->err);
	}
	va_start(ap, fmt);
	vsnprintf(p->err + n, p->errlen - n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* The layer that a name means, or a negative errno. */
static int find_layer(struct plan *p, const char *name)
{
	const struct net *net = p->net;
	int found = -1;
	uint32_t i;

	for (i = 0; i < net->layer_count; i++) {
		if (strcmp(net->layers[i].name, name))
			continue;
		if (!net_layer_has_weights(&net->layers[i]))
			return refuse(p, "layer '%.200s' has no weights", name);
		if (found >= 0)
			return refuse(p, "two layers are called '%.200s'", name);
		found = (int)i;
	}
	if (found < 0)
		return refuse(p, "there is no layer '%.200s'; a compression's report names them",
			      name);
	return found;
}

static int set_sparsity(struct plan *p, const char *value, struct quantize_layer_options *l)
{
	double v;
	char *end;

	v = strtod(value, &end);
	if (end == value || *end || !(v >= 0 && v < 1))
		return refuse(p, "sparsity=%.40s: a share from 0 to below 1 is expected", value);
	if (v > 0 && p->o->quantize.prune == QUANTIZE_PRUNE_NONE)
		return refuse(p, "sparsity=%.40s, but --prune none", value);
	l->sparsity = v;
	return 0;
}

enum { KEY_BITS, KEY_MODE, KEY_SPARSITY, KEY_CODER };
static const char *const keys[] = { "bits", "mode", "sparsity", "coder", NULL };

static int set(struct plan *p, int key, const char *value, struct quantize_layer_options *l)
{
	int i;

	switch (key) {
	case KEY_BITS:
		if (value[0] < '3' || value[0] > '8' || value[1])
			return refuse(p, "bits=%.40s: 3 to 8 is expected", value);
		l->bits = (unsigned int)(value[0] - '0');
		return 0;
	case KEY_MODE:
		i = word_find(word_modes, value);
		l->mode = (enum quant_mode)i;
		return i < 0 ? refuse(p, "mode=%.40s: auto, shift or recentralized is expected",
				      value) : 0;
	case KEY_SPARSITY:
		return set_sparsity(p, value, l);
	default:
		i = word_find(word_coders, value);
		l->coder = (enum fqz_coder)i;
		return i < 0 ? refuse(p, "coder=%.40s: auto, huffman, rle-huffman or tans is "
				      "expected", value) : 0;
	}
}

static void trim(char *s)
{
	size_t n = strlen(s);

	while (n && strchr(" \t\r\n", s[n - 1]))
		s[--n] = '\0';
}

/* Cut off the last KEY=VALUE of a line; the key's number, -1: there is none. */
static int cut_setting(char *line, const char **value)
{
	char *word = strrchr(line, ' '), *tab = strrchr(line, '\t'), *equal;
	int key;

	word = !word || (tab && tab > word) ? tab : word;
	if (!word)
		return -1;
	equal = strchr(word + 1, '=');
	if (!equal)
		return -1;
	*equal = '\0';
	key = word_find(keys, word + 1);
	*equal = '=';
	if (key < 0)
		return -1;
	*value = equal + 1;
	*word = '\0';
	trim(line);
	return key;
}

/* LAYER [KEY=VALUE]...; the name may hold spaces, so the settings are taken from the end. */
static int read_line(struct plan *p, char *line)
{
	struct quantize_layer_options l = { 0 }, *to;
	const char *value;
	unsigned int given = 0;
	int key, layer;

	line += strspn(line, " \t");
	trim(line);
	if (!*line || *line == '#')
		return 0;
	while ((key = cut_setting(line, &value)) >= 0) {
		if (given & 1u << key)
			return refuse(p, "%s is given twice", keys[key]);
		given |= 1u << key;
		if (set(p, key, value, &l))
			return -EINVAL;
	}
	layer = find_layer(p, line);
	if (layer < 0)
		return layer;
	if (p->line[layer])
		return refuse(p, "layer '%.200s' is in line %u already", line, p->line[layer]);
	if (!given)
		return refuse(p, "layer '%.200s': bits=, mode=, sparsity= or coder= is expected",
			      line);
	p->line[layer] = p->number;
	to = &p->layers[layer];
	to->bits = given & 1u << KEY_BITS ? l.bits : to->bits;
	to->mode = given & 1u << KEY_MODE ? l.mode : to->mode;
	to->sparsity = given & 1u << KEY_SPARSITY ? l.sparsity : to->sparsity;
	to->coder = given & 1u << KEY_CODER ? l.coder : to->coder;
	return 0;
}

static int read_config(struct plan *p)
{
	FILE *f = fopen(p->o->config, "re");
	char line[PLAN_LINE];
	int rc = 0;

	if (!f) {
		rc = -errno;
		snprintf(p->err, p->errlen, "%.300s: %s", p->o->config, strerror(-rc));
		return rc;
	}
	while (!rc && fgets(line, sizeof(line), f)) {
		p->number++;
		/* A line without an end is too long, holds a NUL, or is the file's last. */
		if (!strchr(line, '\n') && fgetc(f) != EOF)
			rc = refuse(p, "not a line of text of less than %d bytes", PLAN_LINE);
		else
			rc = read_line(p, line);
	}
	if (!rc && ferror(f)) {
		rc = -EIO;
		snprintf(p->err, p->errlen, "%.300s: %s", p->o->config, strerror(EIO));
	}
	fclose(f);
	p->number = 0;
	return rc;
}

static int apply_keeps(struct plan *p)
{
	size_t i, k;
	int layer;

	for (i = 0; i < p->o->keep_count; i++) {
		const struct compress_keep *keep = &p->o->keeps[i];

		for (k = 0; k < i; k++)
			if (!strcmp(p->o->keeps[k].layer, keep->layer))
				return refuse(p, "--keep %.200s is given twice", keep->layer);
		layer = find_layer(p, keep->layer);
		if (layer < 0)
			return layer;
		p->layers[layer].bits = keep->bits;
	}
	return 0;
}

int plan_make(const struct compress_options *o, const struct net *net,
	      struct quantize_layer_options **layers, char *err, size_t errlen)
{
	struct plan p = { .o = o, .net = net, .err = err, .errlen = errlen };
	uint32_t i;
	int rc = 0;

	p.layers = calloc(net->layer_count, sizeof(*p.layers));
	p.line = calloc(net->layer_count, sizeof(*p.line));
	if (!p.layers || !p.line) {
		snprintf(err, errlen, "out of memory");
		rc = -ENOMEM;
	}
	for (i = 0; !rc && i < net->layer_count; i++) {
		p.layers[i].bits = o->quantize.weights.bits;
		p.layers[i].mode = o->quantize.weights.mode;
		p.layers[i].sparsity = -1;
		p.layers[i].coder = o->coder;
	}
	if (!rc && o->config)
		rc = read_config(&p);
	if (!rc)
		rc = apply_keeps(&p);
	free(p.line);
	if (rc)
		free(p.layers);
	*layers = rc ? NULL : p.layers;
	return rc;
}
