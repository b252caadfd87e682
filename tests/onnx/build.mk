# SPDX-License-Identifier: MIT
# Networks as others write them: torch's families, the operators' own test data.

$(O)/san/tests/onnx/%.o: BASE_CFLAGS += -Itests/unit

$(O)/tests/onnx_cases: $(O)/san/tests/onnx/run_cases.o $(NET_TEST_OBJS)
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -pthread -o $@ $^ $(NET_LIBS) -lm

TESTS += tests/onnx/families.t
TEST_DEPS += $(O)/tests/onnx_cases
