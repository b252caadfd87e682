# SPDX-License-Identifier: MIT
# Tests of libfqz, built with sanitizers.

FQZ_TEST_SRCS := tests/unit/test_fqz_net.c $(FQZ_SRCS)

$(eval $(call unit_test,test_fqz_parts,$(FQZ_TEST_SRCS)))
$(eval $(call unit_test,test_fqz_roundtrip,$(FQZ_TEST_SRCS)))
$(eval $(call unit_test,test_fqz_refuse,$(FQZ_TEST_SRCS)))
$(eval $(call unit_test,test_fqz_sections,$(FQZ_TEST_SRCS)))
$(eval $(call unit_test,test_fqz_hostile,$(FQZ_TEST_SRCS)))
