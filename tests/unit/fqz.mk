# SPDX-License-Identifier: MIT
# Tests of libfqz, built with sanitizers.

FQZ_TEST_SRCS := tests/unit/test_fqz_net.c $(FQZ_SRCS)

$(foreach t,parts roundtrip refuse sections hostile golden lanes,\
	$(eval $(call unit_test,test_fqz_$(t),$(FQZ_TEST_SRCS))))

$(foreach t,coders document,\
	$(eval $(call unit_test,test_fqz_$(t),tests/unit/fqz_reference.c $(FQZ_TEST_SRCS))))

$(eval $(call unit_test,test_fqz_memory,$(FQZ_TEST_SRCS),,$(FAIL_ALLOC)))

# The golden files are made anew only for a new version of the format.
.PHONY: golden-fqz
golden-fqz: $(O)/tests/make_golden_fqz
	$< tests/golden/fqz

# Seeds of the fuzz targets for streams.
.PHONY: golden-streams
golden-streams: $(O)/tests/make_golden_streams
	$< tests/golden/streams

$(O)/tests/make_golden_%: $(O)/san/tests/golden/%/make_golden.o $(FQZ_TEST_SRCS:%.c=$(O)/san/%.o)
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -o $@ $^
