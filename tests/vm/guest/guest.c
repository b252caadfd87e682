// SPDX-License-Identifier: MIT
/* What the programs of this folder share. */
#include "guest.h"
#include "../../unit/tap.h"

void guest_open(struct guest_model *m, const char *which, const char *path)
{
	if (fqaccel_card_open(which, &m->card))
		bail("%s: %s", which, fqaccel_error());
	if (fqaccel_model_load_file(m->card, path, &m->model))
		bail("%s on %s: %s", path, which, fqaccel_error());
	if (fqaccel_model_info(m->model, &m->info, sizeof(m->info)))
		bail("%s: %s", path, fqaccel_error());
}

void guest_close(struct guest_model *m)
{
	fqaccel_model_close(m->model);
	fqaccel_card_close(m->card);
}

void guest_fill(void *buf, size_t len, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d;
	uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x >> 32;
	}
}

void *guest_alloc(size_t len)
{
	void *p = calloc(1, len ? len : 1);

	if (!p)
		bail("no memory for %zu bytes", len);
	return p;
}

uint64_t guest_memory_free(struct fqaccel_card *card)
{
	struct fqaccel_card_info info;

	if (fqaccel_card_info(card, &info, sizeof(info)))
		bail("card info: %s", fqaccel_error());
	return info.memory_free;
}
