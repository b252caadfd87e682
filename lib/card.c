// SPDX-License-Identifier: MIT
/* Opening cards: which back end serves a name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

/*
 * The soft card only where there is no card: one that is there but cannot be
 * used must not be passed over in silence.
 */
static int open_auto(struct fqaccel_card *card)
{
	char path[300], address[64], driver[64];
	int ret;

	ret = fqaccel_find_node("/dev", path, sizeof(path));
	if (ret < 0)
		return fqaccel_fail(ret, "/dev cannot be read: %s", fqaccel_strerror(ret));
	if (ret)
		return fqaccel_dev_open(card, path);
	if (!fqaccel_find_pci("/sys/bus/pci/devices", address, sizeof(address), driver,
			      sizeof(driver)))
		return fqaccel_soft_open(card);
	if (driver[0])
		return fqaccel_fail(-ENODEV,
				    "the card at %s is bound to driver %s, but there is no /dev/fqaccel*; see the kernel log, or ask for card \"soft\"",
				    address, driver);
	return fqaccel_fail(-ENODEV,
			    "the card at %s has no driver; do \"modprobe fqaccel\" as root, or ask for card \"soft\"",
			    address);
}

int fqaccel_card_open(const char *which, struct fqaccel_card **out)
{
	struct fqaccel_card *card;
	int ret;

	fqaccel_error_clear();
	if (!out)
		return fqaccel_fail(-EINVAL, "fqaccel_card_open: out is NULL");
	*out = NULL;
	card = calloc(1, sizeof(*card));
	if (!card)
		return fqaccel_fail_memory();
	card->fd = -1;
	atomic_init(&card->refs, 1);
	pthread_mutex_init(&card->lock, NULL);
	if (!which || !strcmp(which, "auto"))
		ret = open_auto(card);
	else if (!strcmp(which, "soft"))
		ret = fqaccel_soft_open(card);
	else if (strchr(which, '/'))
		ret = fqaccel_dev_open(card, which);
	else
		ret = fqaccel_fail(-EINVAL,
				   "\"%s\" is no card; name \"auto\", \"soft\" or a path such as /dev/fqaccel0",
				   which);
	if (ret) {
		pthread_mutex_destroy(&card->lock);
		free(card);
		return ret;
	}
	*out = card;
	return 0;
}

void fqaccel_card_ref(struct fqaccel_card *card)
{
	atomic_fetch_add(&card->refs, 1);
}

void fqaccel_card_unref(struct fqaccel_card *card)
{
	if (atomic_fetch_sub(&card->refs, 1) != 1)
		return;
	card->backend->card_close(card);
	pthread_mutex_destroy(&card->lock);
	free(card);
}

void fqaccel_card_close(struct fqaccel_card *card)
{
	struct fqaccel_infer_pool *pool;

	if (!card)
		return;
	/* The pool's queues hold references on the card: they go first, not last. */
	pthread_mutex_lock(&card->lock);
	pool = card->pool;
	card->pool = NULL;
	pthread_mutex_unlock(&card->lock);
	fqaccel_infer_pool_free(pool);
	fqaccel_card_unref(card);
}

int fqaccel_card_info(struct fqaccel_card *card, struct fqaccel_card_info *info, size_t size)
{
	struct fqaccel_card_info all;
	int ret;

	fqaccel_error_clear();
	if (!card || !info || size < sizeof(info->name))
		return fqaccel_fail(-EINVAL, "fqaccel_card_info: card, info or size is invalid");
	memset(&all, 0, sizeof(all));
	ret = card->backend->card_info(card, &all);
	if (ret)
		return ret;
	memcpy(all.name, card->name, sizeof(all.name));
	/* A caller built against a newer header gets zeros in what this library does not know. */
	if (size > sizeof(all))
		memset((char *)info + sizeof(all), 0, size - sizeof(all));
	memcpy(info, &all, size < sizeof(all) ? size : sizeof(all));
	return 0;
}
