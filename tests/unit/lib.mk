# SPDX-License-Identifier: MIT
# Tests of libfqaccel on the soft card.

LIB_TEST_OBJS = $(LIB_SAN_OBJS) $(CARD_SAN_OBJS) $(FQZ_SAN_OBJS)

$(eval $(call unit_test,test_lib_dma,,$(LIB_TEST_OBJS)))
$(eval $(call unit_test,test_lib_errors,tests/unit/smallnet.c,$(LIB_TEST_OBJS)))
$(eval $(call unit_test,test_lib_memory,tests/unit/smallnet.c,$(LIB_TEST_OBJS),$(FAIL_ALLOC)))
$(eval $(call unit_test,test_lib_run,tests/unit/smallnet.c,$(LIB_TEST_OBJS)))
$(eval $(call unit_test,test_lib_threads,tests/unit/smallnet.c,$(LIB_TEST_OBJS)))

TESTS += tests/unit/lib_abi.t

$(eval $(call unit_test,test_option,tools/common/option.c tools/common/cli.c))

# The tools, with the small networks that they are tested on.
TESTS += tests/unit/tools_eval.t tests/unit/tools_info.t tests/unit/tools_run.t \
	tests/unit/tools_smi.t
TEST_DEPS += $(O)/tests/make_smallnet
$(O)/tests/make_smallnet: $(patsubst %.c,$(O)/san/%.o,tests/unit/make_smallnet.c \
		tests/unit/smallnet.c tools/common/file.c) $(FQZ_SAN_OBJS)
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -o $@ $^

# The same on the device, in the guest.
GUEST_TESTS += tests/vm/guest/lib_run.sh tests/vm/guest/lib_threads.sh
guest-tests: $(O)/tests/test_lib_run $(O)/tests/test_lib_threads
