// SPDX-License-Identifier: MIT
/* Which cards the machine has: device nodes, and PCI devices without a node. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fqaccel_hw.h"
#include "private.h"

int fqaccel_find_node(const char *folder, char *path, size_t len)
{
	unsigned long lowest = 0, n;
	struct dirent *entry;
	bool found = false;
	char *end;
	DIR *dir;

	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "fqaccel", 7) || entry->d_name[7] < '0' ||
		    entry->d_name[7] > '9')
			continue;
		n = strtoul(entry->d_name + 7, &end, 10);
		if (*end || (found && n >= lowest))
			continue;
		found = true;
		lowest = n;
		snprintf(path, len, "%s/%s", folder, entry->d_name);
	}
	closedir(dir);
	return found;
}

/* A sysfs attribute that is a number; 0 where it cannot be read. */
static unsigned long read_number(const char *folder, const char *device, const char *attribute)
{
	char path[512], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s", folder, device, attribute);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strtoul(text, NULL, 0);
}

static void read_driver(const char *folder, const char *device, char *driver, size_t len)
{
	char path[512], target[512];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s/driver", folder, device);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	name = strrchr(target, '/');
	snprintf(driver, len, "%s", name ? name + 1 : target);
}

int fqaccel_find_pci(const char *folder, char *address, size_t address_len, char *driver,
		     size_t driver_len)
{
	struct dirent *entry;
	int found = 0;
	DIR *dir;

	/* A machine without PCI has no such folder, and no card. */
	dir = opendir(folder);
	if (!dir)
		return 0;
	while (!found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    read_number(folder, entry->d_name, "vendor") != FQA_PCI_VENDOR ||
		    read_number(folder, entry->d_name, "device") != FQA_PCI_DEVICE)
			continue;
		found = 1;
		snprintf(address, address_len, "%s", entry->d_name);
		read_driver(folder, entry->d_name, driver, driver_len);
	}
	closedir(dir);
	return found;
}
