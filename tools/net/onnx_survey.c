// SPDX-License-Identifier: MIT
/* Which operators a network uses, and what of it can't be imported. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_private.h"

static int node_compare(const void *a, const void *b)
{
	const Onnx__NodeProto *x = *(Onnx__NodeProto *const *)a;
	const Onnx__NodeProto *y = *(Onnx__NodeProto *const *)b;
	int d = strcmp(x->domain ? x->domain : "", y->domain ? y->domain : "");

	return d ? d : strcmp(x->op_type ? x->op_type : "", y->op_type ? y->op_type : "");
}

static int refusal_compare(const void *a, const void *b)
{
	const Onnx__NodeProto *x = ((const struct onnx_refusal *)a)->node;
	const Onnx__NodeProto *y = ((const struct onnx_refusal *)b)->node;

	if (!x || !y)
		return !x - !y;
	return node_compare(&x, &y);
}

static void use_fill(struct onnx_use *u, const Onnx__NodeProto *n, int64_t opset)
{
	const struct onnx_op *op = onnx_op_find(n);
	const char *domain = n->domain ? n->domain : "";
	char *p;

	snprintf(u->op, sizeof(u->op), "%.60s%s%.60s", domain, *domain ? "." : "",
		 n->op_type ? n->op_type : "?");
	for (p = u->op; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '_';
	u->since = op ? onnx_op_since(op, opset) : 0;
	u->meaning = op ? op->meaning : NULL;
}

/* Nodes and refusals are sorted alike: the refused nodes of each operator are counted along. */
static int survey_ops(struct onnx_survey *s, struct onnx_import *im)
{
	size_t n = im->graph->n_node, i, r = 0;
	Onnx__NodeProto **nodes = malloc(n * sizeof(Onnx__NodeProto *));

	s->uses = calloc(n, sizeof(*s->uses));
	if (!nodes || !s->uses) {
		free(nodes);
		return net_nomem(im->err);
	}
	memcpy(nodes, im->graph->node, n * sizeof(Onnx__NodeProto *));
	qsort(nodes, n, sizeof(Onnx__NodeProto *), node_compare);
	if (im->refusals)
		qsort(im->refusals, im->refusal_count, sizeof(*im->refusals), refusal_compare);
	for (i = 0; i < n; i++) {
		if (!i || node_compare(&nodes[i - 1], &nodes[i]))
			use_fill(&s->uses[s->use_count++], nodes[i], im->opset);
		s->uses[s->use_count - 1].count++;
		while (r < im->refusal_count && im->refusals[r].node &&
		       !node_compare(&im->refusals[r].node, &nodes[i])) {
			s->uses[s->use_count - 1].refused++;
			r++;
		}
	}
	/* Also where the import ended before it came to them. */
	for (i = 0; i < s->use_count; i++)
		if (!s->uses[i].meaning)
			s->uses[i].refused = s->uses[i].count;
	free(nodes);
	return 0;
}

static int survey_refusals(struct onnx_survey *s, const struct onnx_import *im,
			   const char *network)
{
	char line[320];
	size_t i;

	s->refusals = calloc(im->refusal_count + 1, sizeof(*s->refusals));
	if (!s->refusals)
		return net_nomem(im->err);
	for (i = 0; i < im->refusal_count + (network ? 1 : 0); i++) {
		if (i < im->refusal_count)
			onnx_refusal_print(&im->refusals[i], line, sizeof(line));
		else
			snprintf(line, sizeof(line), "%.310s", network);
		s->refusals[i] = strdup(line);
		if (!s->refusals[i])
			return net_nomem(im->err);
		s->refusal_count++;
	}
	return 0;
}

int onnx_survey_file(const char *path, struct onnx_survey *s, struct net_error *err)
{
	struct onnx_import im = { 0 };
	char whole[320];
	struct onnx_file f;
	int rc, failed;

	memset(s, 0, sizeof(*s));
	rc = onnx_file_open(&f, path, err);
	if (rc)
		goto close;
	rc = onnx_import_start(&im, &f, err);
	if (rc)
		goto end;
	im.refusal_max = SIZE_MAX;
	failed = onnx_import_run(&im);
	if (failed == -ENOMEM) {
		rc = failed;
		goto end;
	}
	/* What is wrong with the network as a whole rather than with a node of it. */
	snprintf(whole, sizeof(whole), "%.310s", err->text);
	s->opset = f.opset;
	rc = survey_refusals(s, &im, failed ? whole : NULL);
	if (!rc)
		rc = survey_ops(s, &im);
end:
	onnx_import_end(&im);
close:
	onnx_file_close(&f);
	if (rc)
		onnx_survey_free(s);
	return rc;
}

void onnx_survey_free(struct onnx_survey *s)
{
	size_t i;

	for (i = 0; i < s->refusal_count; i++)
		free(s->refusals[i]);
	free(s->refusals);
	free(s->uses);
	memset(s, 0, sizeof(*s));
}
