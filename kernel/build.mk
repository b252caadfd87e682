# SPDX-License-Identifier: MIT
# The kernel module, built by kbuild out of a copy under build/.

KDIR ?= /lib/modules/$(shell uname -r)/build
MODULE_OUT := $(O)/module
DKMS_SOURCE = $(DESTDIR)/usr/src/fqaccel-$(VERSION)

.PHONY: module module_install udev_install dkms
module:
	scripts/module-build.sh $(KDIR) $(MODULE_OUT)

# The rule gives the card to the group render.
udev_install:
	install -D -m 644 kernel/udev/99-fqaccel.rules \
		$(DESTDIR)/usr/lib/udev/rules.d/99-fqaccel.rules

module_install: module udev_install
	release=$$(modinfo -F vermagic $(MODULE_OUT)/fqaccel.ko | cut -d' ' -f1) && \
	install -D -m 644 $(MODULE_OUT)/fqaccel.ko \
		"$(DESTDIR)/lib/modules/$$release/updates/fqaccel.ko" && \
	$(if $(DESTDIR),:,depmod "$$release")
	$(if $(DESTDIR),,@scripts/module-hints.sh $(MODULE_OUT)/fqaccel.ko)

# The sources where DKMS looks for them. Without DESTDIR it builds them for this kernel at
# once, and for others when they are installed.
dkms: udev_install
	rm -rf "$(DKMS_SOURCE)"
	install -d "$(DKMS_SOURCE)/kernel/uapi" "$(DKMS_SOURCE)/firmware-format"
	install -m 644 Kbuild "$(DKMS_SOURCE)"
	install -m 644 kernel/*.[ch] kernel/Kbuild.probe "$(DKMS_SOURCE)/kernel"
	install -m 644 kernel/uapi/*.h "$(DKMS_SOURCE)/kernel/uapi"
	install -m 644 firmware-format/fqaccel_hw.h "$(DKMS_SOURCE)/firmware-format"
	sed 's|@VERSION@|$(VERSION)|' kernel/dkms.conf.in >"$(DKMS_SOURCE)/dkms.conf"
	$(if $(DESTDIR),:,dkms install --force fqaccel/$(VERSION))
