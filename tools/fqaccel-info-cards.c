// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fqaccel-info without an argument: the cards on the PCI bus, by libpci. What only the card
 * knows comes from its driver, or else from its registers, which root may read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pci/pci.h>

#include "common/cli.h"
#include "fqaccel-info.h"
#include "fqaccel.h"
#include "fqaccel_hw.h"

#define SYSFS	"/sys/bus/pci/devices"

/* What is known of a card; "" and 0 are unknown. */
struct card_facts {
	char address[32], driver[64], node[64];
	const char *speed, *max_speed;
	unsigned int width, max_width, revision;
	uint64_t bar_size;
	bool registers;			/* info is known */
	struct fqaccel_card_info info;
	char note[256];			/* why it is not */
};

static jmp_buf pci_failed;
static char pci_text[256];

/* Static: what changes between setjmp() and longjmp() must not be in automatic variables. */
static struct {
	bool scanned;
	struct card_facts *cards;
	unsigned int count;
} found;

/* libpci's errors end the program unless this does not return. */
static void __attribute__((noreturn, format(printf, 1, 2))) on_pci_error(char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pci_text, sizeof(pci_text), fmt, ap);
	va_end(ap);
	longjmp(pci_failed, 1);
}

static void __attribute__((format(printf, 1, 2))) on_pci_message(char *fmt, ...)
{
	(void)fmt;
}

static const char *speed_name(unsigned int code)
{
	static const char *const names[] = {
		NULL, "2.5 GT/s", "5 GT/s", "8 GT/s", "16 GT/s", "32 GT/s", "64 GT/s",
	};

	return code < sizeof(names) / sizeof(names[0]) ? names[code] : NULL;
}

/* Beyond its first 64 bytes configuration space is root's. */
static void read_link(struct pci_dev *dev, struct card_facts *f)
{
	struct pci_cap *cap = pci_find_cap(dev, PCI_CAP_ID_EXP, PCI_CAP_NORMAL);
	uint32_t can;
	uint16_t is;

	if (!cap)
		return;
	can = pci_read_long(dev, cap->addr + PCI_EXP_LNKCAP);
	is = pci_read_word(dev, cap->addr + PCI_EXP_LNKSTA);
	f->max_speed = speed_name(can & PCI_EXP_LNKCAP_SPEED);
	f->max_width = (can & PCI_EXP_LNKCAP_WIDTH) >> 4;
	f->speed = speed_name(is & PCI_EXP_LNKSTA_SPEED);
	f->width = (is & PCI_EXP_LNKSTA_WIDTH) >> 4;
}

static bool read_attribute(const char *address, const char *name, char *text, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), SYSFS "/%s/%s", address, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(text, (int)len, f))
		text[0] = '\0';
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return text[0] != '\0';
}

/* "2.5 GT/s PCIe" for anybody, where the capability could not be read. */
static void read_link_sysfs(struct card_facts *f)
{
	static const char *const speeds[] = { "2.5", "5.0", "8.0", "16.0", "32.0", "64.0" };
	char text[64];
	unsigned int i;

	if (read_attribute(f->address, "current_link_width", text, sizeof(text)))
		f->width = (unsigned int)strtoul(text, NULL, 10);
	if (!read_attribute(f->address, "current_link_speed", text, sizeof(text)))
		return;
	for (i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		if (!strncmp(text, speeds[i], strlen(speeds[i])))
			f->speed = speed_name(i + 1);
}

/* The driver's device nodes are children of the PCI device, in class fqaccel. */
static void find_node(struct card_facts *f)
{
	struct dirent *entry;
	char path[256];
	DIR *dir;

	snprintf(path, sizeof(path), SYSFS "/%s/fqaccel", f->address);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, "fqaccel", 7))
			snprintf(f->node, sizeof(f->node), "/dev/%.50s", entry->d_name);
	closedir(dir);
}

static void ask_driver(struct card_facts *f)
{
	struct fqaccel_card *card;

	if (fqaccel_card_open(f->node, &card)) {
		snprintf(f->note, sizeof(f->note), "%s", fqaccel_error());
		return;
	}
	f->registers = !fqaccel_card_info(card, &f->info, sizeof(f->info));
	if (!f->registers)
		snprintf(f->note, sizeof(f->note), "%s", fqaccel_error());
	fqaccel_card_close(card);
}

static uint32_t reg32(const volatile uint8_t *bar, uint32_t reg)
{
	return *(const volatile uint32_t *)(bar + reg);
}

