// SPDX-License-Identifier: GPL-2.0
/*
 * Users of a card, by their uid: what each may have in all its open files, and what becomes
 * of one whose runs hang the card. A hang costs everybody else time, and starts their runs
 * anew, which happens to a run once only. So what is owed a second start comes before all that
 * those who have hung the card want, and who does it too often is shut out for a while.
 *
 * All functions take NULL for a user that is not counted.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "fqa.h"

static bool fqa_user_is_banned(const struct fqa_user *user)
{
	return user->bans && time_before(jiffies, user->banned_until);
}

static bool fqa_user_is_forgiven(const struct fqa_user *user)
{
	unsigned int last = ARRAY_SIZE(user->guilty_at) - 1;

	if (user->bans && time_before(jiffies, user->banned_until +
				      msecs_to_jiffies(FQA_USER_FORGIVE_MS)))
		return false;
	return !user->guilt || time_after(jiffies, user->guilty_at[last] +
					  msecs_to_jiffies(FQA_GUILT_WINDOW_MS));
}

/* Those of whom nothing needs to be known any more go to @old. */
static void fqa_users_forget(struct fqa_card *card, struct list_head *old)
{
	struct fqa_user *user, *next;

	lockdep_assert_held(&card->lock);
	list_for_each_entry_safe(user, next, &card->users, node)
		if (!user->contexts && fqa_user_is_forgiven(user))
			list_move(&user->node, old);
}

static struct fqa_user *fqa_user_find(struct fqa_card *card, kuid_t uid)
{
	struct fqa_user *user;

	lockdep_assert_held(&card->lock);
	list_for_each_entry(user, &card->users, node)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

static void fqa_users_free_list(struct list_head *list)
{
	struct fqa_user *user, *next;

	list_for_each_entry_safe(user, next, list, node)
		kfree(user);
}

static struct fqa_user *fqa_user_alloc(void)
{
	struct fqa_user *user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);

	if (!user)
		return NULL;
	user->uid = current_fsuid();
	sema_init(&user->loads, FQA_USER_LOADS);
	spin_lock_init(&user->lock);
	INIT_LIST_HEAD(&user->node);
	return user;
}

/* One more open file of the current user: -EMFILE, -EBUSY for one who is banned, -ENOMEM. */
struct fqa_user *fqa_user_get(struct fqa_card *card)
{
	struct fqa_user *fresh = fqa_user_alloc(), *user;
	LIST_HEAD(old);
	int ret = 0;

	if (!fresh)
		return ERR_PTR(-ENOMEM);
	spin_lock(&card->lock);
	user = fqa_user_find(card, fresh->uid);
	if (!user) {
		user = fresh;
		fresh = NULL;
		list_add_tail(&user->node, &card->users);
	}
	if (fqa_user_is_banned(user))
		ret = -EBUSY;
	else if (user->opens >= FQA_USER_OPENS)
		ret = -EMFILE;
	if (!ret) {
		user->opens++;
		user->contexts++;
	}
	fqa_users_forget(card, &old);
	spin_unlock(&card->lock);
	kfree(fresh);
	fqa_users_free_list(&old);
	return ret ? ERR_PTR(ret) : user;
}

/* Its context has lost its file, and is taken down in the background. */
void fqa_user_close(struct fqa_card *card, struct fqa_user *user)
{
	if (!user)
		return;
	spin_lock(&card->lock);
	user->opens--;
	spin_unlock(&card->lock);
}

/* A context is no more. */
void fqa_user_put(struct fqa_card *card, struct fqa_user *user)
{
	LIST_HEAD(old);

	if (!user)
		return;
	spin_lock(&card->lock);
	user->contexts--;
	fqa_users_forget(card, &old);
	spin_unlock(&card->lock);
	fqa_users_free_list(&old);
}

/* No open file is left. */
void fqa_users_free(struct fqa_card *card)
{
	fqa_users_free_list(&card->users);
}

static bool fqa_user_charge(struct fqa_user *user, u64 *used, u64 limit, u64 bytes)
{
	bool fits;
	u64 sum;

	spin_lock(&user->lock);
	fits = !check_add_overflow(*used, bytes, &sum) && sum <= limit;
	if (fits)
		*used = sum;
	spin_unlock(&user->lock);
	return fits;
}

