// SPDX-License-Identifier: MIT
/*
 * The examples of FORMAT.md section 11 and the reasons of section 10, as they
 * stand in the document, against the library and against plain arithmetic.
 */
#include "fqz_reference.h"
#include "tap.h"
#include "test_fqz_net.h"

#include <ctype.h>

#define DOCUMENT	"firmware-format/FORMAT.md"
#define GOLDEN		"tests/golden/fqz/example.fqz"

static char *read_text(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc(1 << 20);

	if (!f)
		bail("%s: cannot be read (run from the top folder)", path);
	*len = fread(text, 1, (1 << 20) - 1, f);
	text[*len] = '\0';
	fclose(f);
	return text;
}

/* The first line after the one that begins with that text. */
static const char *after(const char *document, const char *line)
{
	const char *p = strstr(document, line);

	if (!p)
		bail(DOCUMENT " has no line \"%s\"", line);
	return strchr(p, '\n') + 1;
}

/* The dump's bytes: lines of four blanks, four hex digits, bytes; then a remark. */
static size_t read_dump(const char *p, uint8_t *bytes, size_t room)
{
	unsigned int offset, byte, i;
	size_t len = 0;
	int used;

	for (; *p && strncmp(p, "## ", 3); p = strchr(p, '\n') + 1) {
		if (strncmp(p, "    ", 4) || !isxdigit(p[4]) ||
		    sscanf(p, " %4x%n", &offset, &used) != 1 || used != 8)
			continue;
		if (offset != len || len + 16 > room)
			return 0;
		for (i = 0; i < 16 && sscanf(p + 10 + 3 * i, "%2x", &byte) == 1; i++)
			bytes[len++] = (uint8_t)byte;
	}
	return len;
}

static void check_dump(const char *document)
{
	uint8_t bytes[1024] = { 0 };
	size_t len, golden_len;
	char *golden;

	len = read_dump(after(document, "### 11.3 "), bytes, sizeof(bytes));
	golden = read_text(GOLDEN, &golden_len);
	if (ok(len == golden_len, "the dump is as long as example.fqz (%zu bytes)", len))
		ok_mem(bytes, golden, len, "the dump is example.fqz");
	free(golden);
}

/* Rows of | value | w | as | symbol |. */
static void check_weights(const char *document)
{
	const char *p = after(after(document, "| value * 128 |"), "|---");
	int32_t weights[FQZ_MAX_ALPHABET], w;
	const uint8_t *symbols;
	float value;
	uint32_t symbol, i;
	struct net n;
	char star[8];

	net_example(&n);
	symbols = n.layers[0].symbols;
	fqz_layer_weights(&n.layers[0], weights);
	for (i = 0; *p == '|'; p = strchr(p, '\n') + 1, i++) {
		if (sscanf(p, "| %f%7[*| ]%d | %*[^|] | %u |", &value, star, &w, &symbol) != 4)
			bail("a row of section 11.1");
		ok(i < 9 && symbols[i] == symbol && weights[symbol] == w &&
		   (float)w == 4 * value, "11.1: symbol %u is weight %d", symbol, w);
	}
	is_int(i, 9, "11.1: nine weights");
	net_free(&n);
}

/* Rows of | symbol | length | code |, against the stream's table and bits. */
static void check_code(const char *document)
{
	const char *p = after(after(document, "| symbol | length | code |"), "|---");
	uint32_t symbol, length, rows = 0, i, sum = 0;
	char codes[19][16] = { "" }, bits[64] = "", code[16];
	struct fqz_error err;
	struct fqz_image *img;
	struct net n;
	uint8_t *image;
	size_t len;

	net_example(&n);
	image = net_write(&n, &len);
	if (fqz_image_open(image, len, &img, &err))
		bail("the example does not open");
	for (; *p == '|'; p = strchr(p, '\n') + 1, rows++) {
		const uint8_t *table = img->layers[0].stream + 2;

		if (sscanf(p, "| %u | %u | %15[01] |", &symbol, &length, code) != 3 || symbol > 18)
			bail("a row of section 11.2");
		strcpy(codes[symbol], code);
		sum += 1u << (15 - length);
		ok(strlen(code) == length && (table[symbol / 2] >> 4 * (symbol % 2) & 15) == length,
		   "11.2: the code of symbol %u has %u bits", symbol, length);
	}
	is_int(sum, 1 << 15, "11.2: a complete code");
	for (i = 0; i < 9; i++)
		strcat(bits, codes[n.layers[0].symbols[i]]);
	strcat(bits, "0000000");
	is_int(strlen(bits), 32, "11.2: 25 bits, filled up to 32");
	for (i = 0; i < 32; i++)
		sum -= (img->layers[0].stream[12 + i / 8] >> (7 - i % 8) & 1) == bits[i] - '0';
	is_int(sum, (1 << 15) - 32, "11.2: the bits are the segment's");
	fqz_image_close(img);
	free(image);
	net_free(&n);
}

