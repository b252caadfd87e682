// SPDX-License-Identifier: MIT
/* fqaccel-compress --list-ops: a network's operators, and whether they are supported. */
#include <errno.h>
#include <stdio.h>

#include "compress.h"
#include "net/onnx.h"

static void list_use(const struct onnx_use *u)
{
	char since[16] = "-", state[64];

	if (u->since)
		snprintf(since, sizeof(since), "%d", u->since);
	if (!u->refused)
		snprintf(state, sizeof(state), "yes");
	else if (u->refused == u->count)
		snprintf(state, sizeof(state), "no");
	else
		snprintf(state, sizeof(state), "%zu not", u->refused);
	printf("%-24s %6zu  %7s  %-9s  %s\n", u->op, u->count, since, state,
	       u->meaning ? u->meaning : "unknown");
}

int list_ops_run(const struct compress_options *o, char *err, size_t errlen)
{
	static struct net_error error;	/* 8 KiB, and the program does this once */
	struct onnx_survey s;
	size_t i, nodes = 0, refused = 0;
	int rc;

	rc = onnx_survey_file(o->model, &s, &error);
	if (rc) {
		snprintf(err, errlen, "%s: %s", o->model, error.text);
		return rc;
	}
	printf("%s: operator set %lld\n\n%-24s %6s  %7s  %-9s  %s\n", o->model,
	       (long long)s.opset, "operator", "nodes", "version", "supported", "as");
	for (i = 0; i < s.use_count; i++) {
		list_use(&s.uses[i]);
		nodes += s.uses[i].count;
		refused += s.uses[i].refused;
	}
	if (!s.refusal_count) {
		printf("\nall %zu nodes are supported\n", nodes);
	} else {
		printf("\nnot supported:\n");
		for (i = 0; i < s.refusal_count; i++)
			printf("  %s\n", s.refusals[i]);
		if (refused)
			snprintf(err, errlen, "%s: %zu of %zu nodes are not supported", o->model,
				 refused, nodes);
		else
			snprintf(err, errlen, "%s: it can't be imported", o->model);
		rc = -EINVAL;
	}
	onnx_survey_free(&s);
	return rc;
}
