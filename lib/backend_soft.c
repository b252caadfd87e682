// SPDX-License-Identifier: MIT
/* The back end that holds the card in this process. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "soft.h"

static int soft_card_info(struct fqaccel_card *card, struct fqaccel_card_info *out)
{
	struct soft_card *s = card->soft;

	soft_lock(s);
	out->hw_version = (uint32_t)card_mmio_read(s->card, FQA_REG_VERSION, 4);
	out->firmware = (uint32_t)card_mmio_read(s->card, FQA_REG_FIRMWARE, 4);
	out->format = (uint32_t)card_mmio_read(s->card, FQA_REG_FORMAT, 4);
	out->lanes = (uint32_t)card_mmio_read(s->card, FQA_REG_LANES, 4);
	out->clock_khz = (uint32_t)card_mmio_read(s->card, FQA_REG_CLOCK_KHZ, 4);
	out->hw_queues = s->io_queues;
	out->memory_size = s->memory_size;
	out->memory_free = card_mmio_read(s->card, FQA_REG_MEM_FREE, 8);
	soft_unlock(s);
	return 0;
}

static void soft_free(struct soft_card *s)
{
	soft_rings_destroy(s);
	pthread_cond_destroy(&s->work_ready);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void soft_card_close(struct fqaccel_card *card)
{
	struct soft_card *s = card->soft;

	soft_lock(s);
	soft_rings_disable(s);
	soft_unlock(s);
	/* The workers take what is left of the work back before they stop. */
	soft_workers_stop(s);
	card_destroy(s->card);
	soft_free(s);
}

static int slot_take(struct soft_card *s, uint32_t *slot)
{
	for (*slot = 0; *slot < s->slots; (*slot)++) {
		if (!s->slot_used[*slot]) {
			s->slot_used[*slot] = true;
			return 0;
		}
	}
	return fqaccel_fail(-ENOSPC, "the soft card holds %u models already; close one", s->slots);
}

static void keep_facts(struct fqaccel_model *model, const struct fqa_hw_model_info *info)
{
	model->facts = (struct fqaccel_model_facts){
		.image_bytes = le64toh(info->image_bytes),
		.arena_bytes = le64toh(info->arena_bytes),
		.input_bytes = le64toh(info->input_bytes),
		.output_bytes = le64toh(info->output_bytes),
		.cycles = le64toh(info->cycles),
		.weights = le64toh(info->weights),
		.layers = le32toh(info->layers),
		.classes = le32toh(info->classes),
	};
}

/* What LOAD reads and writes besides the image. */
struct load_memory {
	struct fqa_hw_model_info info;
	struct fqa_hw_sge list[2];
};

static int send_load(struct soft_card *s, struct fqaccel_model *model, struct load_memory *m,
		     struct fqa_hw_completion *done)
{
	struct fqa_hw_command cmd = {
		.opcode = FQA_OP_LOAD,
		.slot = htole32(model->handle),
		.load = {
			.image = { .addr = htole64((uintptr_t)m->list),
				   .len = htole32(sizeof(m->list[0])) },
			.length = htole64(model->len),
			.info = htole64((uintptr_t)&m->info),
		},
	};
	int ret;

	m->list[0].addr = htole64((uintptr_t)model->data);
	m->list[0].len = htole32((uint32_t)model->len);
	ret = soft_region_add(&s->regions, model->data, model->len, FQACCEL_CARD_READS);
	if (ret)
		return ret;
	ret = soft_region_add(&s->regions, m, sizeof(*m),
			      FQACCEL_CARD_READS | FQACCEL_CARD_WRITES);
	if (!ret)
		ret = soft_admin(s, &cmd, done);
	soft_region_remove(&s->regions, m);
	soft_region_remove(&s->regions, model->data);
	return ret;
}

static int soft_model_load(struct fqaccel_model *model)
{
	struct soft_card *s = model->card->soft;
	struct fqa_hw_completion done;
	struct load_memory *m;
	uint32_t code = FQA_SC_OK;
	int ret;

	m = aligned_alloc(64, (sizeof(*m) + 63) / 64 * 64);
	if (!m)
		return fqaccel_fail_memory();
	memset(m, 0, sizeof(*m));
	soft_lock(s);
	ret = slot_take(s, &model->handle);
	if (ret)
		goto unlock;
	ret = send_load(s, model, m, &done);
	if (!ret)
		code = FQA_STATUS_CODE(le16toh(done.status));
	if (ret || code)
		s->slot_used[model->handle] = false;
unlock:
	soft_unlock(s);
	if (ret == -ENODEV)
		fqaccel_fail(ret, "the soft card stopped; close it and open it anew");
	else if (ret == -ENOMEM)
		fqaccel_fail_memory();
	else if (!ret && code)
		ret = fqaccel_fail_load(model, code, le32toh(done.reason), le32toh(done.layer),
					le32toh(done.offset), le64toh(done.result),
					s->memory_size);
	else if (!ret)
		keep_facts(model, &m->info);
	free(m);
	return ret;
}

