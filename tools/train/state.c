// SPDX-License-Identifier: MIT
/* A training as checkpoint records: all that it goes on from. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "run.h"

/* What tells whether a training would go on with the same bits. */
struct machine {
	char isa[64], dnn[32];
	uint32_t threads, zero;
};

struct records {
	struct checkpoint_record *r;
	char (*names)[64];
	size_t count, room;
	bool failed;
};

static void __attribute__((format(printf, 4, 5)))
add(struct records *list, const void *data, size_t len, const char *fmt, ...)
{
	va_list ap;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 256;
		void *r = realloc(list->r, room * sizeof(*list->r));
		void *names;

		list->r = r ? r : list->r;
		names = r ? realloc(list->names, room * sizeof(*list->names)) : NULL;
		list->names = names ? names : list->names;
		if (!names) {
			list->failed = true;
			return;
		}
		list->room = room;
	}
	va_start(ap, fmt);
	vsnprintf(list->names[list->count], sizeof(list->names[0]), fmt, ap);
	va_end(ap);
	list->r[list->count].data = (void *)data;
	list->r[list->count++].len = len;
}

/* Names point into an array that has moved while it grew. */
static int records_close(struct records *list, struct run *r)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		list->r[i].name = list->names[i];
	return list->failed ? run_fail(r, -ENOMEM, "out of memory") : 0;
}

static void records_free(struct records *list)
{
	free(list->r);
	free(list->names);
}

static void machine_get(const struct run *r, struct machine *m)
{
	memset(m, 0, sizeof(*m));
	snprintf(m->isa, sizeof(m->isa), "%s", dnn_isa());
	snprintf(m->dnn, sizeof(m->dnn), "%s", dnn_version());
	m->threads = r->o.threads;
}

static void add_fq(struct records *list, struct fq_layer *q)
{
	struct checkpoint_record r[FQ_RECORDS];
	int k;

	fq_records(q, r);
	for (k = 0; k < FQ_RECORDS; k++)
		add(list, r[k].data, r[k].len, "%s", r[k].name);
}

/* Weights, and what the stages that have begun set up. */
static void add_state(struct records *list, struct run *r)
{
	uint32_t i;
	int k;

	for (k = 0; k < r->param_count; k++) {
		struct tnet_param *p = &r->params[k];

		add(list, p->value, p->n * sizeof(float), "layer.%u.%s", p->layer, p->what);
		add(list, r->momenta[k], p->n * sizeof(float), "layer.%u.%s.momentum", p->layer,
		    p->what);
	}
	for (i = 0; i < r->net->layer_count; i++) {
		struct tnet_layer *l = &r->t->layers[i];

		if (l->norm) {
			add(list, l->norm->mean, l->channels * sizeof(float), "layer.%u.mean", i);
			add(list, l->norm->var, l->channels * sizeof(float), "layer.%u.var", i);
		}
		if (l->weights && (run_begun(r, TRAIN_PRUNE) || run_begun(r, TRAIN_QUANTIZE)))
			add(list, r->masks[i], l->weights, "layer.%u.mask", i);
		if (l->weights && run_begun(r, TRAIN_QUANTIZE))
			add_fq(list, &r->fq[i]);
	}
	if (run_begun(r, TRAIN_ACTIVATE))
		add(list, r->scales, r->net->tensor_count * sizeof(*r->scales), "scales");
}

int run_save(struct run *r)
{
	struct records list = { 0 };
	struct machine m;
	int rc;

	machine_get(r, &m);
	add(&list, r->text, strlen(r->text) + 1, "options");
	add(&list, r->history, strlen(r->history) + 1, "history");
	add(&list, &m, sizeof(m), "machine");
	add(&list, &r->network_crc, sizeof(r->network_crc), "network");
	add(&list, &r->data_crc, sizeof(r->data_crc), "pictures");
	add(&list, &r->at, sizeof(r->at), "place");
	add(&list, r->results, sizeof(r->results), "results");
	add(&list, r->log, r->at.log * sizeof(*r->log), "log");
	add_state(&list, r);
	rc = records_close(&list, r);
	if (!rc)
		rc = checkpoint_write(r->o.checkpoint, list.r, list.count, r->err, sizeof(r->err));
	r->saved |= !rc;
	records_free(&list);
	return rc;
}

