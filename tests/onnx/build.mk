# SPDX-License-Identifier: MIT
# Networks as others write them: torch's families, the operators' own test data.

$(O)/san/tests/onnx/%.o: BASE_CFLAGS += -Itests/unit

$(O)/tests/onnx_cases: $(O)/san/tests/onnx/run_cases.o $(NET_TEST_OBJS)
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -pthread -o $@ $^ $(NET_LIBS) -lm

TESTS += tests/onnx/families.t
TEST_DEPS += $(O)/tests/onnx_cases

# The operator tests that come with ONNX.
$(O)/tests/onnx_nodes: $(O)/san/tests/onnx/node_cases.o $(O)/san/tests/onnx/node_graph.o \
		$(O)/san/tests/unit/onnx_build.o $(NET_TEST_OBJS)
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -pthread -o $@ $^ $(NET_LIBS) -lm

$(O)/san/tests/onnx/node_cases.o $(O)/san/tests/onnx/node_graph.o: | $(O)/gen/onnx.pb-c.h

TESTS += tests/onnx/nodes.t
TEST_DEPS += $(O)/tests/onnx_nodes

TESTS += tests/onnx/weights.t tests/onnx/list_ops.t

# `make golden-families` writes the fuzzer's seeds anew.
.PHONY: golden-families
golden-families:
	/usr/bin/python3 tests/onnx/families.py tests/golden/onnx --seeds

# `make fuzz` starts from a small network of each operator as well.
$(O)/fuzz/onnx: | $(O)/fuzz/onnx-seeded

$(O)/fuzz/onnx-seeded: $(O)/tests/onnx_nodes tests/onnx/nodes.t
	@mkdir -p $(@D)/onnx-corpus
	O=$(O) tests/onnx/nodes.t -o $(@D)/onnx-corpus >/dev/null
	@touch $@
