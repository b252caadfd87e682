// SPDX-License-Identifier: GPL-2.0
/* What can be read of a card below /sys/class/fqaccel/fqaccelN. */
#include <linux/sysfs.h>

#include "fqa.h"

static ssize_t fqa_show_stat(struct device *dev, const u64 *stat, char *buf)
{
	struct fqa_card *card = container_of(dev, struct fqa_card, dev);
	u64 value;

	spin_lock(&card->lock);
	value = *stat;
	spin_unlock(&card->lock);
	return sysfs_emit(buf, "%llu\n", value);
}

#define FQA_STAT(_name)								\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr,	\
			    char *buf)						\
{										\
	struct fqa_card *card = container_of(dev, struct fqa_card, dev);	\
										\
	return fqa_show_stat(dev, &card->stats._name, buf);			\
}										\
static DEVICE_ATTR_RO(_name)

FQA_STAT(resets);
FQA_STAT(hangs);
FQA_STAT(replays);
FQA_STAT(lost_interrupts);

static struct attribute *fqa_card_attrs[] = {
	&dev_attr_resets.attr,
	&dev_attr_hangs.attr,
	&dev_attr_replays.attr,
	&dev_attr_lost_interrupts.attr,
	NULL
};

static const struct attribute_group fqa_card_group = {
	.attrs = fqa_card_attrs,
};

const struct attribute_group *fqa_card_groups[] = {
	&fqa_card_group,
	NULL
};