static int read_state(struct run *r, const struct checkpoint *c)
{
	struct records list = { 0 };
	uint32_t i;
	int rc;

	add_state(&list, r);
	rc = records_close(&list, r);
	if (!rc)
		rc = checkpoint_read(c, list.r, list.count, r->err, sizeof(r->err));
	records_free(&list);
	for (i = 0; !rc && run_begun(r, TRAIN_QUANTIZE) && i < r->net->layer_count; i++)
		if (r->t->layers[i].weights && fq_restore(&r->fq[i]))
			rc = run_fail(r, -EBADMSG, "layer %u: its quantization makes no sense", i);
	for (i = 0; !rc && i < r->prune_count; i++)
		if (prune_restore(&r->prune[i]))
			rc = run_fail(r, -EBADMSG, "weighted layer %u: its mask makes no sense", i);
	return rc;
}

/* A record that is text as an image's metadata take it, with a zero byte at its end; NULL: it is not. */
static const char *find_text(const struct checkpoint *c, const char *name)
{
	size_t len, n;
	const char *text = checkpoint_find(c, name, &len), *p;

	if (!text || !len || text[len - 1])
		return NULL;
	for (p = text; *p; p += n) {
		n = *p == '\t' || *p == '\n' ? 1 : cli_text_length(p);
		if (!n)
			return NULL;
	}
	return text;
}

static int not_ours(struct run *r, const char *path)
{
	return run_fail(r, -EBADMSG, "%s: it is not a checkpoint of fqaccel-train", path);
}

/* What the card's arithmetic needs was set up before it. */
static bool place_is_sane(const struct run_place *at)
{
	const uint32_t before = 1u << TRAIN_QUANTIZE | 1u << TRAIN_ACTIVATE;

	return at->stage <= TRAIN_STAGES && !(at->begun >> TRAIN_STAGES) &&
	       (!(at->begun >> TRAIN_INTEGER & 1) || (at->begun & before) == before);
}

/* Stages gone through, of which one may be half done, have begun; after the end none is left. */
static bool place_fits(const struct run *r)
{
	uint32_t stage;
	bool past;

	for (stage = 0; stage < TRAIN_STAGES; stage++) {
		past = stage < r->at.stage || (stage == r->at.stage && r->at.epoch);
		if (r->o.stages[stage].on &&
		    (past ? !run_begun(r, (enum train_stage)stage) : r->at.finished))
			return false;
	}
	return true;
}

/* Place, results and log. */
static int read_place(struct run *r, const struct checkpoint *c, const char *path)
{
	struct checkpoint_record records[] = {
		{ "place", &r->at, sizeof(r->at) }, { "results", r->results, sizeof(r->results) },
	};
	const char *history = find_text(c, "history");
	const struct curves_epoch *log;
	size_t len;

	if (!history || checkpoint_read(c, records, 2, r->err, sizeof(r->err)))
		return not_ours(r, path);
	log = checkpoint_find(c, "log", &len);
	if (!log || len != (size_t)r->at.log * sizeof(*log) || !curves_check(log, r->at.log) ||
	    !place_is_sane(&r->at))
		return not_ours(r, path);
	free(r->log);
	free(r->history);
	r->log = malloc(len + 1);
	r->history = strdup(history);
	if (!r->log || !r->history)
		return run_fail(r, -ENOMEM, "out of memory");
	memcpy(r->log, log, len);
	return 0;
}

/* Only the same training can go on. */
static int check_same(struct run *r, const struct checkpoint *c)
{
	const char *path = r->o.checkpoint, *text = find_text(c, "options");
	uint32_t network, pictures;
	struct machine was, is;
	struct checkpoint_record records[] = {
		{ "network", &network, sizeof(network) },
		{ "pictures", &pictures, sizeof(pictures) }, { "machine", &was, sizeof(was) },
	};
	char name[64];

	if (!text || checkpoint_read(c, records, 3, r->err, sizeof(r->err)))
		return not_ours(r, path);
	if (train_options_differ(text, r->text, NULL, name))
		return run_fail(r, -EINVAL, "%s: it was made with another %s; give what was given "
				"then, or take its weights by --start", path, name);
	if (network != r->network_crc)
		return run_fail(r, -EINVAL, "%s: it was made from another network than %s", path,
				r->o.network);
	if (pictures != r->data_crc)
		return run_fail(r, -EINVAL, "%s: it was made with other pictures in --data or "
				"--validate", path);
	machine_get(r, &is);
	was.isa[sizeof(was.isa) - 1] = was.dnn[sizeof(was.dnn) - 1] = '\0';
	if (memcmp(&was, &is, sizeof(is)))
		cli_error("%s was made with %u threads, %s, oneDNN %s; with %u threads, %s, oneDNN %s "
			  "the result may differ in its last bits", path, was.threads, was.isa,
			  was.dnn, is.threads, is.isa, is.dnn);
	return 0;
}

