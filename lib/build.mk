# SPDX-License-Identifier: MIT
# libfqaccel, static and shared. Both hold the soft card and libfqz; the symbol map hides them in the
# shared one.

LIB_SRCS := \
	lib/backend_dev.c \
	lib/backend_soft.c \
	lib/card.c \
	lib/error.c \
	lib/find.c \
	lib/infer.c \
	lib/model.c \
	lib/queue.c \
	lib/soft_dma.c \
	lib/soft_queue.c \
	lib/soft_ring.c \
	lib/soft_work.c

LIB_OBJS := $(LIB_SRCS:%.c=$(O)/obj/%.o)
LIB_SAN_OBJS := $(LIB_SRCS:%.c=$(O)/san/%.o)

$(O)/obj/lib/%.o: BASE_CFLAGS += -fvisibility=hidden

LIBS += $(O)/libfqaccel.a $(O)/libfqaccel.so.0

$(O)/libfqaccel.a: $(LIB_OBJS) $(CARD_OBJS) $(FQZ_OBJS)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(O)/libfqaccel.so.0: $(LIB_OBJS) $(CARD_OBJS) $(FQZ_OBJS) lib/libfqaccel.map
	@mkdir -p $(@D)
	$(CC) -shared -pthread $(LDFLAGS) -Wl,-soname,libfqaccel.so.0 -Wl,-z,defs -Wl,-z,relro \
		-Wl,--version-script=lib/libfqaccel.map -o $@ $(filter %.o,$^) -lm
	ln -sf libfqaccel.so.0 $(O)/libfqaccel.so

MANPAGES += $(wildcard doc/man/fqaccel*.3)
