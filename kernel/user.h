/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fqaccel: the users of a card, who each may open it many times. Together, a user's open
 * files have no more of the card than is good for the others. Whoever has CAP_SYS_RESOURCE at
 * open() is not counted: fqa_context.user is NULL.
 */
#ifndef FQA_USER_H
#define FQA_USER_H

#include <linux/list.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>

#define FQA_USER_OPENS		128	/* open files */
#define FQA_USER_LOADS		4	/* of the LOADs that the card may have at once */

/* A user whose runs hang the card that often within FQA_GUILT_WINDOW_MS is banned. */
#define FQA_USER_GUILT_MAX	6
#define FQA_USER_BAN_MS		60000	/* for so long, doubled each time that it happens again */
#define FQA_USER_BAN_DOUBLINGS	4
#define FQA_USER_FORGIVE_MS	(10 * 60000)	/* after so long it is not "again" any more */

struct fqa_card;
struct fqa_context;
struct fqa_run;

struct fqa_user {
	struct list_head node;		/* in card->users */
	kuid_t uid;
	struct semaphore loads;

	/* Under card->lock. */
	unsigned int contexts;		/* 0: it is only remembered for its guilt */
	unsigned int opens;		/* of them, those whose file is not closed */
	unsigned int owed;		/* of its runs, those that fqa_run.owed is set of */
	unsigned int guilt;		/* how many of guilty_at are set */
	unsigned long guilty_at[FQA_USER_GUILT_MAX - 1];	/* jiffies, the last ones */
	unsigned int bans;
	unsigned long banned_until;	/* jiffies; while bans is not 0 */

	spinlock_t lock;		/* protects these; inside of none but card->srcu */
	unsigned int slots;
	u64 memory_used;
	u64 buffer_used;
};

struct fqa_user *fqa_user_get(struct fqa_card *card);
void fqa_user_close(struct fqa_card *card, struct fqa_user *user);
void fqa_user_put(struct fqa_card *card, struct fqa_user *user);
void fqa_users_free(struct fqa_card *card);

bool fqa_user_charge_buffer(struct fqa_user *user, u64 bytes);
void fqa_user_uncharge_buffer(struct fqa_user *user, u64 bytes);
bool fqa_user_charge_memory(struct fqa_user *user, u64 bytes, u64 limit);
void fqa_user_uncharge_memory(struct fqa_user *user, u64 bytes);
bool fqa_user_charge_slot(struct fqa_user *user, unsigned int limit);
void fqa_user_uncharge_slot(struct fqa_user *user);

bool fqa_user_blame(struct fqa_card *card, struct fqa_user *user);
void fqa_user_owe(struct fqa_card *card, struct fqa_run *run);
bool fqa_user_settle(struct fqa_card *card, struct fqa_run *run);
bool fqa_user_may_start(struct fqa_card *card, const struct fqa_run *run);

#endif