/* What the stages until r->at have made. */
static int read_made(struct run *r, const struct checkpoint *c)
{
	int rc = run_attach(r, r->at.begun);

	if (!rc)
		rc = read_state(r, c);
	return rc ? rc : run_attached(r);
}

int run_resume(struct run *r)
{
	struct checkpoint *c;
	int rc = checkpoint_open(r->o.checkpoint, &c, r->err, sizeof(r->err));

	if (rc)
		return rc;
	rc = check_same(r, c);
	if (!rc)
		rc = read_place(r, c, r->o.checkpoint);
	if (!rc && !place_fits(r))
		rc = not_ours(r, r->o.checkpoint);
	if (!rc)
		rc = read_made(r, c);
	r->saved = !rc;
	checkpoint_close(c);
	return rc;
}

/* What the weights mean: with other pixels or other layers around them they are good for nothing. */
static int check_start(struct run *r, const struct checkpoint *c)
{
	static const char *const names[] = {
		"--norm", "--mean", "--std", "--bgr", "--range255", NULL
	};
	const char *text = find_text(c, "options");
	char name[64];

	if (!text)
		return not_ours(r, r->o.start);
	if (train_options_differ(text, r->text, names, name))
		return run_fail(r, -EINVAL, "%s: it was made with another %s; give what was given "
				"then", r->o.start, name);
	return 0;
}

/* What came before, for the metadata. */
static int add_history(struct run *r, const struct checkpoint *c)
{
	const char *text = find_text(c, "options");
	char *command = text ? train_options_command(text) : NULL, *history;

	if (!command)
		return not_ours(r, r->o.start);
	if (asprintf(&history, "%s%s; then ", r->history, command) < 0)
		history = NULL;
	free(command);
	free(r->history);
	r->history = history;
	return history ? 0 : run_fail(r, -ENOMEM, "out of memory");
}

/* The first stage that is gone through. */
static uint32_t first_stage(const struct run *r)
{
	uint32_t stage = 0;

	while (stage < TRAIN_STAGES && !r->o.stages[stage].on)
		stage++;
	return stage;
}

int run_start(struct run *r)
{
	struct checkpoint *c;
	uint32_t first = first_stage(r), i;
	int rc = checkpoint_open(r->o.start, &c, r->err, sizeof(r->err));

	if (rc)
		return rc;
	rc = check_start(r, c);
	if (!rc)
		rc = read_place(r, c, r->o.start);
	if (!rc)
		rc = read_made(r, c);
	if (!rc)
		rc = add_history(r, c);
	checkpoint_close(c);
	for (i = 0; !rc && first > TRAIN_QUANTIZE && run_begun(r, TRAIN_QUANTIZE) &&
	     i < r->net->layer_count; i++)
		if (r->fq[i].n && r->fq[i].grid.alphabet.bits != r->o.weights.bits)
			return run_fail(r, -EINVAL, "%s: its weights have %u bits; give --bits %u",
					r->o.start, r->fq[i].grid.alphabet.bits,
					r->fq[i].grid.alphabet.bits);
	for (i = first; i < TRAIN_STAGES; i++)
		memset(&r->results[i], 0, sizeof(r->results[i]));
	r->at = (struct run_place){ .begun = r->at.begun, .rounds = r->at.rounds };
	return rc;
}

bool run_unfinished(const char *path)
{
	struct run_place at;
	struct checkpoint_record record = { "place", &at, sizeof(at) };
	struct checkpoint *c;
	char err[512];
	bool unfinished;

	if (checkpoint_open(path, &c, err, sizeof(err)))
		return false;
	unfinished = !checkpoint_read(c, &record, 1, err, sizeof(err)) && !at.finished;
	checkpoint_close(c);
	return unfinished;
}
