// SPDX-License-Identifier: MIT
/*
 * The card in the emulator against the soft card in this process, byte for byte:
 * the whole network, batches, every layer alone, and every prefix of the layers, of
the sample and of the golden images; and what both say of images that are wrong.
 */
#include <unistd.h>

#include "guest.h"
#include "../../unit/tap.h"

#define PICTURES	4

static void compare_whole(struct guest_model *soft, struct guest_model *card)
{
	size_t in_len = soft->info.input_bytes, out_len = soft->info.output_bytes;
	uint8_t *in = guest_alloc(in_len * PICTURES);
	uint8_t *want = guest_alloc(out_len * PICTURES);
	uint8_t *got = guest_alloc(out_len * PICTURES);
	size_t i;

	guest_fill(in, in_len * PICTURES, 1);
	ok(!fqaccel_infer(soft->model, in, want, PICTURES), "a batch on the soft card: %s",
	   fqaccel_error());
	ok(!fqaccel_infer(card->model, in, got, PICTURES), "a batch on the card: %s",
	   fqaccel_error());
	ok_mem(got, want, out_len * PICTURES, "the same output");
	memset(got, 0, out_len * PICTURES);
	for (i = 0; i < PICTURES; i++)
		if (fqaccel_infer(card->model, in + i * in_len, got + i * out_len, 1))
			bail("picture %zu: %s", i, fqaccel_error());
	ok_mem(got, want, out_len * PICTURES, "one by one as well");
	free(got);
	free(want);
	free(in);
}

/* Runs layers [first, first + count) on @m; the result's cycles, or 0 if it failed. */
static uint64_t run_range(struct guest_model *m, uint32_t first, uint32_t count, const void *in,
			  size_t in_len, void *out, size_t out_len)
{
	struct fqaccel_run_desc run = { .model = m->model, .first_layer = first,
					.layer_count = count, .batch = 1 };
	struct fqaccel_run_result result = { .status = -1 };
	struct fqaccel_queue *queue;
	uint64_t sequence;

	if (fqaccel_queue_create(m->card, 0, &queue) ||
	    fqaccel_buffer_create(m->card, in_len, FQACCEL_CARD_READS, &run.input) ||
	    fqaccel_buffer_create(m->card, out_len, FQACCEL_CARD_WRITES, &run.output))
		bail("queue and buffers: %s", fqaccel_error());
	memcpy(fqaccel_buffer_data(run.input), in, in_len);
	if (fqaccel_queue_submit(queue, &run, 1, &sequence) != 1)
		bail("layers %u + %u: %s", first, count, fqaccel_error());
	if (fqaccel_queue_wait(queue, sequence, -1, &result))
		bail("wait: %s", fqaccel_error());
	memcpy(out, fqaccel_buffer_data(run.output), out_len);
	fqaccel_buffer_close(run.input);
	fqaccel_buffer_close(run.output);
	fqaccel_queue_close(queue);
	return result.status ? 0 : result.cycles;
}

static bool compare_range(struct guest_model *soft, struct guest_model *card, uint32_t first,
			  uint32_t count)
{
	uint64_t in_len, out_len, cycles[2];
	uint8_t *in, *want, *got;
	bool same;

	if (fqaccel_model_range(soft->model, first, count, &in_len, &out_len))
		bail("layers %u + %u: %s", first, count, fqaccel_error());
	in = guest_alloc(in_len);
	want = guest_alloc(out_len);
	got = guest_alloc(out_len);
	guest_fill(in, in_len, first * 1000 + count);
	cycles[0] = run_range(soft, first, count, in, in_len, want, out_len);
	cycles[1] = run_range(card, first, count, in, in_len, got, out_len);
	same = cycles[0] && cycles[0] == cycles[1] && !memcmp(want, got, out_len);
	if (!same)
		diag("layers %u + %u: %llu and %llu cycles, outputs %s", first, count,
		     (unsigned long long)cycles[0], (unsigned long long)cycles[1],
		     memcmp(want, got, out_len) ? "differ" : "equal");
	free(got);
	free(want);
	free(in);
	return same;
}

static void compare_model(const char *path)
{
	struct guest_model soft, card;
	uint32_t i, alone = 0, prefixes = 0, layers;

	diag("%s", path);
	guest_open(&soft, "soft", path);
	guest_open(&card, GUEST_DEVICE, path);
	layers = soft.info.layers;
	is_int(card.info.layers, layers, path);
	is_int(card.info.cycles, soft.info.cycles, "cycles of one picture");
	is_int(card.info.arena_bytes, soft.info.arena_bytes, "bytes of an arena");

	compare_whole(&soft, &card);
	for (i = 0; i < layers; i++) {
		alone += compare_range(&soft, &card, i, 1);
		prefixes += compare_range(&soft, &card, 0, i + 1);
	}
	is_int(alone, layers, "every layer alone: bytes and cycles");
	is_int(prefixes, layers, "every prefix of the layers: bytes and cycles");
	guest_close(&card);
	guest_close(&soft);
}

/* Images that are wrong in one way each: both cards refuse them, in the same words. */
static void compare_refusal(const char *path)
{
	struct fqaccel_card *soft, *card;
	struct fqaccel_card_info info;
	struct fqaccel_model *model = NULL;
	unsigned int i;
	char want[512];
	uint64_t memory;
	int ret;

	if (fqaccel_card_open("soft", &soft) || fqaccel_card_open(GUEST_DEVICE, &card) ||
	    fqaccel_card_info(card, &info, sizeof(info)))
		bail("%s", fqaccel_error());
	/* The last model of a closed file goes away in the background. */
	for (i = 0; i < 100 && guest_memory_free(card) != info.memory_size; i++)
		usleep(50000);
	memory = guest_memory_free(card);
	ret = fqaccel_model_load_file(soft, path, &model);
	snprintf(want, sizeof(want), "%s", fqaccel_error());
	ok(ret < 0, "the soft card refuses %s", path);
	is_int(fqaccel_model_load_file(card, path, &model), ret, "so does the card");
	is_str(fqaccel_error(), want, "in the same words");
	is_int(guest_memory_free(card), memory, "no card memory is taken");
	fqaccel_card_close(card);
	fqaccel_card_close(soft);
}

/* The images of tests/golden/fqz, by their verdicts. */
static void compare_golden(void)
{
	FILE *f = fopen("tests/golden/fqz/verdicts.txt", "r");
	char line[256], name[64], verdict[32], path[128];
	unsigned int taken = 0, refused = 0;

	if (!f)
		bail("tests/golden/fqz/verdicts.txt is missing");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %31s", name, verdict) != 2 || name[0] == '#')
			continue;
		snprintf(path, sizeof(path), "tests/golden/fqz/%s", name);
		if (!strcmp(verdict, "OK")) {
			compare_model(path);
			taken++;
		} else {
			compare_refusal(path);
			refused++;
		}
	}
	fclose(f);
	ok(taken && refused, "%u images taken, %u refused", taken, refused);
}

int main(void)
{
	compare_model(GUEST_SAMPLE);
	compare_golden();
	return tap_done();
}
