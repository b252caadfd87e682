// SPDX-License-Identifier: MIT
/*
 * Mutations that know of calls: they come, go, double, change places and fields. New ones are
 * mostly plausible, so that sequences get far before they go wrong.
 */
#include "fuzz_ioctl.h"

#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t max, unsigned int seed);

#define CALL	sizeof(struct fuzz_call)

struct random {
	uint64_t state;
};

static uint32_t draw(struct random *r, uint32_t below)
{
	r->state = r->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((r->state >> 33) % below);
}

static bool seldom(struct random *r, uint32_t one_of)
{
	return !draw(r, one_of);
}

/* How often which call is made up, in the order of enum fuzz_op. */
static const uint8_t weights[FUZZ_OPS] = {
	[FUZZ_OPEN] = 6, [FUZZ_CLOSE] = 4, [FUZZ_DUP] = 1, [FUZZ_INFO] = 2, [FUZZ_BUFFER] = 8,
	[FUZZ_LOAD] = 8, [FUZZ_QUEUE] = 6, [FUZZ_RUN] = 14, [FUZZ_SUBMIT] = 14, [FUZZ_WAIT] = 10,
	[FUZZ_DESTROY] = 8, [FUZZ_MMAP] = 6, [FUZZ_MUNMAP] = 2, [FUZZ_MREMAP] = 2,
	[FUZZ_ADVISE] = 2, [FUZZ_TOUCH] = 4, [FUZZ_POLL] = 4, [FUZZ_FORK] = 1, [FUZZ_RAW] = 3,
	[FUZZ_OTHER] = 3, [FUZZ_PAUSE] = 2, [FUZZ_BARRIER] = 2, [FUZZ_EXPORT] = 4,
	[FUZZ_IMPORT] = 4, [FUZZ_FD] = 4, [FUZZ_TIMELINE] = 4, [FUZZ_CARD] = 1,
	[FUZZ_FOREIGN] = 2,
};

static uint8_t draw_op(struct random *r)
{
	uint32_t sum = 0, at;
	uint8_t op;

	for (op = 0; op < FUZZ_OPS; op++)
		sum += weights[op];
	at = draw(r, sum);
	for (op = 0; at >= weights[op]; op++)
		at -= weights[op];
	return op;
}

static uint8_t draw_pick(struct random *r)
{
	return (uint8_t)(seldom(r, 16) ? draw(r, 256) : draw(r, 3));
}

static uint16_t draw_value(struct random *r)
{
	if (seldom(r, 8))
		return (uint16_t)draw(r, 0x10000);
	return FUZZ_V(draw(r, FUZZ_V_KINDS), draw(r, 4) ? draw(r, 5) : draw(r, 0x1000));
}

/* A length of a buffer, a batch, an offset that may well be right. */
static void make_plausible(struct random *r, struct fuzz_call *call)
{
	switch (call->op) {
	case FUZZ_BUFFER:
		call->value[0] = FUZZ_V(seldom(r, 2) ? FUZZ_V_PAGES : FUZZ_V_INPUTS + draw(r, 2),
					1 + draw(r, 16));
		break;
	case FUZZ_LOAD:
		call->pick[0] = (uint8_t)draw(r, seldom(r, 4) ? 12 : 3);
		call->bits = seldom(r, 6) ? 1 << draw(r, 4) : 0;
		break;
	case FUZZ_QUEUE:
		call->value[0] = FUZZ_V(FUZZ_V_PLAIN, draw(r, 6));
		call->pick[0] = (uint8_t)(seldom(r, 16) ? draw(r, 256) : draw(r, 3));
		break;
	case FUZZ_RUN:
		call->value[0] = FUZZ_V(FUZZ_V_PLAIN, 1 + draw(r, seldom(r, 8) ? 4000 : 4));
		call->value[1] = seldom(r, 4) ? call->value[1] : 0;
		call->value[2] = seldom(r, 4) ? call->value[2] : 0;
		call->bits &= seldom(r, 8) ? 0xff : FUZZ_RUN_LAYERS;
		break;
	case FUZZ_SUBMIT:
		call->bits &= seldom(r, 8) ? 0xff :
			      FUZZ_SUBMIT_NONBLOCK | FUZZ_SUBMIT_KEEP | FUZZ_SUBMIT_IN | FUZZ_SUBMIT_OUT;
		break;
	case FUZZ_WAIT:
		call->value[0] = FUZZ_V(FUZZ_V_NEAR, FUZZ_NEAR + draw(r, 3) - draw(r, 3));
		call->pick[1] = (uint8_t)draw(r, 256);
		break;
	case FUZZ_OTHER:
	case FUZZ_CARD:
		call->pick[0] = (uint8_t)draw(r, 8);
		break;
	case FUZZ_FD:
		call->pick[1] = (uint8_t)draw(r, 8);
		break;
	case FUZZ_EXPORT:
		call->bits &= seldom(r, 8);
		break;
	case FUZZ_MMAP:
		call->bits = (uint8_t)(3 | (seldom(r, 4) ? draw(r, 256) : draw(r, 8) << 4 & 0x50));
		call->pick[2] = (uint8_t)draw(r, FUZZ_MAPS);
		call->value[1] = 0;
		break;
	}
}

