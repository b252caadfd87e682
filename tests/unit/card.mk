# SPDX-License-Identifier: MIT
# The card's unit tests. They share a machine to plug the card into and random networks.

CARD_TEST_SAN_OBJS := $(CARD_SAN_OBJS) $(FQZ_SAN_OBJS)

$(eval $(call unit_test,test_card_exec,tests/unit/netgen.c,$(CARD_TEST_SAN_OBJS)))
$(eval $(call unit_test,test_card_regs,tests/unit/card_host.c,$(CARD_TEST_SAN_OBJS)))
$(eval $(call unit_test,test_card_queue,tests/unit/card_host.c,$(CARD_TEST_SAN_OBJS)))
$(eval $(call unit_test,test_card_document,tests/unit/card_host.c,$(CARD_TEST_SAN_OBJS)))

CARD_TEST_HELPERS := tests/unit/card_host.c tests/unit/card_model.c tests/unit/netgen.c
$(eval $(call unit_test,test_card_load,$(CARD_TEST_HELPERS),$(CARD_TEST_SAN_OBJS)))
$(eval $(call unit_test,test_card_run,$(CARD_TEST_HELPERS),$(CARD_TEST_SAN_OBJS)))
$(eval $(call unit_test,test_card_abort,$(CARD_TEST_HELPERS),$(CARD_TEST_SAN_OBJS)))

CARD_WRAP := -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc
$(eval $(call unit_test,test_card_memory,$(CARD_TEST_HELPERS),$(CARD_TEST_SAN_OBJS),$(CARD_WRAP)))