/* Half away from zero by exact comparison: no r' is nearer, and a tie goes outward. */
static bool is_rounded(int64_t v, int64_t d, int64_t r)
{
	int64_t error = 2 * (r * d - v);

	if (error < 0 ? -error > d : error > d)
		return false;
	return (error != d && error != -d) || (v > 0 ? error > 0 : error < 0);
}

static void check_rounding(const char *document, const char *head, bool shift)
{
	const char *p = after(after(document, head), "|---");
	int v, d, r, rows = 0;

	for (; *p == '|'; p = strchr(p, '\n') + 1, rows++) {
		if (sscanf(p, "| %d | %d | %d |", &v, &d, &r) != 3)
			bail("a row of section 11.4");
		ok(is_rounded(v, shift ? INT64_C(1) << d : d, r), "11.4: %s %d, %d is %d", head, v,
		   d, r);
	}
	ok(rows > 5, "11.4: %d rows", rows);
}

/* The two sums of the paper's Figure 4 and the plain one, on pixels 10, 20, ... 90. */
static void check_sum(const char *document)
{
	int32_t weights[FQZ_MAX_ALPHABET], acc = 0, ones = 0, x;
	const struct fqz_layer *l;
	struct net n;
	char want[64];
	int i;

	net_example(&n);
	l = &n.layers[0];
	fqz_layer_weights(l, weights);
	for (i = 0, x = 10; i < 9; i++, x += 10) {
		acc += weights[l->symbols[i]] * x;
		ones += weights[l->symbols[i]];
	}
	acc = acc * l->scale[0] + l->bias[0] * (1 << l->bias_shift);
	ones = ones * l->scale[0] + l->bias[0] * (1 << l->bias_shift);
	snprintf(want, sizeof(want), "rshift(%d, 1) = %d", acc, acc / 2);
	ok(!(acc % 2) && strstr(document, want), "11.4: %s", want);
	snprintf(want, sizeof(want), "rshift(%d, 1) = %d", ones, (ones - 1) / 2);
	ok(ones < 0 && ones % 2 && strstr(document, want), "11.4: %s", want);
	net_free(&n);
}

static void check_reasons(const char *document)
{
	const char *p = after(after(document, "| code | name |"), "|---");
	char name[32];
	int code, rows = 0;

	for (; *p == '|'; p = strchr(p, '\n') + 1, rows++) {
		if (sscanf(p, "| %d | %31[A-Z_]", &code, name) != 2)
			bail("a row of section 10");
		is_str(fqz_reason_name((enum fqz_reason)code), name, name);
	}
	is_int(rows, FQZ_NO_MEMORY, "every reason is in section 10");
}

/* The bytes between backquotes after "The stream:" of a section. */
static size_t read_stream(const char *section, uint8_t *bytes, size_t room)
{
	const char *p = strstr(section, "The stream: `");
	unsigned int byte;
	size_t len = 0;

	if (!p)
		bail("a section without its stream");
	for (p += strlen("The stream: `"); len < room && sscanf(p, "%2x", &byte) == 1; p += 3) {
		bytes[len++] = (uint8_t)byte;
		if (p[2] == '`')
			break;
	}
	return len;
}

/* The example in a coder, as the writer makes it. */
struct example {
	struct net net;
	uint8_t *image;
	struct fqz_image *img;
	const struct fqz_layer *layer;
};

static void example_init(struct example *e, void (*fill)(struct net *n), const char *section,
			 const char *what)
{
	struct fqz_error err;
	uint8_t bytes[64];
	size_t len;

	fill(&e->net);
	e->image = net_write(&e->net, &len);
	if (fqz_image_open(e->image, len, &e->img, &err))
		bail("the example does not open");
	e->layer = &e->img->layers[0];
	len = read_stream(section, bytes, sizeof(bytes));
	if (ok(len == e->layer->stream_size, "%s: as long as the writer's", what))
		ok_mem(bytes, e->layer->stream, len, what);
}

static void example_free(struct example *e)
{
	fqz_image_close(e->img);
	free(e->image);
	net_free(&e->net);
}