static void make_call(struct random *r, struct fuzz_call *call)
{
	unsigned int i;

	call->op = draw_op(r);
	call->file = (uint8_t)(seldom(r, 5) ? draw(r, FUZZ_FILES) : 0);
	call->bits = (uint8_t)draw(r, 256);
	for (i = 0; i < 4; i++) {
		call->pick[i] = draw_pick(r);
		call->value[i] = draw_value(r);
	}
	make_plausible(r, call);
	call->how = (uint8_t)(seldom(r, 12) ? draw(r, 256) : 0);
	call->op |= seldom(r, 3) ? FUZZ_LANE : 0;
}

static void change_field(struct random *r, struct fuzz_call *call)
{
	switch (draw(r, 8)) {
	case 0:
		call->how = (uint8_t)(seldom(r, 2) ? 0 : draw(r, 256));
		break;
	case 1:
		call->bits ^= (uint8_t)(1 << draw(r, 8));
		break;
	case 2:
		call->file = (uint8_t)draw(r, FUZZ_FILES);
		break;
	case 3:
		call->op ^= FUZZ_LANE;
		break;
	case 4:
	case 5:
		call->pick[draw(r, 4)] = draw_pick(r);
		break;
	default:
		call->value[draw(r, 4)] = draw_value(r);
	}
}

struct sequence {
	struct fuzz_call calls[FUZZ_CALLS];
	size_t count, max;
};

/* Room for @n calls at @at; fewer, if there is none. */
static size_t make_room(struct sequence *s, size_t at, size_t n)
{
	if (n > s->max - s->count)
		n = s->max - s->count;
	memmove(&s->calls[at + n], &s->calls[at], (s->count - at) * CALL);
	s->count += n;
	return n;
}

static void insert(struct random *r, struct sequence *s)
{
	size_t at = draw(r, (uint32_t)s->count + 1);

	if (make_room(s, at, 1))
		make_call(r, &s->calls[at]);
}

static void repeat(struct random *r, struct sequence *s)
{
	struct fuzz_call copy[4];
	size_t from, n, at;

	n = 1 + draw(r, 4);
	if (n > s->count)
		n = s->count;
	from = draw(r, (uint32_t)(s->count - n) + 1);
	memcpy(copy, &s->calls[from], n * CALL);
	at = draw(r, (uint32_t)s->count + 1);
	n = make_room(s, at, n);
	memcpy(&s->calls[at], copy, n * CALL);
}

static void erase(struct random *r, struct sequence *s)
{
	size_t n = 1 + draw(r, seldom(r, 4) ? 8 : 1), at;

	if (n > s->count)
		n = s->count;
	at = draw(r, (uint32_t)(s->count - n) + 1);
	memmove(&s->calls[at], &s->calls[at + n], (s->count - at - n) * CALL);
	s->count -= n;
}

static void swap(struct random *r, struct sequence *s)
{
	struct fuzz_call *a = &s->calls[draw(r, (uint32_t)s->count)];
	struct fuzz_call *b = &s->calls[draw(r, (uint32_t)s->count)], c = *a;

	*a = *b;
	*b = c;
}

/* What nearly every sequence starts with. */
static void prologue(struct random *r, struct sequence *s)
{
	static const uint8_t ops[] = { FUZZ_OPEN, FUZZ_LOAD, FUZZ_QUEUE, FUZZ_BUFFER, FUZZ_BUFFER,
				       FUZZ_RUN, FUZZ_SUBMIT, FUZZ_WAIT };
	size_t i;

	for (i = 0; i < sizeof(ops) && s->count < s->max; i++) {
		struct fuzz_call *call = &s->calls[s->count++];

		memset(call, 0, CALL);
		call->op = ops[i];
		call->bits = FUZZ_OPEN_USER;
		make_plausible(r, call);
		call->pick[0] = 0;
		call->pick[2] = 1;
	}
}

static void mutate_once(struct random *r, struct sequence *s)
{
	uint32_t what = draw(r, 100);

	if (!s->count)
		prologue(r, s);
	else if (what < 35)
		change_field(r, &s->calls[draw(r, (uint32_t)s->count)]);
	else if (what < 65)
		insert(r, s);
	else if (what < 75)
		repeat(r, s);
	else if (what < 85)
		erase(r, s);
	else if (what < 92)
		swap(r, s);
	else
		LLVMFuzzerMutate((uint8_t *)&s->calls[draw(r, (uint32_t)s->count)], CALL, CALL);
}

static void take(struct sequence *s, const uint8_t *data, size_t size, size_t max)
{
	s->max = max / CALL < FUZZ_CALLS ? max / CALL : FUZZ_CALLS;
	s->count = size / CALL < s->max ? size / CALL : s->max;
	memcpy(s->calls, data, s->count * CALL);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct random r = { .state = seed };
	struct sequence s;
	uint32_t n;

	take(&s, data, size, max);
	if (!s.max)
		return size;
	for (n = 1 + draw(&r, 4); n; n--)
		mutate_once(&r, &s);
	memcpy(data, s.calls, s.count * CALL);
	return s.count * CALL;
}

/* Some of one, then some of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t max, unsigned int seed)
{
	struct random r = { .state = seed };
	struct sequence s, other;
	size_t at, from, n;

	take(&s, a, a_size, max);
	take(&other, b, b_size, max);
	at = draw(&r, (uint32_t)s.count + 1);
	from = draw(&r, (uint32_t)other.count + 1);
	n = draw(&r, (uint32_t)(other.count - from) + 1);
	if (seldom(&r, 2))
		s.count = at;
	n = make_room(&s, at, n);
	memcpy(&s.calls[at], &other.calls[from], n * CALL);
	memcpy(out, s.calls, s.count * CALL);
	return s.count * CALL;
}
