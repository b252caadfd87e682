// SPDX-License-Identifier: MIT
/* Descriptions of networks (netfile.h, fqaccel-train-net(5)). Nothing in the text is trusted. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "netfile.h"

#define NAME_MAX_LEN	60
#define WORDS		16	/* in a line */

/* What a kind of layer may be told; bits of struct kind. */
enum {
	TAKES_OUT = 1, TAKES_WINDOW = 2, TAKES_GROUPS = 4, TAKES_RELU = 8, TAKES_COUNT = 16,
};

static const struct kind {
	const char *word;
	enum net_kind kind;
	unsigned int takes, min_inputs, max_inputs;
} kinds[] = {
	{ "conv", NET_CONV, TAKES_OUT | TAKES_WINDOW | TAKES_GROUPS | TAKES_RELU, 1, 1 },
	{ "fc", NET_FC, TAKES_OUT | TAKES_RELU, 1, 1 },
	{ "add", NET_ADD, TAKES_RELU, 2, 2 },
	{ "concat", NET_CONCAT, 0, 2, NET_MAX_CONCAT },
	{ "maxpool", NET_MAXPOOL, TAKES_WINDOW, 1, 1 },
	{ "avgpool", NET_AVGPOOL, TAKES_WINDOW | TAKES_COUNT, 1, 1 },
	{ "globalpool", NET_GLOBALPOOL, 0, 1, 1 },
};

struct reader {
	const char *path;
	unsigned int line;
	struct net *net;
	uint64_t weights;		/* of all layers so far */
	struct net_error *err;
};

/* A layer's line as far as it was understood. */
struct entry {
	const struct kind *kind;
	const char *name;
	struct net_layer l;
	uint32_t out;
	bool kernel_given, stride_given;
};

static int fail(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct reader *r, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return net_fail(r->err, "%.2000s:%u: %s", r->path, r->line, text);
}

/* Digits alone, from @min to @max; where they end. */
static const char *number(const char *s, uint32_t min, uint32_t max, uint32_t *v)
{
	uint64_t n = 0;
	const char *p;

	for (p = s; isdigit((unsigned char)*p) && n <= max; p++)
		n = 10 * n + (uint64_t)(*p - '0');
	if (p == s || n < min || n > max || isdigit((unsigned char)*p))
		return NULL;
	*v = (uint32_t)n;
	return p;
}

/* N, or ROWSxCOLUMNS. */
static bool pair(const char *s, uint32_t max, uint32_t *rows, uint32_t *columns)
{
	s = number(s, 1, max, rows);
	if (!s)
		return false;
	*columns = *rows;
	if (*s == 'x')
		s = number(s + 1, 1, max, columns);
	return s && !*s;
}

/* N, or TOP,LEFT,BOTTOM,RIGHT. */
static bool pads(const char *s, struct net_layer *l)
{
	uint32_t *const to[] = { &l->pad_top, &l->pad_left, &l->pad_bottom, &l->pad_right };
	int i;

	for (i = 0; i < 4; i++) {
		s = number(s, 0, 255, to[i]);
		if (!s)
			return false;
		if (!i && !*s) {
			l->pad_left = l->pad_bottom = l->pad_right = l->pad_top;
			return true;
		}
		if (*s != (i < 3 ? ',' : '\0'))
			return false;
		s++;
	}
	return true;
}

static bool name_is_valid(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-");

	return n && n <= NAME_MAX_LEN && !s[n];
}

/* The tensor of that name, or -1. Descriptions are short: NETFILE_MAX_BYTES bounds the search. */
static int tensor_find(const struct net *net, const char *name)
{
	uint32_t i;

	for (i = 0; i < net->tensor_count; i++)
		if (!strcmp(net->tensors[i].name, name))
			return (int)i;
	return -1;
}

/* from=NAME,NAME...; cuts @list to pieces. */
static int inputs(struct reader *r, struct entry *e, char *list)
{
	char *name, *save = NULL;
	int t;

	e->l.in_count = 0;
	for (name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		t = tensor_find(r->net, name);
		if (t < 0)
			return fail(r, "from=%.100s: no layer before has that name", name);
		if (e->l.in_count == e->kind->max_inputs)
			return fail(r, "%s takes at most %u inputs", e->kind->word,
				    e->kind->max_inputs);
		e->l.in[e->l.in_count++] = (uint32_t)t;
	}
	return 0;
}

static int refuse(struct reader *r, const struct entry *e, const char *word)
{
	return fail(r, "%s takes no '%.100s'", e->kind->word, word);
}