/* Rows of | value | length | bits |, and the tokens' bits. */
static void check_zero_runs(const char *document)
{
	static const struct { unsigned int run, value; } tokens[] = {
		{ 1, 2 }, { 0, 18 }, { 0, 17 }, { 1, 9 }, { 0, 13 }, { 0, 6 }, { 0, 18 },
	};
	const char *section = after(document, "### 11.5 ");
	const char *p = after(after(section, "| value | length |"), "|---");
	char codes[19][8] = { "" }, want[64] = "", got[64] = "";
	unsigned int value, length, i;
	struct example e;
	const uint8_t *table;

	example_init(&e, net_rle_example, section, "11.5: the stream");
	table = e.layer->stream + 3;
	for (; *p == '|'; p = strchr(p, '\n') + 1) {
		char code[8];

		if (sscanf(p, "| %u | %u | %7[01] |", &value, &length, code) != 3 || value > 18)
			bail("a row of section 11.5");
		strcpy(codes[value], code);
		i = 3 + value;
		ok(strlen(code) == length && (table[i / 2] >> 4 * (i % 2) & 15) == length,
		   "11.5: the code of value %u has %u bits", value, length);
	}
	for (i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		strcat(want, tokens[i].run ? "1" : "0");
		strcat(want, codes[tokens[i].value]);
	}
	strcat(want, "0000000");
	p = strstr(section, "\n    ") + 5;
	for (i = 0; *p != '\n' && i < sizeof(got) - 1; p++)
		if (*p != ' ')
			got[i++] = *p;
	is_str(got, want, "11.5: the tokens' bits");
	for (i = 0; i < 32; i++)
		got[i] = (char)('0' + (e.layer->stream[14 + i / 8] >> (7 - i % 8) & 1));
	is_str(got, want, "11.5: are the segment");
	example_free(&e);
}

/* Rows of | value | frequency |, written with order 0 as section 6.6 says. */
static void check_frequencies(const char *section, const uint8_t *tables)
{
	const char *p = after(after(section, "| value | frequency |"), "|---");
	uint32_t freq[19] = { 0 }, value, f, left = 32, at = 4, i, k;
	uint8_t bits[64] = { 0 };
	bool same = true;

	for (; *p == '|'; p = strchr(p, '\n') + 1) {
		if (sscanf(p, "| %u | %u |", &value, &f) != 2 || value > 18)
			bail("a row of section 11.6");
		freq[value] = f;
	}
	for (i = 0; i < 19 && left; left -= freq[i++]) {
		uint32_t q = freq[i] + 1, b = 0;

		while (q >> (b + 1))
			b++;
		at += b;
		bits[at++] = 1;
		for (k = 0; k < b; k++)
			bits[at++] = q >> k & 1;
	}
	ok(!left && at <= 56, "11.6: frequencies of sum 32");
	for (i = 0; i < 56; i++)
		same &= (tables[i / 8] >> i % 8 & 1) == bits[i];
	ok(same, "11.6: are the seven bytes of Tables");
}

/* Rows of | n | state | x | symbol | Bits | number |. */
static void check_tans(const char *document)
{
	const char *section = after(document, "### 11.6 ");
	const char *p = after(after(section, "| n | state | x |"), "|---");
	struct reference_step steps[16];
	unsigned int n, x, symbol, count, number, rows = 0;
	uint8_t symbols[9];
	char state[8];
	struct example e;
	size_t total = 0;

	example_init(&e, net_tans_example, section, "11.6: the stream");
	check_frequencies(section, e.layer->stream + 5);
	ok(reference_decode(e.layer, symbols, 9, steps, 16, &total) && total == 9,
	   "11.6: nine lookups decode it");
	ok_mem(symbols, e.net.layers[0].symbols, 9, "11.6: to the filter");
	for (; *p == '|'; p = strchr(p, '\n') + 1, rows++) {
		if (sscanf(p, "| %u | %7[a-z] | %u | %u | %u | %u |", &n, state, &x, &symbol, &count,
			   &number) != 6 || n != rows || n >= total)
			bail("a row of section 11.6");
		ok(!strcmp(state, n % 2 ? "second" : "first") && steps[n].state == x &&
		   steps[n].symbol == symbol && steps[n].bits == count && steps[n].value == number,
		   "11.6: lookup %u", n);
	}
	is_int(rows, 9, "11.6: all of them");
	example_free(&e);
}

int main(void)
{
	size_t len;
	char *document = read_text(DOCUMENT, &len);

	check_reasons(document);
	check_weights(document);
	check_code(document);
	check_dump(document);
	check_zero_runs(document);
	check_tans(document);
	check_sum(document);
	check_rounding(document, "| v | s | rshift(v, s) |", true);
	check_rounding(document, "| v | d | rdiv(v, d) |", false);
	free(document);
	return tap_done();
}
