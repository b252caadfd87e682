// SPDX-License-Identifier: MIT
/*
 * The examples of CARD.md section 11, line by line as they stand in the document,
 * played on the card: the bytes, what their remarks say, and that nothing which the
 * card does is missing from them.
 */
#include "card_host.h"
#include "fqz.h"
#include "tap.h"

#include <ctype.h>
#include <endian.h>

#define DOCUMENT	"firmware-format/CARD.md"
#define IMAGE		"tests/golden/fqz/example.fqz"
#define MEMORY		65536u
#define ENTRIES		4		/* of each ring */
#define ADMIN_SQ	0x100000
#define QUEUE_SQ	0x101000

static struct play {
	struct host h;
	uint8_t given[MEMORY];		/* by a line host or file: 1, once the card read it 2 */
	uint8_t written[MEMORY];	/* by the card, and not shown yet */
	unsigned int irqs[FQA_MAX_IO_QUEUES + 1];
	unsigned int unknown_reads, steps, commands;
	char section[8];
} play;

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc(1 << 20);

	if (!f || !text)
		bail("%s: cannot be read (run from the top folder)", path);
	*len = fread(text, 1, (1 << 20) - 1, f);
	text[*len] = '\0';
	fclose(f);
	return text;
}

static const char *next_line(const char *p)
{
	const char *end = strchr(p, '\n');

	return end ? end + 1 : p + strlen(p);
}

static void on_dma(struct host *h, uint64_t addr, size_t len, bool write)
{
	size_t at = addr - HOST_BASE, i;

	(void)h;
	for (i = at; i < at + len; i++) {
		if (write)
			play.written[i] = 1;
		else if (play.given[i])
			play.given[i] = 2;
		else
			play.unknown_reads++;
	}
}

static bool is_digit(char c)
{
	return isxdigit((unsigned char)c);
}

/* Up to 16 bytes, each after one blank; two blanks begin the remark. */
static unsigned int read_bytes(const char *p, uint8_t bytes[16])
{
	unsigned int n, byte;

	for (n = 0; n < 16 && p[0] == ' ' && is_digit(p[1]) && is_digit(p[2]); n++, p += 3) {
		sscanf(p + 1, "%2x", &byte);
		bytes[n] = (uint8_t)byte;
	}
	return n;
}

/* The offset of an address in the machine's memory, with room for 1 KiB. */
static size_t place(const char *line, int *used)
{
	unsigned int addr;

	if (sscanf(line, "%*s %8x%n", &addr, used) != 1 || addr < HOST_BASE ||
	    addr - HOST_BASE > MEMORY - 1024)
		bail("an address in section %s: %.40s", play.section, line);
	return addr - HOST_BASE;
}

static void step_host(const char *line)
{
	uint8_t bytes[16];
	size_t at;
	int used;
	unsigned int n;

	at = place(line, &used);
	n = read_bytes(line + used + 1, bytes);
	if (!n)
		bail("no bytes in section %s: %.40s", play.section, line);
	memcpy(play.h.mem + at, bytes, n);
	memset(play.given + at, 1, n);
}

static void step_file(const char *line)
{
	char path[64], *data;
	size_t at, len;
	int used;

	at = place(line, &used);
	if (sscanf(line + used, " %63s", path) != 1)
		bail("no file in section %s: %.40s", play.section, line);
	data = read_file(path, &len);
	if (len > 1024)
		bail("%s: too long for the example", path);
	memcpy(play.h.mem + at, data, len);
	memset(play.given + at, 1, len);
	free(data);
}

static void step_card(const char *line)
{
	unsigned int n, i, written = 0;
	uint8_t bytes[16];
	char what[64];
	size_t at;
	int used;

	at = place(line, &used);
	n = read_bytes(line + used + 1, bytes);
	for (i = 0; i < n; i++)
		written += play.written[at + i];
	snprintf(what, sizeof(what), "%s: at 0x%zx", play.section, (size_t)HOST_BASE + at);
	if (ok(n && written == n, "%s: the card writes %u bytes", what, n))
		ok_mem(play.h.mem + at, bytes, n, what);
	memset(play.written + at, 0, n);
}

static struct fqa_hw_list list(uint64_t addr, uint32_t len)
{
	return (struct fqa_hw_list){ .addr = htole64(addr), .len = htole32(len) };
}

static struct fqa_hw_command load(uint16_t cid, uint32_t slot, uint64_t at, uint64_t length,
				  uint64_t info)
{
	return (struct fqa_hw_command){
		.opcode = FQA_OP_LOAD, .cid = htole16(cid), .slot = htole32(slot),
		.load = { .image = list(at, 16), .length = htole64(length),
			  .info = htole64(info) },
	};
}

