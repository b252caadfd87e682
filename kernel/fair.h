/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fqaccel: the arithmetic of card time: who is next, how long a run will take, in how
 * large parts it goes to the card. Without locks and hardware; who uses it serializes.
 */
#ifndef FQA_FAIR_H
#define FQA_FAIR_H

#include <linux/rbtree.h>
#include <linux/types.h>

#define FQA_MAX_PARTS		1024	/* of a run; where it needs more they take longer */

/* What one run is charged, at least (it took a slot) and at most. */
#define FQA_COST_MIN_NS		(10ULL * 1000)
#define FQA_COST_MAX_NS		(3600ULL * 1000 * 1000 * 1000)

/* How long the card has taken lately for how many of its cycles. */
struct fqa_rate {
	u64 ns;
	u64 cycles;		/* 0: nothing is known */
};

/* One who gets a share of the card's time. */
struct fqa_share {
	struct rb_node node;	/* while waiting */
	bool waiting;
	unsigned int shift;	/* of its weight, 16 >> shift */
	/* Both in ns << shift, the time that somebody of weight 16 would have got instead. */
	u64 settled;		/* card time that it has had */
	u64 pending;		/* that is estimated for its runs that the card has */
};

struct fqa_fair {
	struct rb_root_cached tree;	/* who waits, by settled + pending */
	u64 base;		/* if nobody waits: where who comes begins */
	s64 sum;		/* of their weight * (settled - base) */
	u32 weight;		/* of all of them */
};

void fqa_rate_init(struct fqa_rate *rate, u32 clock_khz);
void fqa_rate_learn(struct fqa_rate *rate, u64 ns, u64 cycles);
u64 fqa_rate_estimate(const struct fqa_rate *rate, u64 cycles, u32 batch);
u32 fqa_part_batch(u64 ns, u32 batch, u64 most);

void fqa_fair_init(struct fqa_fair *fair);
void fqa_share_init(struct fqa_share *share, unsigned int shift);
void fqa_fair_enter(struct fqa_fair *fair, struct fqa_share *share);
void fqa_fair_leave(struct fqa_fair *fair, struct fqa_share *share);
struct fqa_share *fqa_fair_first(const struct fqa_fair *fair);
struct fqa_share *fqa_fair_next(struct fqa_share *share);
u64 fqa_fair_start(struct fqa_fair *fair, struct fqa_share *share, u64 ns);
void fqa_fair_end(struct fqa_fair *fair, struct fqa_share *share, u64 cost, u64 ns);

#endif
