# SPDX-License-Identifier: MIT
# The program that draws the sample pictures. `make demo-pictures` draws them anew.

DEMO_SOURCES := demo/draw.c demo/canvas.c

$(O)/demo-draw: $(DEMO_SOURCES:%.c=$(O)/obj/%.o)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

# For the tests: the same program from the sanitizer tree.
$(O)/san/demo-draw: $(DEMO_SOURCES:%.c=$(O)/san/%.o)
	$(CC) $(SAN_LDFLAGS) -o $@ $^

.PHONY: demo-pictures
demo-pictures: $(O)/demo-draw
	$(O)/demo-draw demo

PROGRAMS += $(O)/demo-draw
TESTS += tests/unit/demo.t
TEST_DEPS += $(O)/san/demo-draw