static uint64_t reg64(const volatile uint8_t *bar, uint32_t reg)
{
	return reg32(bar, reg) | (uint64_t)reg32(bar, reg + 4) << 32;
}

static void read_registers(const volatile uint8_t *bar, struct card_facts *f)
{
	if (reg32(bar, FQA_REG_ID) != FQA_ID) {
		snprintf(f->note, sizeof(f->note),
			 "its registers cannot be read; load the driver (modprobe fqaccel)");
		return;
	}
	f->registers = true;
	f->info = (struct fqaccel_card_info){
		.memory_size = reg64(bar, FQA_REG_MEM_SIZE),
		.memory_free = reg64(bar, FQA_REG_MEM_FREE),
		.firmware = reg32(bar, FQA_REG_FIRMWARE),
		.hw_version = reg32(bar, FQA_REG_VERSION),
		.format = reg32(bar, FQA_REG_FORMAT),
		.lanes = reg32(bar, FQA_REG_LANES),
		.clock_khz = reg32(bar, FQA_REG_CLOCK_KHZ),
		.hw_queues = (uint32_t)FQA_CAP_IO_QUEUES(reg64(bar, FQA_REG_CAP)),
	};
}

/* A device that nobody drives may be switched off: its BAR then reads all ones. */
static bool set_enabled(const char *address, const char *value)
{
	char path[256];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), SYSFS "/%s/enable", address);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, value, 1) == 1;
	close(fd);
	return ok;
}

static void read_bar(struct card_facts *f)
{
	char path[256], enabled[16] = "";
	bool switched = false;
	void *bar;
	int fd;

	snprintf(path, sizeof(path), SYSFS "/%s/resource%d", f->address, FQA_BAR_REGS);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(f->note, sizeof(f->note),
			 "it has no driver; load it (modprobe fqaccel) or run this as root");
		return;
	}
	if (!f->driver[0] && read_attribute(f->address, "enable", enabled, sizeof(enabled)) &&
	    !strcmp(enabled, "0"))
		switched = set_enabled(f->address, "1");
	bar = mmap(NULL, FQA_BAR_REGS_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED) {
		snprintf(f->note, sizeof(f->note),
			 "its registers cannot be mapped; load the driver (modprobe fqaccel)");
	} else {
		read_registers(bar, f);
		munmap(bar, FQA_BAR_REGS_SIZE);
	}
	if (switched)
		set_enabled(f->address, "0");
	close(fd);
}

static void gather(struct pci_dev *dev, bool live, struct card_facts *f)
{
	const char *driver;

	memset(f, 0, sizeof(*f));
	snprintf(f->address, sizeof(f->address), "%04x:%02x:%02x.%x", (unsigned int)dev->domain,
		 dev->bus, dev->dev, (unsigned int)dev->func);
	pci_fill_info(dev, PCI_FILL_BASES | PCI_FILL_SIZES | PCI_FILL_CAPS | PCI_FILL_DRIVER);
	f->revision = pci_read_byte(dev, PCI_REVISION_ID);
	f->bar_size = dev->size[FQA_BAR_REGS];
	read_link(dev, f);
	if (!live)
		return;
	driver = pci_get_string_property(dev, PCI_FILL_DRIVER);
	if (driver)
		snprintf(f->driver, sizeof(f->driver), "%s", driver);
	if (!f->speed)
		read_link_sysfs(f);
	find_node(f);
	if (f->node[0])
		ask_driver(f);
	if (!f->registers && !f->note[0])
		read_bar(f);
}

static void json_text(const char *key, const char *text)
{
	printf(", \"%s\": ", key);
	if (text && text[0])
		cli_json_string(stdout, text);
	else
		printf("null");
}

static void json_link(const struct card_facts *f)
{
	printf(", \"link\": {\"speed\": ");
	printf(f->speed ? "\"%s\"" : "null", f->speed);
	printf(", \"width\": %u, \"max_speed\": ", f->width);
	printf(f->max_speed ? "\"%s\"" : "null", f->max_speed);
	printf(", \"max_width\": %u}", f->max_width);
}

