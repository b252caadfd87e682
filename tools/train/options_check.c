// SPDX-License-Identifier: MIT
/* What the options of fqaccel-train say together, and the record of those that decide the result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/file.h"
#include "train.h"

static int usage_error(const char *what)
{
	return cli_usage("%s", what) + 1;
}

/* What a stage needs has to come before it, here or in the training that --start goes on from. */
static const char *check_stages(const struct train_options *o)
{
	const struct train_stage_options *s = o->stages;

	if (!s[o->last].on && o->last != TRAIN_INTEGER)
		return "--stop-after names a stage that is not gone through";
	if (o->start)
		return NULL;
	if (s[TRAIN_INTEGER].on && (!s[TRAIN_QUANTIZE].on || !s[TRAIN_ACTIVATE].on))
		return "stage integer needs quantize and activate before it, or --start";
	if (o->scratch && !s[TRAIN_FLOAT].on)
		return "a network of random weights needs stage float, or --start";
	return NULL;
}

static const char *check_outputs(struct train_options *o)
{
	bool image = o->stages[TRAIN_INTEGER].on;

	if (o->output && !image)
		return "there is no image without stage integer; leave out --output";
	if (!o->output && image && o->last == TRAIN_INTEGER)
		return "no output; add -o FILE.fqz";
	if (o->save_onnx && !o->stages[TRAIN_FLOAT].on && !o->stages[TRAIN_PRUNE].on)
		return "--save-onnx is of the network after stage float or prune";
	if (!o->checkpoint && !o->output)
		return "nothing is written; add --checkpoint FILE";
	if (!o->checkpoint) {
		int n = snprintf(o->checkpoint_path, sizeof(o->checkpoint_path), "%s.ckpt",
				 o->output);

		if (n < 0 || (size_t)n >= sizeof(o->checkpoint_path))
			return "the output's name is too long";
		o->checkpoint = o->checkpoint_path;
	}
	if (o->json && o->quiet)
		return "--json or --quiet, not both";
	return NULL;
}

/* What is written must not take the place of anything else that the command names. */
static int check_files(const struct train_options *o)
{
	struct {
		const char *name, *path;
	} files[9 + 2 * TRAIN_PATHS] = {
		{ "--output", o->output }, { "--checkpoint", o->checkpoint }, { "--log", o->log },
		{ "--curves", o->curves }, { "--save-onnx", o->save_onnx },
		{ "--per-picture", o->per_picture }, { "the network", o->network }, { "--start", o->start },
		{ "--classes", o->classes },
	};
	size_t count = 9, written = 6, i, k;

	for (i = 0; i < o->data.count; i++, count++) {
		files[count].name = "--data";
		files[count].path = o->data.path[i];
	}
	for (i = 0; i < o->validate.count; i++, count++) {
		files[count].name = "--validate";
		files[count].path = o->validate.path[i];
	}
	for (i = 0; i < written; i++)
		for (k = i + 1; k < count; k++)
			if (files[i].path && files[k].path &&
			    file_same(files[i].path, files[k].path))
				return cli_usage("%s %s would take the place of %s", files[i].name,
						 files[i].path, files[k].name) + 1;
	return 0;
}

int train_options_check(struct train_options *o)
{
	const char *wrong = o->data.count ? check_stages(o) : "no pictures; add --data PATH";

	if (!wrong)
		wrong = check_outputs(o);
	return wrong ? usage_error(wrong) : check_files(o);
}

unsigned int train_stage_epochs(const struct train_stage_options *o, enum train_stage stage)
{
	if (stage != TRAIN_QUANTIZE)
		return o->epochs;
	return (TRAIN_SHARES - 1) * o->epochs + o->last_epochs;
}

static void text_value(FILE *f, const struct train_stage_options *s, int stage, int what)
{
	switch (what) {
	case TRAIN_EPOCHS:
		fprintf(f, "%u", s->epochs);
		if (stage == TRAIN_QUANTIZE)
			fprintf(f, ":%u", s->last_epochs);
		break;
	case TRAIN_RATE:
		fprintf(f, "%.9g", s->rate);
		break;
	case TRAIN_DECAY:
		fputs(train_decay_names[s->decay], f);
		break;
	default:
		fprintf(f, "%.9g", s->warmup);
		break;
	}
}

/* A value for each stage that is gone through, but where it is as good as none. */
static void text_stages(FILE *f, const struct train_options *o)
{
	static const char *const names[] = { "epochs", "rate", "decay", "warmup" };
	const struct train_stage_options *s = o->stages;
	int i, what, count = 0;

	fputs("--stages\t--stages ", f);
	for (i = 0; i < TRAIN_STAGES; i++)
		if (s[i].on)
			fprintf(f, "%s%s", count++ ? "," : "", train_stage_names[i]);
	fputc('\n', f);
	for (what = 0; what < TRAIN_SETTINGS; what++) {
		fprintf(f, "--%s\t", names[what]);
		for (i = 0, count = 0; i < TRAIN_STAGES; i++) {
			if (!s[i].on || (what == TRAIN_WARMUP && s[i].warmup == 0) ||
			    (what == TRAIN_DECAY && s[i].decay == TRAIN_COSINE))
				continue;
			if (count++)
				fputc(',', f);
			else
				fprintf(f, "--%s ", names[what]);
			fprintf(f, "%s=", train_stage_names[i]);
			text_value(f, &s[i], i, what);
		}
		fputc('\n', f);
	}
}

