/* SPDX-License-Identifier: MIT */
/*
 * A network made ready to run, and the seam behind which executors differ. Every
 * executor gives the same bytes; exec_reference.c is the judge.
 */
#ifndef CARD_EXEC_H
#define CARD_EXEC_H

#include "fqz.h"

#include <endian.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct card_tensor {
	enum fqz_type type;
	uint32_t c, h, w;
	uint32_t elements, bytes;
	int64_t bound;			/* FORMAT.md section 7 */
	uint64_t offset;		/* in the arena */
	uint32_t written, read;		/* first and last layer that need it */
};

/*
 * A layer. desc is the image's description, with channel parameters that the
 * model owns and without its stream. For FC, desc is that of the convolution whose
 * kernel is the whole input.
 */
struct card_layer {
	struct fqz_layer desc;
	uint32_t index;
	uint64_t nonzero;		/* weights whose symbol is not 0 */
	uint64_t cycles;		/* CARD.md section 8, of one picture */
	void *prepared;			/* the executor's form of the weights */
};

/* Elements of S32 tensors, little-endian at any alignment. */
static inline int32_t card_get_s32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return (int32_t)le32toh(v);
}

static inline void card_put_s32(uint8_t *p, int32_t value)
{
	uint32_t v = htole32((uint32_t)value);

	memcpy(p, &v, sizeof(v));
}

struct card_exec;

struct card_model {
	const struct card_exec *exec;
	struct card_tensor *tensors;
	struct card_layer *layers;
	uint32_t tensor_count, layer_count, class_count;
	void *channels;			/* channel parameters of all layers */
	uint64_t weights;
	uint64_t decoded;		/* bytes of all prepared weights */
	uint64_t arena_bytes;
	size_t scratch_bytes;		/* what the executor needs beside the arena */
};

/* How a worker hears of an ABORT and shows that it moves (CARD.md section 3.3). */
struct card_tick {
	atomic_bool cancel;
	atomic_uint progress;
	uint64_t units;			/* since the last look; the worker's own */
};

/* Units of work (about one multiplication each) between two looks: a few milliseconds. */
#define CARD_TICK_UNITS		(UINT64_C(1) << 22)

/** card_tick() - count @units of work; true: stop, the command was aborted. */
static inline bool card_tick(struct card_tick *t, uint64_t units)
{
	t->units += units;
	if (t->units < CARD_TICK_UNITS)
		return false;
	t->units = 0;
	atomic_fetch_add_explicit(&t->progress, 1, memory_order_relaxed);
	return atomic_load_explicit(&t->cancel, memory_order_relaxed);
}

struct card_exec {
	const char *name;
	/*
	 * Turn a CONV or FC layer's @symbols (FORMAT.md 6.1) into l->prepared and
	 * add its bytes to m->decoded. 0, -ENOMEM, or -ECANCELED when @tick said so.
	 */
	int (*prepare)(struct card_model *m, struct card_layer *l, const uint8_t *symbols,
		       struct card_tick *tick);
	void (*unprepare)(struct card_layer *l);
	/* Bytes of scratch memory that run() needs for a layer. */
	size_t (*scratch)(const struct card_model *m, const struct card_layer *l);
	/*
	 * Compute layer @l from tensors in @arena into its tensor there; writes every byte of
	 * it. 0, or -ECANCELED when @tick said so.
	 */
	int (*run)(const struct card_model *m, const struct card_layer *l, uint8_t *arena,
		   void *scratch, struct card_tick *tick);
};

/** card_exec_default() - the executor that a card uses. */
const struct card_exec *card_exec_default(void);
/** card_exec_gemm() - the fast ones that this processor can run, slowest first, then NULL. */
const struct card_exec *card_exec_gemm(unsigned int index);
/** card_exec_reference() - plain shifts and additions; slow. */
const struct card_exec *card_exec_reference(void);

/**
 * card_model_build() - check an image wholly, decode it and plan its arena
 * @data:  the image, unchanged meanwhile; not needed afterwards
 * @lanes: of the modeled datapath, for the cycles
 * @limit: bytes of decoded weights that may be taken
 * @tick:  may cancel it
 * @err:   filled for -EBADMSG
 * Return: 0, -EBADMSG, -ENOMEM (of the host's memory, or above @limit), -ECANCELED.
 */
int card_model_build(const void *data, size_t len, const struct card_exec *exec,
		     uint32_t lanes, uint64_t limit, struct card_tick *tick,
		     struct card_model **out, struct fqz_error *err);
void card_model_free(struct card_model *m);

/**
 * card_model_run() - layers [first, first + count) of one picture
 * @arena: m->arena_bytes, 64-byte aligned, with the live tensors in their places
 * @scratch: m->scratch_bytes, 64-byte aligned
 */
int card_model_run(const struct card_model *m, uint32_t first, uint32_t count, uint8_t *arena,
		   void *scratch, struct card_tick *tick);

/**
 * card_model_live() - is tensor @id live before layer @layer (FORMAT.md section 9)?
 * @layer: layer_count: the output alone
 */
bool card_model_live(const struct card_model *m, uint32_t layer, uint32_t id);
/** card_model_live_bytes() - sum of the sizes of the tensors live before @layer. */
uint64_t card_model_live_bytes(const struct card_model *m, uint32_t layer);
/** card_model_cycles() - of @count layers and one picture. */
uint64_t card_model_cycles(const struct card_model *m, uint32_t first, uint32_t count);

/* plan.c: give each tensor its place, set m->arena_bytes. 0 or -ENOMEM. */
int card_plan_arena(struct card_model *m);
/* cycles.c: CARD.md section 8 for one layer and one picture. */
uint64_t card_layer_cycles(const struct card_model *m, const struct card_layer *l,
			   uint32_t lanes);

#endif