static struct fqa_hw_command run(uint16_t cid, uint32_t batch)
{
	return (struct fqa_hw_command){
		.opcode = FQA_OP_RUN, .cid = htole16(cid), .slot = htole32(5),
		.run = { .layer_count = htole32(1), .batch = htole32(batch),
			 .in = list(0x103000, 32), .out = list(0x103080, 16) },
	};
}

/* The command before a tail that the host rings is the one that the remarks describe. */
static void check_command(unsigned int queue, uint32_t tail)
{
	const struct fqa_hw_command want[] = {
		{ .opcode = FQA_OP_NOP, .cid = htole16(0x0102) },
		{ .opcode = FQA_OP_CREATE_QUEUE, .cid = htole16(0x0103),
		  .create_queue = { .sq = htole64(0x101000), .cq = htole64(0x101100),
				    .qid = htole16(1), .sq_entries = htole16(ENTRIES),
				    .cq_entries = htole16(ENTRIES), .vector = htole16(1) } },
		load(0x0104, 5, 0x102400, 528, 0x102440),
		run(0x0201, 2),
		run(0x0202, 3),
		load(0x0105, 6, 0x102410, 527, 0),
		{ .opcode = FQA_OP_UNLOAD, .cid = htole16(0x0106), .slot = htole32(5) },
	};
	uint64_t ring = queue ? QUEUE_SQ : ADMIN_SQ;

	if (play.commands == sizeof(want) / sizeof(want[0]) || queue > 1 || tail >= ENTRIES)
		bail("section %s: a doorbell for no command", play.section);
	ok_mem(host_at(&play.h, ring + (tail + ENTRIES - 1) % ENTRIES * sizeof(want[0])),
	       &want[play.commands++], sizeof(want[0]), "the command of the remarks");
}

/* Picture 0 is 10, 20, ... 90, picture 1 all ones. */
static void check_pictures(void)
{
	static const uint8_t zero[] = { 10, 20, 30, 40, 50, 60, 70, 80, 90 };
	static const uint8_t one[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };

	ok_mem(host_at(&play.h, 0x104003), zero, 5, "11.5: five pixels");
	ok_mem(host_at(&play.h, 0x104101), zero + 5, 4, "11.5: four pixels");
	ok_mem(host_at(&play.h, 0x104200), one, 9, "11.5: the other picture");
}

/* Each completion comes with a message of its own here, and the host consumes all. */
static void check_write(unsigned int offset, uint64_t v, unsigned int size)
{
	unsigned int queue = (offset - FQA_REG_SQ_TAIL(0)) / 8;

	if (offset < FQA_REG_PROGRESS(0))
		is_int(host_read(&play.h, offset, size), v, "the register holds what was written");
	else if (queue < 2 && offset == (unsigned int)FQA_REG_SQ_TAIL(queue))
		check_command(queue, (uint32_t)v);
	else if (queue < 2 && offset == (unsigned int)FQA_REG_CQ_HEAD(queue))
		is_int(v, play.irqs[queue] % ENTRIES, "all completions are consumed");
	else
		bail("section %s: a write to 0x%04x", play.section, offset);
}

/* An access, of 4 bytes or 8 as the value has 8 or 16 digits. */
static void step_register(const char *line, bool write)
{
	unsigned int offset, size;
	char value[20], what[64];
	uint64_t v;

	if (sscanf(line, "%*s %4x %19[0-9a-f]", &offset, value) != 2 ||
	    (strlen(value) != 8 && strlen(value) != 16))
		bail("an access in section %s: %.40s", play.section, line);
	size = (unsigned int)strlen(value) / 2;
	v = strtoull(value, NULL, 16);
	if (write) {
		host_write(&play.h, offset, v, size);
		check_write(offset, v, size);
		host_pump(&play.h);
		return;
	}
	snprintf(what, sizeof(what), "%s: register 0x%04x", play.section, offset);
	is_int(host_read(&play.h, offset, size), v, what);
}

static void step_irq(const char *line)
{
	unsigned int vector;

	if (sscanf(line, "%*s %u", &vector) != 1 || vector > FQA_MAX_IO_QUEUES)
		bail("a vector in section %s: %.40s", play.section, line);
	play.irqs[vector]++;
	is_int(play.h.irqs[vector], play.irqs[vector], "messages of that vector");
}

static void step(const char *line)
{
	if (!strncmp(line, "host ", 5))
		step_host(line);
	else if (!strncmp(line, "file ", 5))
		step_file(line);
	else if (!strncmp(line, "card ", 5))
		step_card(line);
	else if (!strncmp(line, "read ", 5))
		step_register(line, false);
	else if (!strncmp(line, "write ", 6))
		step_register(line, true);
	else if (!strncmp(line, "irq ", 4))
		step_irq(line);
	else
		bail("a line of section %s that says nothing: %.40s", play.section, line);
	play.steps++;
}