/* A word without a value. */
static int flag(struct reader *r, struct entry *e, const char *word)
{
	bool relu6 = !strcmp(word, "relu6");

	if (relu6 || !strcmp(word, "relu")) {
		if (!(e->kind->takes & TAKES_RELU))
			return refuse(r, e, word);
		e->l.act_min = 0;
		if (relu6)
			e->l.act_max = 6;
		return 0;
	}
	if (!strcmp(word, "count-padding")) {
		if (!(e->kind->takes & TAKES_COUNT))
			return refuse(r, e, word);
		e->l.count_padding = true;
		return 0;
	}
	return fail(r, "unknown word '%.100s'", word);
}

static int window_option(struct reader *r, struct entry *e, const char *key, const char *value)
{
	struct net_layer *l = &e->l;

	if (!strcmp(key, "kernel")) {
		e->kernel_given = true;
		return pair(value, 1024, &l->kernel_h, &l->kernel_w) ? 0 :
		       fail(r, "kernel=%.100s: N or ROWSxCOLUMNS, 1 to 1024", value);
	}
	if (!strcmp(key, "stride")) {
		e->stride_given = true;
		return pair(value, 255, &l->stride_h, &l->stride_w) ? 0 :
		       fail(r, "stride=%.100s: N or ROWSxCOLUMNS, 1 to 255", value);
	}
	if (!strcmp(key, "pad"))
		return pads(value, l) ? 0 :
		       fail(r, "pad=%.100s: N or TOP,LEFT,BOTTOM,RIGHT, 0 to 255", value);
	if (e->kind->kind != NET_CONV)
		return refuse(r, e, key);
	return pair(value, 255, &l->dilation_h, &l->dilation_w) ? 0 :
	       fail(r, "dilation=%.100s: N or ROWSxCOLUMNS, 1 to 255", value);
}

