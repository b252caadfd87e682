// SPDX-License-Identifier: MIT
/* The log of a training and its curves. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "fail_alloc.h"
#include "tap.h"
#include "train/curves.h"

static char root[] = "/tmp/fqaccel-curves-XXXXXX";
static char log_path[600], svg_path[600];
static char err[512];

static const char line[] =
	"{\"epoch\":7,\"stage\":\"quantize 87.5 %\",\"loss\":0.1,\"accuracy\":91.25,\"held_loss\":null,"
	"\"held_accuracy\":null,\"rate\":1e-05,\"sparsity\":80,\"quantized\":87.5,\"seconds\":12.0625,"
	"\"pictures_per_second\":3000}\n";

static const struct curves_epoch epoch7 = {
	.epoch = 7, .stage = "quantize 87.5 %", .loss = 0.1, .accuracy = 91.25, .held_loss = NAN,
	.held_accuracy = INFINITY, .rate = 1e-5, .sparsity = 80, .quantized = 87.5,
	.seconds = 12.0625, .pictures_per_second = 3000,
};

static void write_epochs(const struct curves_epoch *e, int count)
{
	FILE *f = fopen(log_path, "w");
	int i;

	for (i = 0; f && i < count; i++)
		if (curves_log(f, &e[i]))
			bail("%s can't be written", log_path);
	if (!f || fclose(f))
		bail("%s can't be written", log_path);
}

static char *read_text(const char *path, size_t *len)
{
	void *p;

	if (file_read(path, 1 << 24, &p, len, err, sizeof(err)))
		bail("%s", err);
	return p;
}

static void test_line(void)
{
	size_t len;
	char *text;

	write_epochs(&epoch7, 1);
	text = read_text(log_path, &len);
	is_str(text, line, "a line of the log");
	free(text);
}

/* Whoever reads the log gets the bits that were measured. */
static void test_numbers(void)
{
	static const double values[] = {
		0, -0.0, 1 / 3.0, 0.1 + 0.2, 1e300, 5e-324, 2.2250738585072014e-308, 123456789,
		0x1.fffffffffffffp+1023, -1e-7, 4294967296.5, 1e22, 1e23,
	};
	enum { N = sizeof(values) / sizeof(values[0]) };
	struct curves_epoch in[N];
	size_t len, same = 0, i;
	char *text, *at;

	for (i = 0; i < N; i++) {
		in[i] = epoch7;
		in[i].pictures_per_second = values[i];
	}
	write_epochs(in, N);
	text = read_text(log_path, &len);
	for (i = 0, at = text; i < N && at; i++) {
		double v;

		at = strstr(at, "\"pictures_per_second\":");
		if (!at)
			break;
		v = strtod(at + strlen("\"pictures_per_second\":"), &at);
		same += !memcmp(&v, &values[i], sizeof(v)) && !strncmp(at, "}\n", 2);
	}
	is_int((int64_t)same, N, "numbers come back to the bit");
	free(text);
}

/* What a checkpoint's log may not be. */
static void test_check(void)
{
	struct curves_epoch e[3] = { epoch7, epoch7, epoch7 };

	e[2].epoch = 8;
	ok(curves_check(e, 3) && curves_check(e, 0), "a log, and one without lines");
	e[2].epoch = 6;
	ok(!curves_check(e, 3) && curves_check(e, 2), "an epoch lower than the one before");
	e[0].epoch = 0;
	ok(!curves_check(e, 1), "epoch 0");
	memset(e[1].stage, 'x', sizeof(e[1].stage));
	ok(!curves_check(e + 1, 1), "a stage without end");
	strcpy(e[1].stage, "tab\t");
	ok(!curves_check(e + 1, 1), "a stage that is not printable");
	e[1].stage[0] = '\0';
	ok(!curves_check(e + 1, 1), "a stage without a name");
}