/* What the card did, the section has shown, and its driver did nothing wrong. */
static void section_end(void)
{
	unsigned int i, hidden = 0, unread = 0;

	for (i = 0; i < MEMORY; i++) {
		hidden += play.written[i];
		unread += play.given[i] == 1;
	}
	for (i = 0; i <= FQA_MAX_IO_QUEUES; i++)
		hidden += play.h.irqs[i] != play.irqs[i];
	ok(!hidden && !play.unknown_reads && !play.h.guest_errors,
	   "%s: nothing else is read, written or sent, and nothing is wrong", play.section);
	is_int(unread, 0, "all that the host wrote is read");
	ok(play.steps >= 9, "%s: %u steps", play.section, play.steps);
	memset(play.written, 0, sizeof(play.written));
	play.steps = 0;
}

static void check_play(const char *document)
{
	static const struct card_config config = CARD_CONFIG_DEFAULT;
	const char *p = strstr(document, "\n## 11. Examples\n");
	unsigned int sections = 0;

	if (!p)
		bail(DOCUMENT " has no section of examples");
	host_init(&play.h, &config, MEMORY, 0);
	play.h.on_dma = on_dma;
	for (p = next_line(p + 1); *p && strncmp(p, "## ", 3); p = next_line(p)) {
		if (!strncmp(p, "### ", 4)) {
			if (sections++)
				section_end();
			sscanf(p, "### %7s", play.section);
		} else if (!strncmp(p, "    ", 4)) {
			step(p + 4);
		}
	}
	section_end();
	is_int(sections, 7, "seven examples");
	is_int(play.commands, 7, "seven commands");
	check_pictures();
	host_exit(&play.h);
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void check_row(const char *document, const char *head, const char *work, uint64_t cycles)
{
	char row[128];

	snprintf(row, sizeof(row), "\n| %s | %s | %u |\n", head, work, (unsigned int)cycles);
	ok(strstr(document, row), "11.5: %s | %s | %u", head, work, (unsigned int)cycles);
}

/* The table of section 11.5, from the image and section 8. */
static void check_cycles(const char *document)
{
	static const struct card_config config = CARD_CONFIG_DEFAULT;
	uint64_t compute, decode, memory, layer;
	unsigned int in, out, nonzero = 0, i;
	int32_t weights[FQZ_MAX_ALPHABET];
	uint8_t symbols[9];
	const struct fqz_layer *l;
	struct fqz_image *img;
	struct fqz_error err;
	char work[64], *image;
	size_t len;

	image = read_file(IMAGE, &len);
	if (fqz_image_open(image, len, &img, &err) ||
	    fqz_layer_decode(img, 0, symbols, sizeof(symbols), &err))
		bail(IMAGE " does not open");
	l = &img->layers[0];
	fqz_layer_weights(l, weights);
	for (i = 0; i < sizeof(symbols); i++)
		nonzero += weights[symbols[i]] != 0;
	in = fqz_tensor_bytes(&img->tensors[0]);
	out = fqz_tensor_bytes(&img->tensors[1]);

	compute = divide_up(nonzero * img->tensors[1].h * img->tensors[1].w, config.lanes);
	snprintf(work, sizeof(work), "%u * %u * %u / %u", nonzero, (unsigned int)img->tensors[1].h,
		 (unsigned int)img->tensors[1].w, (unsigned int)config.lanes);
	check_row(document, "compute", work, compute);
	decode = divide_up(sizeof(symbols), 64);
	snprintf(work, sizeof(work), "%zu / 64", sizeof(symbols));
	check_row(document, "decode", work, decode);
	memory = divide_up(in + out + l->stream_size, 64);
	snprintf(work, sizeof(work), "(%u + %u + %u) / 64", in, out, (unsigned int)l->stream_size);
	check_row(document, "memory", work, memory);
	layer = 32 + most(compute, most(decode, memory));
	snprintf(work, sizeof(work), "32 + max(%u, %u, %u)", (unsigned int)compute,
		 (unsigned int)decode, (unsigned int)memory);
	check_row(document, "layer", work, layer);
	snprintf(work, sizeof(work), "%u * 2", (unsigned int)layer);
	check_row(document, "RUN", work, 2 * layer);
	fqz_image_close(img);
	free(image);
}

int main(void)
{
	size_t len;
	char *document = read_file(DOCUMENT, &len);

	check_play(document);
	check_cycles(document);
	free(document);
	return tap_done();
}
