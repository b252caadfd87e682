# SPDX-License-Identifier: MIT
# Tests of libfqaccel on the soft card.

LIB_TEST_OBJS = $(LIB_SAN_OBJS) $(CARD_SAN_OBJS) $(FQZ_SAN_OBJS)

$(eval $(call unit_test,test_lib_dma,,$(LIB_TEST_OBJS)))
$(eval $(call unit_test,test_lib_errors,tests/unit/smallnet.c,$(LIB_TEST_OBJS)))
$(eval $(call unit_test,test_lib_run,tests/unit/smallnet.c,$(LIB_TEST_OBJS)))
$(eval $(call unit_test,test_lib_threads,tests/unit/smallnet.c,$(LIB_TEST_OBJS)))
