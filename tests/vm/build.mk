# SPDX-License-Identifier: MIT
#
# The guest with the card, which make vm and make vm-shell boot, and the tests in it.

# The tools that a guest runs; fqaccel-compress has no business with a card.
VM_PROGRAMS := $(filter-out $(O)/fqaccel-compress,$(filter $(O)/fqaccel-%,$(PROGRAMS)))

.PHONY: qemu
qemu:
	@scripts/deps.sh vm
	@scripts/qemu-build.sh

.PHONY: guest
guest:
	@scripts/deps.sh vm
	@scripts/guest-build.sh

# A sub-make, so that packages are there before their headers are looked for.
.PHONY: vm-ready
vm-ready:
	@scripts/deps.sh run compress vm
	@+$(MAKE) -s -j$(JOBS) qemu guest $(VM_PROGRAMS)

# Programs that run in the guest, in this order. Other fragments add theirs with +=; what
# unplugs the card comes last.
GUEST_PROGRAMS := $(addprefix $(O)/guest/,compare crowd kill)
GUEST_TESTS += tests/vm/guest/sample.sh $(GUEST_PROGRAMS) tests/vm/guest/smi.sh \
	tests/vm/guest/camera.sh \
	tests/vm/guest/module.sh
GUEST_TESTS_LAST := tests/vm/guest/unplug.sh

$(GUEST_PROGRAMS): $(O)/guest/%: $(O)/obj/tests/vm/guest/%.o $(O)/obj/tests/vm/guest/guest.o \
		$(O)/libfqaccel.a
	@mkdir -p $(@D)
	$(CC) -pthread $(LDFLAGS) -o $@ $^ -lm

# It makes a network to a frame's measure.
$(O)/guest/camera: $(O)/obj/tests/vm/guest/camera.o $(O)/obj/tests/vm/guest/guest.o \
		$(O)/obj/tests/unit/test_fqz_net.o $(O)/libfqaccel.a
	@mkdir -p $(@D)
	$(CC) -pthread $(LDFLAGS) -o $@ $^ -lm

.PHONY: guest-tests
guest-tests: $(O)/guest/camera $(filter $(O)/%,$(GUEST_TESTS)) $(VM_PROGRAMS)
	@mkdir -p $(O)
	@printf '%s\n' $(GUEST_TESTS) $(GUEST_TESTS_LAST) >$(O)/guest-tests
	@printf '%s\n' $(GUEST_TESTS) $(GUEST_TESTS_DEBUG) $(GUEST_TESTS_LAST) >$(O)/guest-tests-debug

# Other kernels, one after another; not part of make check.
KERNELS ?= native bookworm-backports sid

.PHONY: check-kernels
check-kernels:
	@scripts/deps.sh run compress check vm
	+$(MAKE) -s -j$(JOBS) WERROR=1 qemu guest-tests
	prove --failures --exec tests/vm/test_kernel.sh $(KERNELS:%=tests/vm/kernels/%)

# The kernel that watches. GUEST_TESTS_DEBUG are the programs that only it can run.
GUEST_TESTS_DEBUG += tests/vm/guest/kunit.sh

.PHONY: check-debug
check-debug:
	@scripts/deps.sh run compress check vm debug
	+$(MAKE) -s -j$(JOBS) WERROR=1 qemu guest-tests $(GUEST_TESTS_DEBUG)
	prove --failures --exec tests/vm/test_kernel.sh tests/vm/kernels/debug

TESTS += tests/vm/test_harness.sh tests/vm/test_guest.sh tests/vm/test_iommu.sh tests/vm/test_swiotlb.sh \
	tests/vm/test_hotplug.sh tests/vm/test_kexec.sh tests/vm/test_power.sh tests/vm/test_dkms.sh
TEST_DEPS += qemu guest guest-tests
