# SPDX-License-Identifier: MIT
#
# fqaccel: library, tools, card, kernel module and tests. `make help` lists the targets.
#
# One make for the whole tree: each folder's build.mk adds to LIBS, PROGRAMS,
# TESTS and MANPAGES. Objects lie in build/obj, those with sanitizers in
# build/san, under the paths of their sources.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

O := build
VERSION := 0.1.0

PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config

INCLUDES := -Ifirmware-format -Iqemu-device -Ikernel -Ilib -Itools -I$(O)/gen
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -Wall -Wextra $(if $(WERROR),-Werror) \
	-fPIC -pthread -DFQACCEL_VERSION='"$(VERSION)"' $(INCLUDES)
SAN_CFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
SAN_LDFLAGS := -fsanitize=address,undefined

LIBS :=
PROGRAMS :=
# Scripts or programs that speak TAP, and what they need beside PROGRAMS.
TESTS :=
TEST_DEPS :=
MANPAGES :=

.PHONY: all
all: build-all

include firmware-format/build.mk
include qemu-device/build.mk
include kernel/build.mk
include lib/build.mk
include tools/build.mk
include tools/compress/build.mk
include tools/train/build.mk
include demo/build.mk
include tests/build.mk

.PHONY: build-all
build-all: $(LIBS) $(PROGRAMS)

$(O)/obj/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(O)/san/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(SAN_CFLAGS) -MMD -MP -c -o $@ $<

# Other flags, other objects. Expanded here, since target-specific flags reach prerequisites.
FLAGS := $(CC) $(filter-out -Werror,$(BASE_CFLAGS)) $(CFLAGS) $(SAN_CFLAGS)
$(O)/flags: always
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(FLAGS))' >$@

.PHONY: always
always:

-include $(shell find $(O)/obj $(O)/san -name '*.d' 2>/dev/null)

JOBS := $(shell nproc)
SAMPLE := demo/cifar10.fqz

.PHONY: run
run:
	@scripts/deps.sh run
	@$(MAKE) -s -j$(JOBS) $(O)/fqaccel-run
	$(O)/fqaccel-run $(SAMPLE) demo/ship.ppm

# RUN is taken as it was written on the command line: dollars belong to the guest's shell.
vm: export FQACCEL_RUN = $(value RUN)

.PHONY: vm
vm: vm-ready
	@if [ -n "$$FQACCEL_RUN" ]; then \
		scripts/vm-run.sh "$$FQACCEL_RUN"; \
	else \
		scripts/vm-demo.sh $(SAMPLE) demo/ship.ppm; \
	fi

.PHONY: vm-shell
vm-shell: vm-ready
	@scripts/vm-run.sh --shell

.PHONY: tools
tools:
	@scripts/deps.sh run compress train
	$(MAKE) -j$(JOBS) all

# Threads that wait for others sleep: on a busy machine they would spin most of the tests' time away.
.PHONY: check
check:
	@scripts/deps.sh run compress train check vm fuzz
	+$(MAKE) -s -j$(JOBS) WERROR=1 check-build
	OMP_WAIT_POLICY=passive prove --failures --exec '' $(TESTS)

.PHONY: check-build
check-build: build-all $(TESTS) $(TEST_DEPS)

.PHONY: install
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include \
		$(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man3 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 755 $(filter $(O)/fqaccel-%,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 lib/fqaccel.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(O)/libfqaccel.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(O)/libfqaccel.so.0 $(DESTDIR)$(PREFIX)/lib
	ln -sf libfqaccel.so.0 $(DESTDIR)$(PREFIX)/lib/libfqaccel.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' lib/fqaccel.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/fqaccel.pc
	install -m 644 $(filter %.1,$(MANPAGES)) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(filter %.3,$(MANPAGES)) $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 644 $(filter %.5,$(MANPAGES)) $(DESTDIR)$(PREFIX)/share/man/man5

.PHONY: clean
clean:
	rm -rf $(O)

.PHONY: help
help:
	@echo 'make run        build, and classify the sample picture on the soft card'
	@echo 'make tools      build the library and every tool into $(O)/'
	@echo 'make vm         boot a guest with the card, load the driver, classify there'
	@echo "make vm RUN='command ...'   run a command in the guest"
	@echo 'make vm-shell   a prompt in the guest'
	@echo 'make module     build fqaccel.ko for this machine (KDIR=... for another kernel)'
	@echo 'make check      every test'
	@echo 'make check-kernels  the module and its tests on older and newer kernels'
	@echo 'make check-debug    the same on a kernel built to find mistakes (ten minutes more, once)'
	@echo 'make soak       a card that is used and disturbed in every way (SOAK_MINUTES=30)'
	@echo 'make fuzz       fuzz the parsers for a while (FUZZ_SECONDS=60 each)'
	@echo 'make fuzz-ioctl fuzz the driver in a guest whose kernel watches (FUZZ_SECONDS)'
	@echo 'make bench      sizes and speeds of the coders of weights (BENCH=file.fqz ...)'
	@echo 'make bench-train    an epoch of the trainer beside one of PyTorch'
	@echo 'make results    train and measure what doc/results.md tells (hours; LIST=1 says which)'
	@echo 'make install    into PREFIX=$(PREFIX); make module_install for the driver'
	@echo 'make dkms       give the driver to DKMS, which builds it for each kernel'
	@echo 'make clean      remove $(O)/'