static void fqa_user_uncharge(struct fqa_user *user, u64 *used, u64 bytes)
{
	spin_lock(&user->lock);
	WARN_ON(*used < bytes);
	*used -= bytes;
	spin_unlock(&user->lock);
}

bool fqa_user_charge_buffer(struct fqa_user *user, u64 bytes)
{
	return !user || fqa_user_charge(user, &user->buffer_used, fqa_user_limit(), bytes);
}

void fqa_user_uncharge_buffer(struct fqa_user *user, u64 bytes)
{
	if (user)
		fqa_user_uncharge(user, &user->buffer_used, bytes);
}

bool fqa_user_charge_memory(struct fqa_user *user, u64 bytes, u64 limit)
{
	return !user || fqa_user_charge(user, &user->memory_used, limit, bytes);
}

void fqa_user_uncharge_memory(struct fqa_user *user, u64 bytes)
{
	if (user)
		fqa_user_uncharge(user, &user->memory_used, bytes);
}

bool fqa_user_charge_slot(struct fqa_user *user, unsigned int limit)
{
	bool fits;

	if (!user)
		return true;
	spin_lock(&user->lock);
	fits = user->slots < limit;
	user->slots += fits;
	spin_unlock(&user->lock);
	return fits;
}

void fqa_user_uncharge_slot(struct fqa_user *user)
{
	if (!user)
		return;
	spin_lock(&user->lock);
	user->slots--;
	spin_unlock(&user->lock);
}

static void fqa_user_ban(struct fqa_user *user)
{
	unsigned long forgiven = user->banned_until + msecs_to_jiffies(FQA_USER_FORGIVE_MS);
	unsigned int doublings;

	if (user->bans && time_after(jiffies, forgiven))
		user->bans = 0;
	doublings = min_t(unsigned int, user->bans, FQA_USER_BAN_DOUBLINGS);
	user->bans++;
	user->guilt = 0;
	user->banned_until = jiffies + msecs_to_jiffies(FQA_USER_BAN_MS << doublings);
}

/* A run of the user has hung the card. True: that was once too often, and it is banned. */
bool fqa_user_blame(struct fqa_card *card, struct fqa_user *user)
{
	unsigned long window = msecs_to_jiffies(FQA_GUILT_WINDOW_MS);
	unsigned int last = ARRAY_SIZE(user->guilty_at) - 1;

	lockdep_assert_held(&card->lock);
	if (!user || fqa_user_is_banned(user))
		return false;
	/* What it is owed itself no longer comes before others'. */
	if (!user->guilt && !user->bans)
		card->owed -= user->owed;
	if (user->guilt <= last || time_after(jiffies, user->guilty_at[0] + window)) {
		user->guilt = min(user->guilt + 1, last + 1);
		memmove(user->guilty_at, user->guilty_at + 1, last * sizeof(user->guilty_at[0]));
		user->guilty_at[last] = jiffies;
		return false;
	}
	fqa_user_ban(user);
	return true;
}

static bool fqa_user_is_suspect(const struct fqa_user *user)
{
	return user && (user->guilt || user->bans);
}

/* The card has lost the run by no fault of its own: it starts once more. */
void fqa_user_owe(struct fqa_card *card, struct fqa_run *run)
{
	struct fqa_user *user = run->queue->obj.ctx->user;

	lockdep_assert_held(&card->lock);
	run->replayed = true;
	run->owed = true;
	if (user)
		user->owed++;
	if (!fqa_user_is_suspect(user))
		card->owed++;
}

/* The run has ended. True: it was the last that others had to wait for. */
bool fqa_user_settle(struct fqa_card *card, struct fqa_run *run)
{
	struct fqa_user *user = run->queue->obj.ctx->user;

	lockdep_assert_held(&card->lock);
	if (!run->owed)
		return false;
	run->owed = false;
	if (user)
		user->owed--;
	return !fqa_user_is_suspect(user) && !--card->owed;
}

/*
 * Whether the next run of a queue may start. Else who has hung the card before
 * could do so again while it has what it has lost the first time.
 */
bool fqa_user_may_start(struct fqa_card *card, const struct fqa_run *run)
{
	lockdep_assert_held(&card->lock);
	return !card->owed || !fqa_user_is_suspect(run->queue->obj.ctx->user);
}
