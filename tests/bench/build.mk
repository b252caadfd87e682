# SPDX-License-Identifier: MIT
#
# `make bench` prints sizes and decoding speeds of the coders; BENCH=... takes other subjects.

BENCH ?= $(SAMPLE) resnet50 resnet50-conv resnet50:0.8 resnet18

BENCH_SRCS := tests/bench/decode.c tests/bench/resnet.c tools/common/file.c

$(O)/tests/bench: $(BENCH_SRCS:%.c=$(O)/obj/%.o) $(NET_OBJS) $(O)/libfqz.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(NET_LIBS) -lzstd -llzma -lm

.PHONY: bench
bench:
	@scripts/deps.sh run compress bench
	@+$(MAKE) -s -j$(JOBS) $(O)/tests/bench
	$(O)/tests/bench $(BENCH)

# A NOP's way to the card and back beside a read from an NVMe device, in a guest.
$(O)/tests/latency: $(O)/obj/tests/bench/latency.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

.PHONY: bench-latency
bench-latency:
	@scripts/deps.sh vm
	@+$(MAKE) -s -j$(JOBS) qemu guest $(O)/tests/latency
	tests/bench/latency.sh

# An epoch of fqaccel-train beside one of the same network in PyTorch.
.PHONY: bench-train
bench-train:
	@scripts/deps.sh run compress train torch
	@+$(MAKE) -s -j$(JOBS) $(O)/fqaccel-train
	/usr/bin/python3 tests/bench/train.py $(BENCH_TRAIN) $(O)/fqaccel-train
