# SPDX-License-Identifier: MIT
# The kernel module, built by kbuild out of a copy under build/.

KDIR ?= /lib/modules/$(shell uname -r)/build
MODULE_OUT := $(O)/module

.PHONY: module module_install
module:
	scripts/module-build.sh $(KDIR) $(MODULE_OUT)

# The udev rule gives the card to the group render.
module_install: module
	release=$$(modinfo -F vermagic $(MODULE_OUT)/fqaccel.ko | cut -d' ' -f1) && \
	install -D -m 644 $(MODULE_OUT)/fqaccel.ko \
		"$(DESTDIR)/lib/modules/$$release/updates/fqaccel.ko" && \
	$(if $(DESTDIR),:,depmod "$$release")
	install -D -m 644 kernel/udev/99-fqaccel.rules \
		$(DESTDIR)/usr/lib/udev/rules.d/99-fqaccel.rules