/* What prune and quantize go by, where they are gone through. */
static void text_prune(FILE *f, const struct train_options *o)
{
	size_t i;

	fputs("--sparsity\t", f);
	if (o->stages[TRAIN_PRUNE].on) {
		fprintf(f, "--sparsity %.9g", o->sparsity);
		for (i = 0; i < o->own_count; i++)
			if (o->own[i].sparsity >= 0)
				fprintf(f, " --sparsity %s=%.9g", o->own[i].layer,
					o->own[i].sparsity);
	}
	fputc('\n', f);
}

static void text_quantize(FILE *f, const struct train_options *o)
{
	size_t i;

	if (!o->stages[TRAIN_QUANTIZE].on) {
		fputs("--mode\t\n--bits\t\n--wsep\t\n", f);
		return;
	}
	fprintf(f, "--mode\t--mode %s", word_modes[o->weights.mode]);
	for (i = 0; i < o->own_count; i++)
		if (o->own[i].mode >= 0)
			fprintf(f, " --mode %s=%s", o->own[i].layer, word_modes[o->own[i].mode]);
	fprintf(f, "\n--bits\t--bits %u\n--wsep\t--wsep %.9g\n", o->weights.bits,
		o->weights.separation);
}

/* R,G,B; nothing where each is @usual. */
static void text_colors(FILE *f, const char *name, const float *v, float usual)
{
	fprintf(f, "--%s\t", name);
	if (v[0] != usual || v[1] != usual || v[2] != usual)
		fprintf(f, "--%s %.9g,%.9g,%.9g", name, v[0], v[1], v[2]);
	fputc('\n', f);
}

/* Likewise of a number. */
static void text_number(FILE *f, const char *name, double v, double usual)
{
	fprintf(f, "--%s\t", name);
	if (v != usual)
		fprintf(f, "--%s %.9g", name, v);
	fputc('\n', f);
}

char *train_options_text(const struct train_options *o)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	text_stages(f, o);
	fprintf(f, "--batch\t--batch %ld\n--momentum\t--momentum %.9g\n", o->batch, o->momentum);
	fprintf(f, "--weight-decay\t--weight-decay %.9g\n", o->weight_decay);
	text_number(f, "label-smoothing", o->smoothing, 0);
	fprintf(f, "--crop\t--crop %ld\n--flip\t--%s\n", o->crop, o->flip ? "flip" : "no-flip");
	text_number(f, "cutout", (double)o->cutout, 0);
	text_prune(f, o);
	text_quantize(f, o);
	fprintf(f, "--seed\t--seed %llu\n", (unsigned long long)o->weights.seed);
	fprintf(f, "--norm\t%s\n", o->norm_keep ? "--norm keep" : "");
	fprintf(f, "--type\t--type %s\n", o->type == DNN_BF16 ? "bf16" : "f32");
	text_colors(f, "mean", o->mean, 0);
	text_colors(f, "std", o->std, 1);
	fprintf(f, "--bgr\t%s\n--range255\t%s\n", o->bgr ? "--bgr" : "",
		o->range255 ? "--range255" : "");
	text_number(f, "resize", (double)o->resize, 0);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

char *train_options_command(const char *text)
{
	char *command = malloc(strlen(text) + 1), *at = command;
	const char *tab, *end;

	for (; command && *text; text = end + 1) {
		end = strchr(text, '\n');
		tab = end ? memchr(text, '\t', (size_t)(end - text)) : NULL;
		if (!tab) {
			free(command);
			return NULL;
		}
		if (tab + 1 == end)
			continue;
		if (at > command)
			*at++ = ' ';
		memcpy(at, tab + 1, (size_t)(end - tab - 1));
		at += end - tab - 1;
	}
	if (command)
		*at = '\0';
	return command;
}

/* Whether a name of @n bytes is in a list that NULL ends. */
static bool is_listed(const char *name, size_t n, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == n && !memcmp(*list, name, n))
			return true;
	return false;
}

/* The line of @text that has the name of @line; NULL: none. */
static const char *find_line(const char *text, const char *line)
{
	size_t n = strcspn(line, "\t\n");

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strcspn(text, "\t\n") == n && !memcmp(text, line, n))
			return text;
	return NULL;
}

/* Whether @b says something else, or nothing, of what @a says. */
static bool says_else(const char *a, const char *b, const char *const *names, char *name)
{
	const char *other;
	size_t n;

	for (; *a; a += strcspn(a, "\n"), a += *a == '\n') {
		other = find_line(b, a);
		n = strcspn(a, "\n");
		if (other && strcspn(other, "\n") == n && !memcmp(a, other, n))
			continue;
		n = strcspn(a, "\t\n");
		if (names && !is_listed(a, n, names))
			continue;
		snprintf(name, 64, "%.*s", (int)n, a);
		return true;
	}
	return false;
}

bool train_options_differ(const char *a, const char *b, const char *const *names, char *name)
{
	/* One may have lines that the other, of another version, has not. */
	return says_else(a, b, names, name) || says_else(b, a, names, name);
}