static void print_json(const struct card_facts *f, bool first)
{
	const struct fqaccel_card_info *c = &f->info;

	printf("%s\n  {\"address\": \"%s\", \"revision\": %u", first ? "" : ",", f->address,
	       f->revision);
	json_text("driver", f->driver);
	json_text("node", f->node);
	json_link(f);
	printf(", \"registers_bytes\": %llu", (unsigned long long)f->bar_size);
	if (f->registers) {
		printf(", \"memory\": %llu, \"memory_free\": %llu",
		       (unsigned long long)c->memory_size, (unsigned long long)c->memory_free);
		printf(", \"firmware\": \"%u.%u.%u\", \"hardware\": \"%u.%u\", \"format\": \"%u.%u\"",
		       c->firmware >> 24, c->firmware >> 16 & 0xff, c->firmware & 0xffff,
		       c->hw_version >> 16, c->hw_version & 0xffff, c->format >> 16,
		       c->format & 0xffff);
		printf(", \"lanes\": %u, \"clock_khz\": %u, \"queues\": %u", c->lanes,
		       c->clock_khz, c->hw_queues);
	} else {
		printf(", \"memory\": null, \"firmware\": null");
	}
	json_text("note", f->note);
	printf("}");
}

static void print_text(const struct card_facts *f)
{
	const struct fqaccel_card_info *c = &f->info;

	printf("%s\n", f->address);
	if (f->speed)
		printf("  link       %s x%u", f->speed, f->width);
	else
		printf("  link       unknown");
	if (f->max_speed)
		printf(" (of %s x%u)", f->max_speed, f->max_width);
	printf("\n  driver     %s%s%s\n", f->driver[0] ? f->driver : "none",
	       f->node[0] ? ", " : "", f->node);
	if (f->bar_size)
		printf("  registers  %llu KiB\n", (unsigned long long)f->bar_size >> 10);
	if (f->registers) {
		printf("  memory     %llu MiB, %llu MiB free\n",
		       (unsigned long long)c->memory_size >> 20,
		       (unsigned long long)c->memory_free >> 20);
		printf("  firmware   %u.%u.%u, hardware %u.%u, takes .fqz %u.%u\n",
		       c->firmware >> 24, c->firmware >> 16 & 0xff, c->firmware & 0xffff,
		       c->hw_version >> 16, c->hw_version & 0xffff, c->format >> 16,
		       c->format & 0xffff);
		printf("  datapath   %u lanes at %u MHz, %u queues\n", c->lanes,
		       c->clock_khz / 1000, c->hw_queues);
	}
	if (f->note[0])
		printf("  note       %s\n", f->note);
}

static bool is_card(struct pci_dev *dev)
{
	pci_fill_info(dev, PCI_FILL_IDENT);
	return dev->vendor_id == FQA_PCI_VENDOR && dev->device_id == FQA_PCI_DEVICE;
}

/* Before anything is printed: a card that is pulled out meanwhile is an error of libpci. */
static int gather_all(struct pci_access *pci, bool live)
{
	unsigned int count = 0;
	struct pci_dev *dev;

	for (dev = pci->devices; dev; dev = dev->next)
		count += is_card(dev);
	found.cards = calloc(count + 1, sizeof(*found.cards));
	if (!found.cards)
		return cli_error("out of memory");
	for (dev = pci->devices; dev; dev = dev->next)
		if (is_card(dev))
			gather(dev, live, &found.cards[found.count++]);
	return CLI_OK;
}

static void print_cards(bool live, bool json)
{
	unsigned int i;

	if (json)
		printf("{\"cards\": [");
	for (i = 0; i < found.count; i++) {
		if (json)
			print_json(&found.cards[i], !i);
		else
			print_text(&found.cards[i]);
	}
	if (json)
		printf("%s]}\n", found.count ? "\n" : "");
	else if (!found.count && live)
		printf("This machine has no fqaccel card; the tools use the soft card.\n");
	else if (!found.count)
		printf("No fqaccel card in the dump.\n");
}

/* Lists the cards as far as there is a PCI bus; a machine, or a container, without has none. */
static int scan(struct pci_access *pci, const char *dump)
{
	if (setjmp(pci_failed))
		return dump || found.scanned ? cli_error("%s: %s", dump ? dump : "PCI", pci_text)
					     : CLI_OK;
	if (dump) {
		pci->method = PCI_ACCESS_DUMP;
		pci_set_param(pci, (char *)"dump.name", (char *)dump);
	}
	pci_init(pci);
	pci_scan_bus(pci);
	found.scanned = true;
	return gather_all(pci, !dump);
}

int info_cards(const char *dump, bool json)
{
	struct pci_access *pci;
	int ret;

	if (dump && access(dump, R_OK))
		return cli_error("%s: cannot be opened: %s", dump, strerror(errno));
	pci = pci_alloc();
	pci->error = on_pci_error;
	pci->warning = on_pci_message;
	pci->debug = on_pci_message;
	ret = scan(pci, dump);
	if (!ret)
		print_cards(!dump, json);
	pci_cleanup(pci);
	free(found.cards);
	return ret;
}