static void test_log_refusals(void)
{
	struct curves_epoch e = epoch7;
	FILE *f = fopen("/dev/full", "w");

	if (!f)
		bail("/dev/full");
	is_int(curves_log(f, &e), -ENOSPC, "a full disk");
	strcpy(e.stage, "say \"it\"");
	is_int(curves_log(f, &e), -EINVAL, "a stage with quotes");
	strcpy(e.stage, "");
	is_int(curves_log(f, &e), -EINVAL, "an empty stage");
	memset(e.stage, 'x', sizeof(e.stage));
	is_int(curves_log(f, &e), -EINVAL, "a stage without end");
	e = epoch7;
	e.epoch = 0;
	is_int(curves_log(f, &e), -EINVAL, "epoch 0");
	fclose(f);
}

/* Where a text lies, widely taken; letters are 7 wide, 12 high. */
struct box {
	double left, right, top, bottom;
};

static bool apart(const struct box *a, const struct box *b)
{
	return a->right <= b->left || b->right <= a->left || a->bottom <= b->top ||
	       b->bottom <= a->top;
}

/* The texts of a figure that are not turned; each within it, none over another. */
static size_t look_at_texts(const char *svg, size_t *wrong)
{
	static struct box boxes[500];
	double width, height, x, y, w;
	const char *p, *end;
	size_t n = 0, i;
	bool entity;

	if (sscanf(strstr(svg, "viewBox"), "viewBox=\"0 0 %lf %lf\"", &width, &height) != 2)
		bail("no viewBox");
	for (p = svg; (p = strstr(p, "<text ")) && n < 500; p++) {
		const char *at = strstr(p, "x=\""), *body = strchr(p, '>') + 1;

		if (at > body)
			continue;	/* the turned ones have a transform */
		if (sscanf(at, "x=\"%lf\" y=\"%lf\"", &x, &y) != 2)
			bail("a text without place");
		end = strchr(body, '<');
		for (w = 0, entity = false; body < end; body++) {
			entity = entity || *body == '&';
			w += entity && *body != ';' ? 0 : 6.5;
			entity = entity && *body != ';';
		}
		x -= strstr(p, "class=\"m\"") == p + 6 ? w / 2 : strstr(p, "class=\"e\"") == p + 6 ? w : 0;
		boxes[n] = (struct box){ x, x + w, y - 10, y + 2 };
		*wrong += x < 0 || x + w > width || y - 10 < 0 || y + 2 > height;
		for (i = 0; i < n; i++)
			*wrong += !apart(&boxes[i], &boxes[n]);
		n++;
	}
	return n;
}

static void look(const struct curves_epoch *e, size_t count, const char *what, const char *has)
{
	size_t len, texts, wrong = 0;
	char *svg;

	if (curves_svg(svg_path, e, count, err, sizeof(err)))
		bail("%s", err);
	svg = read_text(svg_path, &len);
	texts = look_at_texts(svg, &wrong);
	if (!ok(texts > 3 && !wrong, "%s: texts lie apart", what))
		diag("%zu of %zu texts don't", wrong, texts);
	ok(strstr(svg, has) && !strstr(svg, "nan") && !strstr(svg, "inf\"") && !strstr(svg, "\"-0") &&
	   !strcmp(svg + len - 7, "</svg>\n"), "%s: shows \"%s\"", what, has);
	free(svg);
}

static size_t add_stage(struct curves_epoch *e, size_t n, const char *name, size_t epochs)
{
	size_t i;

	for (i = 0; i < epochs; i++, n++) {
		e[n] = (struct curves_epoch){ .epoch = (uint32_t)n + 1 };
		snprintf(e[n].stage, sizeof(e[n].stage), "%s", name);
		e[n].accuracy = 90 - 50.0 / (double)(n + 1);
		e[n].held_accuracy = i % 3 ? NAN : e[n].accuracy - 1;
		e[n].loss = 2.3 / (double)(n + 1);
		e[n].held_loss = i % 3 ? NAN : e[n].loss * 1.1;
	}
	return n;
}

