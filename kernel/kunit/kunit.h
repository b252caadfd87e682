/* SPDX-License-Identifier: GPL-2.0 */
/* fqaccel's KUnit tests: what they share. */
#ifndef FQA_KUNIT_H
#define FQA_KUNIT_H

#include <kunit/test.h>

#include "fqa.h"

extern struct kunit_suite fqa_kunit_ring;
extern struct kunit_suite fqa_kunit_sglist;
extern struct kunit_suite fqa_kunit_slots;
extern struct kunit_suite fqa_kunit_account;
extern struct kunit_suite fqa_kunit_fair;

struct fqa_card *fqa_kunit_card(struct kunit *test);
void fqa_kunit_ring_init(struct kunit *test, struct fqa_ring *ring, struct fqa_card *card,
			 u16 qid, u16 entries);
struct fqa_context *fqa_kunit_context(struct kunit *test, struct fqa_card *card);

#endif