static int option(struct reader *r, struct entry *e, char *word)
{
	static const char *const windows[] = { "kernel", "stride", "pad", "dilation" };
	char *value = strchr(word, '=');
	const char *end;
	size_t i;

	if (!value)
		return flag(r, e, word);
	*value++ = '\0';
	if (!strcmp(word, "from"))
		return inputs(r, e, value);
	for (i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		if (!strcmp(word, windows[i]))
			return e->kind->takes & TAKES_WINDOW ? window_option(r, e, word, value) :
			       refuse(r, e, word);
	if (!strcmp(word, "out") || !strcmp(word, "groups")) {
		bool out = word[0] == 'o';

		if (!(e->kind->takes & (out ? TAKES_OUT : TAKES_GROUPS)))
			return refuse(r, e, word);
		end = number(value, 1, NET_MAX_DIM, out ? &e->out : &e->l.groups);
		return end && !*end ? 0 :
		       fail(r, "%s=%.100s: a number from 1 to %d", word, value, NET_MAX_DIM);
	}
	return fail(r, "unknown word '%.100s'", word);
}

/* Rows or columns of what a window makes; 0: the kernel does not fit. */
static uint32_t window_count(uint32_t size, uint32_t pad, uint32_t kernel, uint32_t dilation,
			     uint32_t stride)
{
	uint32_t reach = (kernel - 1) * dilation + 1;

	return size + pad < reach ? 0 : (size + pad - reach) / stride + 1;
}

static int add_shape(struct reader *r, struct entry *e, struct net_tensor *to)
{
	const struct net_tensor *t, *first = &r->net->tensors[e->l.in[0]];
	uint32_t k;

	for (k = 1; k < e->l.in_count; k++) {
		t = &r->net->tensors[e->l.in[k]];
		if (t->h != first->h || t->w != first->w ||
		    (e->l.kind == NET_ADD && t->c != first->c))
			return fail(r, "its inputs are of %u x %u x %u and %u x %u x %u", first->c,
				    first->h, first->w, t->c, t->h, t->w);
		if (e->l.kind == NET_CONCAT)
			to->c += t->c;
	}
	return 0;
}

/* The output's size in @to, from the input's. */
static int shape(struct reader *r, struct entry *e, struct net_tensor *to)
{
	const struct net_tensor *t = &r->net->tensors[e->l.in[0]];
	struct net_layer *l = &e->l;

	*to = *t;
	if (e->kind->takes & TAKES_OUT)
		to->c = e->out;
	if (e->kind->takes & TAKES_WINDOW) {
		to->h = window_count(t->h, l->pad_top + l->pad_bottom, l->kernel_h, l->dilation_h,
				     l->stride_h);
		to->w = window_count(t->w, l->pad_left + l->pad_right, l->kernel_w, l->dilation_w,
				     l->stride_w);
		if (!to->h || !to->w)
			return fail(r, "the kernel is larger than its input, %u x %u with padding",
				    t->h + l->pad_top + l->pad_bottom,
				    t->w + l->pad_left + l->pad_right);
		if (t->c % l->groups || to->c % l->groups)
			return fail(r, "%u channels in and %u out do not make %u groups", t->c,
				    to->c, l->groups);
	} else if (l->kind == NET_FC) {
		if (t->h > 1024 || t->w > 1024)
			return fail(r, "its input is larger than 1024 x 1024");
		l->kernel_h = t->h;
		l->kernel_w = t->w;
	}
	if (l->kind == NET_FC || l->kind == NET_GLOBALPOOL)
		to->h = to->w = 1;
	return l->in_count > 1 ? add_shape(r, e, to) : 0;
}

/* Zeros, for tnet_init() to fill. */
static int weights(struct reader *r, struct entry *e, uint32_t outputs)
{
	const struct net_tensor *t = &r->net->tensors[e->l.in[0]];
	uint64_t sum = (uint64_t)(t->c / e->l.groups) * e->l.kernel_h * e->l.kernel_w;

	/* At most 2^36 and 2^52: neither product overflows. */
	if (sum > NET_MAX_SUM || r->weights + sum * outputs > NET_MAX_WEIGHTS)
		return fail(r, "more than %u weights in all, or %u for one output",
			    NET_MAX_WEIGHTS, NET_MAX_SUM);
	r->weights += sum * outputs;
	e->l.weight = calloc(sum * outputs, sizeof(*e->l.weight));
	e->l.bias = calloc(outputs, sizeof(*e->l.bias));
	return e->l.weight && e->l.bias ? 0 : net_nomem(r->err);
}

static int entry_check(struct reader *r, struct entry *e)
{
	struct net_layer *l = &e->l;

	if (l->in_count < e->kind->min_inputs)
		return fail(r, "%s takes %u inputs; add from=NAME,NAME", e->kind->word,
			    e->kind->min_inputs);
	if (e->kind->takes & TAKES_OUT && !e->out)
		return fail(r, "how many output channels? Add out=N");
	if (e->kind->takes & TAKES_WINDOW && !e->kernel_given)
		return fail(r, "how large is its window? Add kernel=N");
	if (l->kind != NET_CONV && e->kernel_given && !e->stride_given) {
		/* Windows of pools lie side by side unless told; larger steps the card has not. */
		if (l->kernel_h > 255 || l->kernel_w > 255)
			return fail(r, "a stride above 255; add stride=N");
		l->stride_h = l->kernel_h;
		l->stride_w = l->kernel_w;
	}
	return 0;
}

static int entry_add(struct reader *r, struct entry *e)
{
	struct net_tensor to;
	int t, rc;

	rc = entry_check(r, e);
	if (!rc)
		rc = shape(r, e, &to);
	if (!rc && net_layer_has_weights(&e->l))
		rc = weights(r, e, to.c);
	if (rc)
		goto out;
	t = net_add_tensor(r->net, e->name, to.c, to.h, to.w, r->err);
	if (t < 0) {
		rc = t == -ENOMEM ? t : fail(r, "%.900s", r->err->text);
		goto out;
	}
	e->l.out = (uint32_t)t;
	e->l.name = (char *)e->name;
	rc = net_add_layer(r->net, &e->l, r->err);
	e->l.weight = e->l.bias = NULL;
out:
	free(e->l.weight);
	free(e->l.bias);
	return rc;
}

static int input(struct reader *r, char **words, unsigned int count)
{
	uint32_t v[3];
	const char *end;
	unsigned int i;
	int t;

	if (r->net->tensor_count)
		return fail(r, "a second input");
	for (i = 0; i < 3; i++) {
		end = count == 4 ? number(words[i + 1], 1, NET_MAX_DIM, &v[i]) : NULL;
		if (!end || *end)
			return fail(r, "input CHANNELS ROWS COLUMNS, each from 1 to %d",
				    NET_MAX_DIM);
	}
	if (v[0] != 1 && v[0] != 3)
		return fail(r, "pictures have 1 or 3 channels, not %u", v[0]);
	t = net_add_tensor(r->net, "input", v[0], v[1], v[2], r->err);
	return t >= 0 ? 0 : t == -ENOMEM ? t : fail(r, "%.900s", r->err->text);
}

static int layer(struct reader *r, char **words, unsigned int count)
{
	struct entry e = { .kind = NULL };
	unsigned int i;
	int rc = 0;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(words[0], kinds[i].word))
			e.kind = &kinds[i];
	if (!e.kind)
		return fail(r, "unknown kind of layer '%.100s'", words[0]);
	if (!r->net->tensor_count)
		return fail(r, "a layer before the input");
	if (count < 2 || !name_is_valid(words[1]))
		return fail(r, "%s must be followed by a name of at most %d letters, digits, "
			    "or _ . / -", words[0], NAME_MAX_LEN);
	if (tensor_find(r->net, words[1]) >= 0)
		return fail(r, "a second layer '%s'", words[1]);
	e.name = words[1];
	net_layer_init(&e.l, e.kind->kind);
	e.l.in[0] = r->net->tensor_count - 1;
	e.l.in_count = 1;
	for (i = 2; i < count && !rc; i++)
		rc = option(r, &e, words[i]);
	return rc ? rc : entry_add(r, &e);
}

