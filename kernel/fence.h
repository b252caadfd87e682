/* SPDX-License-Identifier: GPL-2.0 */
/* fqaccel: what runs wait for, and who is told of their end. */
#ifndef FQA_FENCE_H
#define FQA_FENCE_H

#include "fqa.h"

/* The in-fence of one SUBMIT, which all of its runs wait for. */
struct fqa_wait {
	bool over;			/* under card->lock */
	int error;			/* of the fence; likewise */
};

/* Under card->lock: whether the run waits for nothing but the card. */
static inline bool fqa_run_may_start(const struct fqa_run *run)
{
	return !run->wait || run->wait->over;
}

#endif