static void test_svg(void)
{
	static struct curves_epoch e[300];
	char name[16];
	size_t n, i;

	n = add_stage(e, 0, "float", 60);
	n = add_stage(e, n, "prune", 20);
	n = add_stage(e, n, "quantize 25 %", 1);
	n = add_stage(e, n, "quantize 50 %", 1);
	n = add_stage(e, n, "quantize 75 %", 1);
	n = add_stage(e, n, "quantize 87.5 %", 1);
	n = add_stage(e, n, "quantize 100 %", 2);
	n = add_stage(e, n, "activate", 1);
	n = add_stage(e, n, "integer", 1);
	look(e, n, "all stages", ">87.5 %<");
	look(e, n, "all stages", "logarithmic");
	look(e, 1, "one epoch", ">float<");
	look(e + 84, 4, "the end of a run", ">quantize 100 %<");
	for (i = 0, n = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "<%zu>&", i);
		n = add_stage(e, n, name, 1);
	}
	look(e, n, "more stages than there is room for", "&#60;99&#62;&#38;");
	n = add_stage(e, 0, "float", 200);
	e[n - 1].accuracy = e[n - 1].held_accuracy = 100;
	e[n - 1].loss = e[n - 1].held_loss = 0;
	look(e, n, "a loss of 0", "held out 100%");
	look(e + n - 1, 1, "nothing but that", "training 0");
	e[5].loss = INFINITY;
	e[6].loss = 1e300;
	e[7].loss = -1e300;
	e[8].accuracy = NAN;
	look(e, 200, "numbers beyond all bounds", "epoch");
	for (i = 0; i < 5; i++)
		e[i].epoch = UINT32_MAX;
	is_int(curves_svg(svg_path, e, 6, err, sizeof(err)), -EINVAL, "a falling epoch");
	look(e, 5, "high numbers of epochs", "4294967295");
	for (i = 0; i < 5; i++)
		e[i].accuracy = e[i].held_accuracy = e[i].loss = e[i].held_loss = NAN;
	e[0].loss = 1e-300;
	e[1].loss = 1e11;
	look(e, 5, "a wide range", "logarithmic");
}

static void test_svg_refusals(void)
{
	struct curves_epoch e = epoch7;
	char lost[700];

	memset(e.stage, 'x', sizeof(e.stage));
	is_int(curves_svg(svg_path, &e, 1, err, sizeof(err)), -EINVAL, "a stage without end");
	is_int(curves_svg(svg_path, &epoch7, 0, err, sizeof(err)), -EINVAL, "no epochs");
	ok(strstr(err, svg_path), "the text names the file");
	snprintf(lost, sizeof(lost), "%s/absent/file", root);
	is_int(curves_svg(lost, &epoch7, 1, err, sizeof(err)), -ENOENT, "a folder that is not there");
}

/* Every allocation fails once. */
static void test_memory(void)
{
	long i, good = 0;
	bool failed = true;
	int ret;

	for (i = 0; failed; i++) {
		err[0] = '\0';
		fail_alloc(i);
		ret = curves_svg(svg_path, &epoch7, 1, err, sizeof(err));
		failed = fail_alloc_end();
		good += failed ? ret == -ENOMEM && err[0] : !ret;
	}
	ok(i > 2 && good == i, "plotting: %ld of %ld failed allocations were told", good - 1, i - 1);
}

int main(void)
{
	char command[600];

	if (!mkdtemp(root))
		bail("no folder");
	snprintf(log_path, sizeof(log_path), "%s/log", root);
	snprintf(svg_path, sizeof(svg_path), "%s/curves.svg", root);
	test_line();
	test_numbers();
	test_check();
	test_log_refusals();
	test_svg();
	test_svg_refusals();
	test_memory();
	snprintf(command, sizeof(command), "rm -rf %s", root);
	if (system(command))
		diag("%s could not be removed", root);
	return tap_done();
}
