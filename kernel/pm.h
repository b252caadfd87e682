/* SPDX-License-Identifier: GPL-2.0 */
/* fqaccel: sleep, of the system and of a card that has nothing to do. */
#ifndef FQA_PM_H
#define FQA_PM_H

#include "fqa.h"

extern const struct dev_pm_ops fqa_pm_ops;

void fqa_pm_init(struct fqa_card *card);
void fqa_pm_start(struct fqa_card *card);
void fqa_pm_stop(struct fqa_card *card);

void fqa_pm_busy(struct fqa_card *card);
void fqa_pm_idle(struct fqa_card *card);
void fqa_pm_get(struct fqa_card *card);
void fqa_pm_put(struct fqa_card *card);
bool fqa_pm_get_awake(struct fqa_card *card);

void fqa_pm_hold(struct fqa_card *card);
void fqa_pm_release(struct fqa_card *card);
void fqa_pm_awake(struct fqa_card *card);

u64 fqa_pm_memory_free(struct fqa_card *card);
void fqa_pm_model_gone(const struct fqa_model *model);

#endif
