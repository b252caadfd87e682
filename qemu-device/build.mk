# SPDX-License-Identifier: MIT
# The card: plain C, hosted by QEMU, by libfqaccel and by tests. Others link
# $(O)/libcard.a and $(O)/libfqz.a, or $(CARD_SAN_OBJS) where they are built with sanitizers.

CARD_SRCS := \
	qemu-device/card/admin.c \
	qemu-device/card/card.c \
	qemu-device/card/command.c \
	qemu-device/card/cycles.c \
	qemu-device/card/dma.c \
	qemu-device/card/conv_prepare.c \
	qemu-device/card/conv_run.c \
	qemu-device/card/exec_gemm.c \
	qemu-device/card/exec_reference.c \
	qemu-device/card/gemm.c \
	qemu-device/card/load.c \
	qemu-device/card/memory.c \
	qemu-device/card/model.c \
	qemu-device/card/plan.c \
	qemu-device/card/queue.c \
	qemu-device/card/regs.c \
	qemu-device/card/run.c \
	qemu-device/card/simple.c \
	qemu-device/card/work.c

CARD_OBJS := $(CARD_SRCS:%.c=$(O)/obj/%.o)
CARD_SAN_OBJS := $(CARD_SRCS:%.c=$(O)/san/%.o)

LIBS += $(O)/libcard.a

# The datapath is worth it.
$(O)/obj/qemu-device/card/%.o: CFLAGS := $(CFLAGS) -O3

$(O)/libcard.a: $(CARD_OBJS)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^
