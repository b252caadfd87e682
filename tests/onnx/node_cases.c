// SPDX-License-Identifier: MIT
/*
 * The operator tests that come with ONNX, through the importer and the float executor:
 *
 *	node_cases [-o SEEDS] DATA REFUSALS ...
 *
 * DATA is a folder of test_*, each with model.onnx and test_data_set_0. Every test of a supported
 * operator is run in up to three ways:
 *
 *	constant	all inputs are initializers, so the importer computes the result itself
 *	activation	the first input is the network's, further ones are initializers
 *	activations	all inputs are computed from the network's (by 1 x 1 convolutions that select)
 *
 * and must give the expected output, or be refused as the file REFUSALS says. Since a network is
 * one picture, tests with a batch are run picture by picture where the operator treats the first
 * dimension as one; else the whole input is one picture of a row and a column.
 *
 * With -o the networks are written into the folder SEEDS, too: small ones of each operator, from
 * which a fuzzer learns much.
 */
#include <dirent.h>
#include <math.h>

#include "net/exec.h"
#include "net/onnx_private.h"
#include "node_graph.h"
#include "tap.h"

#define REFUSALS_MAX	256
/* The bounds of ONNX's own test runner. */
#define TOLERANCE	1e-3
#define TOLERANCE_ABS	1e-7

struct refusal {
	char way[16], name[96], text[160];
	bool met;
};

static struct refusal refusals[REFUSALS_MAX];
static size_t refusal_count;
static struct net_error err;
static const char *seeds;

/* Lines "WAY TEST: TEXT"; '#' starts a comment. */
static void refusals_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[512];

	memset(refusals, 0, sizeof(refusals));
	refusal_count = 0;
	if (!f)
		bail("%s: can't be read", path);
	while (fgets(line, sizeof(line), f)) {
		struct refusal *r = &refusals[refusal_count];

		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (refusal_count == REFUSALS_MAX ||
		    sscanf(line, "%15s %95[^:]: %159[^\n]", r->way, r->name, r->text) != 3)
			bail("%s: bad line: %s", path, line);
		refusal_count++;
	}
	fclose(f);
}

static struct refusal *refusal_of(const char *way, const char *name)
{
	size_t i;

	for (i = 0; i < refusal_count; i++)
		if (!strcmp(refusals[i].way, way) && !strcmp(refusals[i].name, name))
			return &refusals[i];
	return NULL;
}

static bool near(const float *got, const struct onnx_array *want, size_t at, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		double w = onnx_array_get(want, at + i);

		if (!(fabs(got[i] - w) <= TOLERANCE_ABS + TOLERANCE * fabs(w))) {
			diag("element %zu is %g, expected %g", at + i, got[i], w);
			return false;
		}
	}
	return true;
}

/* The importer leaves a Softmax at the end out; over @axis of @dims. */
static void softmax(float *v, int rank, const int64_t *dims, int axis, bool logarithm)
{
	size_t inner = 1, n = (size_t)dims[axis], outer = 1, o, i, k;
	int d;

	for (d = 0; d < rank; d++)
		*(d < axis ? &outer : d > axis ? &inner : &(size_t){ 0 }) *= (size_t)dims[d];
	for (o = 0; o < outer; o++)
		for (i = 0; i < inner; i++) {
			float *x = v + o * n * inner + i;
			double top = -INFINITY, sum = 0;

			for (k = 0; k < n; k++)
				top = fmax(top, x[k * inner]);
			for (k = 0; k < n; k++)
				sum += exp(x[k * inner] - top);
			for (k = 0; k < n; k++)
				x[k * inner] = (float)(logarithm ?
					x[k * inner] - top - log(sum) :
					exp(x[k * inner] - top) / sum);
		}
}

/* Run picture after picture; each gives its part of the expected output. */
static bool run_pictures(const struct node_case *c, const struct node_graph *g,
			 const struct net *net)
{
	struct net_state *s = net_state_create(net);
	size_t in = net_tensor_elements(&net->tensors[0]), p;
	size_t out = net_tensor_elements(&net->tensors[net->output]);
	bool right = s && in == g->elements && out * g->pictures == g->want.count;

	if (!right)
		diag("%zu pictures of %zu values give %zu each, expected %zu and %zu", g->pictures,
		     in, out, g->elements, g->want.count);
	for (p = 0; right && p < g->pictures; p++) {
		float *y = s->tensors[net->output];

		memcpy(s->tensors[0], g->data + p * in, in * sizeof(float));
		right = !net_state_run(s);
		if (c->softmax && right)
			softmax(y, c->rank - 1, c->dims + 1, c->axis - 1, c->softmax == 'L');
		right = right && near(y, &g->want, p * out, out);
	}
	net_state_destroy(s);
	return right;
}

static void seed_write(const struct node_case *c, enum node_way way, const struct node_graph *g)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s-%d", seeds, c->name, (int)way);
	f = fopen(path, "wb");
	if (!f || fwrite(g->file, 1, g->len, f) != g->len || fclose(f))
		bail("%s: can't be written", path);
}

static void check(const struct node_case *c, enum node_way way)
{
	static const char *const names[] = { "constant", "activation", "activations" };
	struct refusal *r = refusal_of(names[way], c->name);
	struct node_graph g;
	struct net *net;
	int rc;

	node_graph_make(c, way, &g);
	if (seeds)
		seed_write(c, way, &g);
	err.text[0] = '\0';
	rc = onnx_import_memory(g.file, g.len, &net, &err);
	if (!rc) {
		bool right = run_pictures(c, &g, net);

		ok(right && !r, "%s %s%s", names[way], c->name,
		   r ? ", which should be refused" : "");
		net_destroy(net);
	} else {
		ok(r && strstr(err.text, r->text), "%s %s is refused: %s", names[way], c->name,
		   r ? r->text : "not expected");
		if (!r || !strstr(err.text, r->text))
			diag("%s", err.text);
	}
	if (r)
		r->met = true;
	node_graph_free(&g);
}

static int is_test(const struct dirent *d)
{
	return !strncmp(d->d_name, "test_", 5);
}

static void check_folder(const char *folder, const char *refusals_path)
{
	struct dirent **names;
	struct node_case c;
	size_t others = 0, tests = 0, k;
	int i, n, way;

	refusals_read(refusals_path);
	n = scandir(folder, &names, is_test, alphasort);
	for (i = 0; i < n; i++) {
		if (!node_case_load(&c, folder, names[i]->d_name)) {
			others++;
		} else {
			tests++;
			for (way = 0; way < NODE_WAYS; way++)
				if (c.ways & 1u << way)
					check(&c, (enum node_way)way);
			node_case_free(&c);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	ok(tests > 0, "%zu tests of supported operators, %zu of others", tests, others);
	for (k = 0; k < refusal_count; k++)
		ok(refusals[k].met, "%s %s exists", refusals[k].way, refusals[k].name);
}

int main(int argc, char **argv)
{
	int i = 1;

	if (argc > 2 && !strcmp(argv[1], "-o")) {
		seeds = argv[2];
		i = 3;
	}
	if (argc - i < 2 || (argc - i) % 2)
		bail("usage: node_cases [-o SEEDS] DATA REFUSALS ...");
	for (; i < argc; i += 2)
		check_folder(argv[i], argv[i + 1]);
	return tap_done();
}