/* A line, which is cut to pieces. */
static int line(struct reader *r, char *text)
{
	char *words[WORDS], *save = NULL, *word;
	unsigned int count = 0;

	text[strcspn(text, "#")] = '\0';
	for (word = strtok_r(text, " \t\r", &save); word; word = strtok_r(NULL, " \t\r", &save)) {
		if (count == WORDS)
			return fail(r, "more than %d words", WORDS);
		words[count++] = word;
	}
	if (!count)
		return 0;
	return strcmp(words[0], "input") ? layer(r, words, count) : input(r, words, count);
}

/* What net_simplify() would drop in silence is a mistake here. */
static int unread(struct reader *r)
{
	const struct net *net = r->net;
	uint32_t i, k, t;
	uint8_t *read = calloc(net->tensor_count, 1);

	if (!read)
		return net_nomem(r->err);
	for (i = 0; i < net->layer_count; i++)
		for (k = 0; k < net->layers[i].in_count; k++)
			read[net->layers[i].in[k]] = 1;
	for (t = 0; t + 1 < net->tensor_count && read[t]; t++)
		;
	i = t + 1 < net->tensor_count;
	free(read);
	return i ? net_fail(r->err, "%.2000s: nothing reads '%s'", r->path, net->tensors[t].name) :
		   0;
}

static int finish(struct reader *r)
{
	const struct net_tensor *t;
	char why[2000];
	int rc;

	if (!r->net->layer_count)
		return net_fail(r->err, "%.2000s: no layers", r->path);
	t = &r->net->tensors[r->net->tensor_count - 1];
	if (t->h != 1 || t->w != 1)
		return net_fail(r->err, "%.2000s: the last layer gives %u x %u x %u; a classifier "
				"ends with fc or globalpool", r->path, t->c, t->h, t->w);
	rc = unread(r);
	if (rc)
		return rc;
	r->net->input = 0;
	r->net->output = r->net->tensor_count - 1;
	rc = net_simplify(r->net, r->err);
	if (rc && rc != -ENOMEM) {
		snprintf(why, sizeof(why), "%.1900s", r->err->text);
		net_fail(r->err, "%.2000s: %s", r->path, why);
	}
	return rc;
}

int netfile_parse(const char *text, size_t len, const char *path, struct net **net,
		  struct net_error *err)
{
	struct reader r = { .path = path, .err = err };
	char *copy, *at, *end;
	int rc = 0;

	*net = NULL;
	if (len > NETFILE_MAX_BYTES)
		return net_fail(err, "%.2000s: more than %zu bytes", path, NETFILE_MAX_BYTES);
	if (memchr(text, 0, len))
		return net_fail(err, "%.2000s: not a text", path);
	copy = strndup(text, len);
	r.net = net_create();
	if (!copy || !r.net)
		rc = net_nomem(err);
	for (at = copy; at && !rc; at = end) {
		end = strchr(at, '\n');
		if (end)
			*end++ = '\0';
		r.line++;
		rc = line(&r, at);
	}
	if (!rc)
		rc = finish(&r);
	free(copy);
	if (rc) {
		net_destroy(r.net);
		return rc;
	}
	*net = r.net;
	return 0;
}

int netfile_load(const char *path, struct net **net, struct net_error *err)
{
	void *data;
	size_t len;
	int rc;

	rc = file_read(path, NETFILE_MAX_BYTES, &data, &len, err->text, sizeof(err->text));
	if (rc)
		return rc;
	rc = netfile_parse(data, len, path, net, err);
	free(data);
	return rc;
}
