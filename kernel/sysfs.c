// SPDX-License-Identifier: GPL-2.0
/* What can be read of a card below /sys/class/fqaccel/fqaccelN; doc/sysfs-abi.txt. */
#include <linux/pci.h>
#include <linux/sysfs.h>

#include "pm.h"

static struct fqa_card *fqa_to_card(struct device *dev)
{
	return container_of(dev, struct fqa_card, dev);
}

/* What the card said of itself in probe. */
#define FQA_FACT(_name, _format, ...)						\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr,	\
			    char *buf)						\
{										\
	const struct fqa_card *card = fqa_to_card(dev);				\
										\
	return sysfs_emit(buf, _format "\n", __VA_ARGS__);			\
}										\
static DEVICE_ATTR_RO(_name)

FQA_FACT(firmware, "%u.%u.%u", card->firmware >> 24, (card->firmware >> 16) & 0xff,
	 card->firmware & 0xffff);
FQA_FACT(hw_version, "%u.%u", card->hw_version >> 16, card->hw_version & 0xffff);
FQA_FACT(format, "%u.%u", card->format >> 16, card->format & 0xffff);
FQA_FACT(memory_size, "%llu", card->mem_size);
FQA_FACT(lanes, "%u", card->lanes);
FQA_FACT(clock_khz, "%u", card->clock_khz);
FQA_FACT(queues, "%u", card->nr_hwqs);
FQA_FACT(model_slots, "%u", card->slots);
FQA_FACT(numa_node, "%d", dev_to_node(&card->pdev->dev));

static ssize_t memory_free_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct fqa_card *card = fqa_to_card(dev);
	ssize_t ret = -ENODEV;
	int idx;

	idx = fqa_card_enter(card);
	if (!fqa_card_is_dead(card))
		ret = sysfs_emit(buf, "%llu\n", fqa_pm_memory_free(card));
	fqa_card_exit(card, idx);
	return ret;
}
static DEVICE_ATTR_RO(memory_free);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[FQA_STATE_STARTING] = "starting",
		[FQA_STATE_LIVE] = "live",
		[FQA_STATE_RESETTING] = "resetting",
		[FQA_STATE_SUSPENDED] = "suspended",
		[FQA_STATE_DEAD] = "dead",
	};

	return sysfs_emit(buf, "%s\n", names[READ_ONCE(fqa_to_card(dev)->state)]);
}
static DEVICE_ATTR_RO(state);

static ssize_t clients_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct fqa_card *card = fqa_to_card(dev);
	unsigned int count = 0;
	struct list_head *node;

	spin_lock(&card->lock);
	list_for_each(node, &card->contexts)
		count++;
	spin_unlock(&card->lock);
	return sysfs_emit(buf, "%u\n", count);
}
static DEVICE_ATTR_RO(clients);

#define FQA_USAGE(_name)							\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr,	\
			    char *buf)						\
{										\
	struct fqa_usage usage;							\
										\
	fqa_usage_read(fqa_to_card(dev), NULL, &usage);				\
	return sysfs_emit(buf, "%llu\n", usage._name);				\
}										\
static DEVICE_ATTR_RO(_name)

FQA_USAGE(runs);
FQA_USAGE(errors);
FQA_USAGE(cycles);
FQA_USAGE(busy_ns);

static ssize_t fqa_show_stat(struct device *dev, const u64 *stat, char *buf)
{
	struct fqa_card *card = fqa_to_card(dev);
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
	return fqa_show_stat(dev, &fqa_to_card(dev)->stats._name, buf);		\
}										\
static DEVICE_ATTR_RO(_name)

FQA_STAT(resets);
FQA_STAT(hangs);
FQA_STAT(replays);
FQA_STAT(lost_interrupts);
FQA_STAT(pci_errors);
FQA_STAT(pci_corrected);

static struct attribute *fqa_card_attrs[] = {
	&dev_attr_firmware.attr,
	&dev_attr_hw_version.attr,
	&dev_attr_format.attr,
	&dev_attr_memory_size.attr,
	&dev_attr_memory_free.attr,
	&dev_attr_lanes.attr,
	&dev_attr_clock_khz.attr,
	&dev_attr_queues.attr,
	&dev_attr_model_slots.attr,
	&dev_attr_numa_node.attr,
	&dev_attr_state.attr,
	&dev_attr_clients.attr,
	&dev_attr_runs.attr,
	&dev_attr_errors.attr,
	&dev_attr_cycles.attr,
	&dev_attr_busy_ns.attr,
	&dev_attr_resets.attr,
	&dev_attr_hangs.attr,
	&dev_attr_replays.attr,
	&dev_attr_lost_interrupts.attr,
	&dev_attr_pci_errors.attr,
	&dev_attr_pci_corrected.attr,
	NULL
};

static const struct attribute_group fqa_card_group = {
	.attrs = fqa_card_attrs,
};

const struct attribute_group *fqa_card_groups[] = {
	&fqa_card_group,
	NULL
};