static void soft_model_close(struct fqaccel_model *model)
{
	struct fqa_hw_command cmd = {
		.opcode = FQA_OP_UNLOAD,
		.slot = htole32(model->handle),
	};
	struct soft_card *s = model->card->soft;
	struct fqa_hw_completion done;

	soft_lock(s);
	while (model->busy)
		soft_sleep(s, &s->changed, NULL);
	if (!soft_admin(s, &cmd, &done) && !FQA_STATUS_CODE(le16toh(done.status)))
		s->slot_used[model->handle] = false;
	soft_unlock(s);
}

static int soft_buffer_create(struct fqaccel_buffer *buf)
{
	struct soft_card *s = buf->card->soft;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int ret;

	buf->mapped = (buf->len + page - 1) / page * page;
	buf->data = mmap(NULL, buf->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	if (buf->data == MAP_FAILED)
		return fqaccel_fail(-ENOMEM, "no memory for a buffer of %zu bytes", buf->len);
	soft_lock(s);
	ret = soft_region_add(&s->regions, buf->data, buf->len, buf->directions);
	soft_unlock(s);
	if (ret) {
		munmap(buf->data, buf->mapped);
		return fqaccel_fail_memory();
	}
	return 0;
}

static void soft_buffer_close(struct fqaccel_buffer *buf)
{
	struct soft_card *s = buf->card->soft;

	soft_lock(s);
	while (buf->busy)
		soft_sleep(s, &s->changed, NULL);
	soft_region_remove(&s->regions, buf->data);
	soft_unlock(s);
	munmap(buf->data, buf->mapped);
}

static const struct fqaccel_backend soft_backend = {
	.card_info = soft_card_info,
	.card_close = soft_card_close,
	.model_load = soft_model_load,
	.model_close = soft_model_close,
	.buffer_create = soft_buffer_create,
	.buffer_close = soft_buffer_close,
	.queue_create = soft_queue_create,
	.queue_close = soft_queue_close,
	.queue_submit = soft_queue_submit,
	.queue_wait = soft_queue_wait,
	.queue_run = soft_queue_run,
};

/* What a driver reads before it enables a card. */
static void read_capabilities(struct soft_card *s)
{
	uint64_t cap = card_mmio_read(s->card, FQA_REG_CAP, 8);

	s->io_queues = FQA_CAP_IO_QUEUES(cap);
	s->slots = (uint32_t)card_mmio_read(s->card, FQA_REG_SLOTS, 4);
	s->memory_size = card_mmio_read(s->card, FQA_REG_MEM_SIZE, 8);
}

static int soft_fail_open(int err)
{
	if (err == -ENOMEM)
		return fqaccel_fail_memory();
	return fqaccel_fail(err, "the soft card could not be started: %s", fqaccel_strerror(err));
}

/* Runs of a queue go one after another: a large machine needs more queues to be kept busy. */
static struct card_config choose_config(void)
{
	struct card_config config = CARD_CONFIG_DEFAULT;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (online > (long)config.io_queues)
		config.io_queues = online < FQA_MAX_IO_QUEUES ? (uint32_t)online
							      : FQA_MAX_IO_QUEUES;
	return config;
}

int fqaccel_soft_open(struct fqaccel_card *card)
{
	const struct card_config config = choose_config();
	struct soft_card *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return fqaccel_fail_memory();
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	pthread_cond_init(&s->work_ready, NULL);
	ret = card_create(&config, &soft_host, s, &s->card);
	if (ret) {
		soft_fail_open(ret);
		goto free_soft;
	}
	read_capabilities(s);
	ret = soft_rings_create(s);
	if (ret) {
		soft_fail_open(ret);
		goto destroy_card;
	}
	ret = soft_workers_start(s);
	if (ret)
		goto destroy_card;
	soft_lock(s);
	ret = soft_rings_enable(s);
	soft_unlock(s);
	if (ret) {
		soft_fail_open(ret);
		goto stop_workers;
	}
	snprintf(card->name, sizeof(card->name), "soft");
	card->soft = s;
	card->backend = &soft_backend;
	return 0;

stop_workers:
	soft_workers_stop(s);
destroy_card:
	card_destroy(s->card);
free_soft:
	soft_free(s);
	return ret;
}
