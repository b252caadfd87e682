/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fqaccel: what the driver's files share.
 *
 * Objects and who holds them
 *
 *   fqa_card     one PCI function. Reference: its struct device. Held by the PCI
 *                binding and by each context.
 *   fqa_context  one open file. Kref: the file (until its teardown work has
 *                ended) and each object of the context.
 *   fqa_object   a buffer, a model or a user queue. Kref: its handle, and each
 *                run, mapping, admin command or ioctl that uses it at the moment.
 *   fqa_memory   what a buffer or a model lies in: pages of ours, or another's dma-buf.
 *                Kref: its buffers (one for each import), its model, and each dma-buf
 *                that it was exported as. Holds the context that pays for the pages.
 *   fqa_run      one accepted run. Owned by the list or the hardware slot that
 *                it is in. Holds its queue, model and buffers.
 *   fqa_wait     an in-fence (kernel/fence.h). Held by the runs that wait for it, and by its
 *                callback until that has run or been removed.
 *   fqa_group    the runs of a SUBMIT whose end a fence or an io_uring command tells. Kref: these
 *                runs, their queue until they have finished, and that command.
 *   dma_fence    an out-fence. Refers to nothing but the module; outlives all of these.
 *   fqa_admin_cmd  kref: who waits for it, and the admin ring while the card
 *                has it. So a killed waiter leaves nothing that the card could
 *                still write to.
 *
 * Pages that the card may touch are unmapped when the last reference to their
 * object goes, which is after the card has completed or forgotten the command.
 *
 * Locks, outer before inner
 *
 *   card->srcu           read side: everything that may touch the hardware or DMA
 *                        memory outside of interrupt threads; removal waits for it
 *   card->import_lock    mutex: card->imports. The reservation lock of an imported
 *                        dma-buf and whatever its exporter takes come after it
 *   fqa_dmabuf.lock      mutex: other devices' mappings of memory that we export; it
 *                        comes after the dma-buf's reservation lock
 *   card->models_lock    mutex: card->models, and the lists' DMA memory of models
 *   card->memory_lock    mutex: card->memories, fqa_memory.mapped of pages of ours
 *   card->lock           spinlock: card->state, hardware I/O queues, runs, the
 *                        user queues' lists and results, the scheduler's lists
 *   admin->lock          spinlock: the admin ring and its commands
 *   ctx->lock, user->lock  spinlocks: what the context and its user are charged
 *
 * A fence's lock is inside of none of these but card->srcu, nor any of them inside of it: fences
 * are signaled, and callbacks added and removed, without spinlocks held; a callback only queues a
 * work. io_uring's lock is outside of all of them, so a command is completed by its task.
 *
 * The PM core's lock of the device (runtime PM) may be taken inside of card->lock; it holds none
 * when it calls us.
 *
 * Nothing runs in hard interrupt context: interrupts are threaded, so plain
 * spin_lock() will do. An object must not be put under a spinlock.
 *
 * What ends runs never waits for memory to be reclaimed, which may wait for runs to
 * end. It is marked with dma_fence_begin_signalling(): interrupt threads, the watchdog
 * and the reset work. They take memory from reserves only (fqa_card.reset_cmds,
 * fqa_card.dump), and no lock that they take is held over an allocation.
 *
 * Who waits for whose end, never the other way round
 *
 *   removal, shutdown    the reset work, the watchdog, the announcement, limit works,
 *                        the end of a link's recovery
 *   a reset from outside, an error on the link (with the device lock; the latter with
 *                        pci_bus_sem) the reset work
 *   the reset work       interrupt threads and its own admin commands. It only tries
 *                        to take the device lock
 *   sleep                (of the system with the device lock) the reset work, the watchdog,
 *                        interrupt threads
 *   fqa_pm.wake_work     sleep that has begun
 *   works of fqa_wq      admin commands, which a reset ends, and waking up, which the end of the
 *                        system's sleep brings about
 *   whoever imports      fences of the dma-buf's exporter; holding import_lock
 *   runs with an in-fence  that fence, of whatever driver, unless they are dropped; their queue
 *                        waits with them, nothing else
 *   the watchdog         nobody
 */
#ifndef FQA_FQA_H
#define FQA_FQA_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/dma-direction.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "fair.h"
#include "rings.h"
#include "user.h"
#include "uapi/fqaccel.h"

struct dma_pool;
struct fqa_group;
struct fqa_uring;
struct fqa_wait;
struct seq_file;

#define FQA_NAME		"fqaccel"
#define FQA_MAX_CARDS		256

/* No answer for this long and no progress: the card is reset. */
#define FQA_ADMIN_TIMEOUT_MS	5000
#define FQA_RESET_TIMEOUT_MS	2000	/* likewise, for commands of the reset itself */
#define FQA_RESET_TRIES		3
#define FQA_RESET_CMDS		4	/* in reserve: one at a time, and one lost by each try */

/* An open file whose runs hang the card that often within that time is closed. */
#define FQA_GUILT_MAX		3
#define FQA_GUILT_WINDOW_MS	60000

#define FQA_MAX_QUEUES		64	/* user queues of a context */
#define FQA_MAX_DEPTH		1024
#define FQA_DEFAULT_DEPTH	256
#define FQA_KEPT_RESULTS	4	/* times the depth */
#define FQA_MAX_RUNS		64	/* in one SUBMIT */
#define FQA_MAX_BATCH		65536
#define FQA_MAX_HANDLE		65535
#define FQA_PRIORITIES		3

/*
 * mmap() offset of a buffer: its handle times 2^27, or where it is larger than that, 2^43
 * and its handle times 2^36. So any handle's small buffer lies below 2^44, where
 * the offsets of 32-bit processes end.
 */
#define FQA_MMAP_SMALL_SHIFT	27
#define FQA_MMAP_LARGE		BIT_ULL(43)
#define FQA_MMAP_LARGE_SHIFT	36
#define FQA_MAX_BUFFER		BIT_ULL(FQA_MMAP_LARGE_SHIFT)

#define FQA_SEGMENT_SMALL	256	/* bytes of a scatter list's segment */
#define FQA_SEGMENT_LARGE	4096

enum fqa_state {
	FQA_STATE_STARTING,	/* probe */
	FQA_STATE_LIVE,
	FQA_STATE_RESETTING,	/* or waking up */
	FQA_STATE_SUSPENDED,	/* without power, perhaps; its registers are nobody's */
	FQA_STATE_DEAD,		/* removed, or no reset helped; never left again */
};

struct fqa_vector {
	struct fqa_card *card;
	unsigned int index;
	int irq;		/* once requested; else 0 */
	int cpu;		/* that we gave it, or -1; only good to guess with */
	char name[32];
};

/* Under card->lock. What has ended; kernel/usage.c. */
struct fqa_usage {
	u64 runs;
	u64 errors;			/* of them, those that did not end well */
	u64 cycles;			/* that the card says it took for them */
	u64 busy_ns;			/* that queues spent on them */
};

/* Under card->lock. */
struct fqa_stats {
	u64 resets;
	u64 hangs;
	u64 replays;
	u64 lost_interrupts;
	u64 pci_errors;			/* on the link */
	u64 pci_corrected;		/* by the link itself */
};

/* Under card->lock; kernel/pm.c. */
struct fqa_pm {
	unsigned int users;		/* runs and commands that need the card awake */
	bool on;			/* users hold a reference of runtime PM */
	bool waking;			/* RESETTING, but nothing that anybody is to hear of */
	bool held;			/* a reference of runtime PM for fqa_card.holds */
	bool deferred;			/* it wakes when nobody holds it any more */
	u64 memory_free;		/* while asleep or waking */
	struct work_struct wake_work;
};

/* The text of a coredump, made before a reset; kernel/coredump.c. */
struct fqa_dump {
	char *text;			/* NULL: none is made */
	size_t size;
	size_t length;
	bool cut;
	bool busy;			/* under card->lock: not yet handed on */
};

struct fqa_card {
	struct device dev;
	struct cdev cdev;
	struct pci_dev *pdev;
	void __iomem *regs;
	int minor;			/* -1 once the device is gone */

	/* What the card says of itself; set in probe and bounded there. */
	u64 mem_size;
	u32 hw_version;
	u32 firmware;
	u32 format;
	u32 lanes;
	u32 clock_khz;
	u32 slots;
	u32 ready_ms;
	unsigned int nr_hwqs;

	spinlock_t lock;		/* protects what the head of this file says */
	enum fqa_state state;
	bool removing;			/* no further reset is to start */
	unsigned int holds;		/* fqa_reset_hold() without fqa_reset_release() */
	bool err_held;			/* one of them is of an error on the link */
	wait_queue_head_t state_wait;
	struct srcu_struct srcu;

	struct fqa_admin admin;
	struct fqa_hwq *hwqs;
	struct fqa_vector *vectors;
	unsigned int nr_vectors;
	struct semaphore loads;		/* LOADs that the card may have at once */

	struct fqa_fair fair;		/* whose runs start next; under card->lock */
	struct fqa_rate rate;		/* of all runs, likewise */
	struct list_head contexts;	/* all of them; under card->lock */
	struct list_head users;		/* of them, and who is remembered; under card->lock */
	unsigned int owed;		/* runs that go before others; kernel/user.c, likewise */
	u64 last_client;		/* id given out last; under card->lock */
	struct delayed_work watchdog;
	struct fqa_stats stats;
	struct fqa_usage usage;		/* under card->lock */
	struct dentry *debugfs;

	struct work_struct reset_work;
	struct task_struct *resetter;	/* is resetting the function itself */
	mempool_t *reset_cmds;
	char reset_why[80];		/* set by who asks for the reset; empty: from outside */
	unsigned int reset_streak;	/* resets in quick succession; of reset_work */
	unsigned long reset_last;	/* jiffies; of reset_work */
	struct work_struct announce_work;
	struct delayed_work err_work;	/* ends a recovery that the PCI core has not ended */
	struct fqa_dump dump;
	struct fqa_pm pm;

	struct mutex models_lock;	/* protects models */
	struct list_head models;
	struct ida model_slots;
	atomic_t unloading;		/* models that are being freed */
	atomic_t loading;		/* that are not yet known to keep their memory */
	wait_queue_head_t unload_wait;

	struct mutex memory_lock;	/* protects memories */
	struct list_head memories;
	struct mutex import_lock;	/* protects imports */
	struct list_head imports;
	struct dma_pool *small_pool;
	struct dma_pool *large_pool;
};

/* What an open file has of one priority: its share of the card's time. Under card->lock. */
struct fqa_flow {
	struct fqa_share share;		/* waits in card->fair while ready is not empty */
	struct list_head ready;		/* queues with runs to start, next one first */
};

struct fqa_context {
	struct kref ref;
	struct fqa_card *card;
	u64 id;				/* of the card's open files; never used again */
	struct xarray objects;		/* by handle */
	struct work_struct teardown;
	wait_queue_head_t poll_wait;
	wait_queue_head_t idle_wait;	/* unfinished became 0 */

	/* Under card->lock. */
	struct list_head node;		/* in card->contexts */
	struct list_head queues;
	struct fqa_flow flows[FQA_PRIORITIES];	/* by FQACCEL_PRIORITY_* */
	unsigned int nr_queues;
	unsigned int unfinished;
	struct fqa_usage usage;
	bool closed;
	bool banned;			/* its runs have hung the card too often */
	unsigned int guilt;		/* how many of guilty_at are set */
	unsigned long guilty_at[FQA_GUILT_MAX - 1];	/* jiffies, the last ones */

	struct fqa_user *user;		/* constant; NULL: not counted */
	pid_t pid;			/* of who opened it, for messages */
	spinlock_t lock;		/* protects the four below */
	u64 memory_quota;
	u64 memory_used;
	u64 buffer_limit;
	u64 buffer_used;
};

enum fqa_object_type {
	FQA_OBJECT_BUFFER,
	FQA_OBJECT_MODEL,
	FQA_OBJECT_QUEUE,
};

struct fqa_object {
	struct kref ref;
	enum fqa_object_type type;
	u32 handle;
	struct fqa_context *ctx;	/* a reference */
	void (*free)(struct fqa_object *obj);
};

/* Memory that the card reaches: zeroed, charged pages, or what another has exported. */
struct fqa_memory {
	struct kref ref;
	struct fqa_card *card;		/* a reference to its device */
	struct list_head node;		/* in card->memories or ->imports while mapped */
	u64 length;
	struct sg_table *sgt;		/* while mapped */
	enum dma_data_direction dir;

	/* Pages of ours; ctx is NULL for others. */
	struct fqa_context *ctx;	/* a reference: who pays */
	struct page **pages;
	unsigned long count;
	struct sg_table table;
	bool mapped;

	/* What is imported; under card->import_lock. */
	struct dma_buf *dmabuf;		/* NULL: given back, since the card went away */
	struct dma_buf_attachment *attachment;
	const void *origin;		/* the same for each dma-buf of one memory */
	struct work_struct free_work;
};

/* Walks the DMA addresses of a range of a fqa_memory. */
struct fqa_pieces {
	struct scatterlist *sg;
	unsigned int left;		/* entries from sg on */
	u64 skip;			/* bytes of them */
	u64 length;
	u32 max;			/* bytes of a piece */
	dma_addr_t addr;		/* out */
	u32 bytes;			/* out */
};

struct fqa_segment {
	void *cpu;
	dma_addr_t dma;
};

/* A scatter list in the card's form, CARD.md section 5. */
struct fqa_sglist {
	struct dma_pool *pool;
	struct fqa_segment one;
	struct fqa_segment *segments;	/* &one, or an array */
	unsigned int count;
	u32 first_bytes;		/* of the first segment */
	u64 charged;
};

/* Blocks that many short lists share, since to free each of them would take long. */
struct fqa_pack {
	struct fqa_segment *blocks;	/* room for max of them; of large_pool */
	unsigned int max;
	unsigned int count;
	unsigned int used;		/* bytes of the last one */
};

struct fqa_buffer {
	struct fqa_object obj;
	struct fqa_memory *memory;
	u64 length;			/* of whole pages, unless it is imported */
	u32 flags;
	bool imported;			/* cannot be mapped or exported: its dma-buf can */
};

struct fqa_model_info {
	u64 image_bytes;
	u64 arena_bytes;
	u64 input_bytes;
	u64 output_bytes;
	u64 cycles;
	u64 weights;
	u32 layers;
	u32 classes;
};

struct fqa_model {
	struct fqa_object obj;
	struct list_head node;		/* in card->models */
	struct fqa_memory *image;
	u64 length;
	struct fqa_sglist list;		/* of the image */
	struct fqa_hw_model_info *hw_info;	/* the card writes it; from small_pool */
	dma_addr_t hw_info_dma;
	struct fqa_model_info info;
	int slot;			/* -1: none */
	u64 charged;			/* card memory */
	bool on_card;			/* fqa_admin_cmd.ok of a LOAD; a reset clears it */
	bool dead;			/* could not be loaded again; under card->lock */
	struct fqa_rate rate;		/* of its runs; likewise */
	struct work_struct free_work;
	struct work_struct reap_work;
	struct fqa_admin_cmd *load;	/* for reap_work */
};

struct fqa_result {
	u64 cycles;
	s32 status;
	u32 card_status;
	u32 layer;
	u32 offset;
	bool finished;
};

/* A user queue; under card->lock unless said otherwise. */
struct fqa_queue {
	struct fqa_object obj;
	struct list_head node;		/* in ctx->queues */
	struct list_head ready_node;	/* in flow->ready */
	struct fqa_flow *flow;		/* constant: that of its priority */
	struct list_head pending;	/* runs that have not started */
	struct list_head groups;	/* of SUBMITs whose end somebody is told of; in order */
	wait_queue_head_t wait;		/* a run finished, or the queue was closed */
	u32 depth;			/* constant */
	u32 kept;			/* constant: elements of results */
	u32 unfinished;
	bool closed;
	u64 last;			/* sequence number given out last */
	u64 completed;			/* it and all before it have finished */
	u64 armed;			/* poll() tells when completed gets there; 0: not armed */
	struct fqa_result *results;	/* by sequence number modulo kept */
};

/* What a run uses of the memory of its buffers, which hold it; NULL of a FQACCEL_RUN_NOP. */
struct fqa_use {
	struct fqa_memory *in;
	struct fqa_memory *out;
	u64 in_offset;
	u64 in_length;
	u64 out_offset;
	u64 out_length;
};

/* Pictures that the card gets at once. */
struct fqa_part {
	struct fqa_sglist in;
	struct fqa_sglist out;
	u32 batch;
};

struct fqa_run {
	struct list_head node;
	struct fqa_wait *wait;		/* its in-fence, or NULL; kernel/fence.h */
	struct fqa_group *group;	/* its SUBMIT's end that somebody is told of, or NULL */
	struct fqa_queue *queue;
	struct fqa_model *model;	/* it, in and out are NULL of a FQACCEL_RUN_NOP */
	struct fqa_buffer *in;
	struct fqa_buffer *out;
	struct fqa_part *parts;	/* &whole, or an array; NULL of a FQACCEL_RUN_NOP */
	struct fqa_part whole;
	u32 nr_parts;
	u32 part;		/* that the card has or gets next */
	u64 parts_charged;
	struct fqa_pack pack;	/* of the parts' lists */
	u64 worked_ns;		/* for how long the card had the parts before it */
	u64 part_ns;		/* and the last one that it had; usage.c */
	u64 expected;		/* for how long it should */
	u64 cost;		/* of fqa_fair_start(), while the card has it */
	struct fqa_use use;
	u32 first_layer;
	u32 layer_count;
	u32 batch;
	u64 sequence;
	u16 cid;
	bool given;		/* use is the card's, which it is before the run may start */
	bool started;
	bool guilty;		/* the card hung with it; the reset ends it */
	bool limited;		/* it took too long; an ABORT ends it */
	bool replayed;		/* a reset has met it once */
	bool owed;		/* and has not ended since; kernel/user.c */
	struct fqa_result result;
};

/* An ioctl under way. */
struct fqa_call {
	struct fqa_context *ctx;
	void __user *user;
	u32 user_size;
	u32 size;		/* of arg */
	void *arg;		/* the kernel's copy of the structure */
	struct fqa_uring *uring;	/* NULL: an ioctl */
	int idx;		/* of fqa_card_enter() */
};

/* main.c */
extern struct class fqa_class;
extern struct workqueue_struct *fqa_wq;
int fqa_minor_alloc(void);
void fqa_minor_free(int minor);
dev_t fqa_devt(int minor);
extern struct workqueue_struct *fqa_recovery_wq;
u64 fqa_buffer_limit(void);
u64 fqa_user_limit(void);
unsigned int fqa_hang_ms(void);
unsigned int fqa_run_limit_ms(void);
unsigned int fqa_part_ms(void);
unsigned int fqa_backoff_max_ms(void);
unsigned int fqa_max_segment(void);

/* pci.c */
int fqa_pci_register(void);
void fqa_pci_unregister(void);
void fqa_irqs_disable(struct fqa_card *card);
void fqa_irqs_enable(struct fqa_card *card);

/* card.c */
struct fqa_card *fqa_card_create(struct pci_dev *pdev);
int fqa_card_start(struct fqa_card *card);
void fqa_card_hide(struct fqa_card *card);
void fqa_card_kill(struct fqa_card *card);
void fqa_card_drain(struct fqa_card *card);
int fqa_card_enter(struct fqa_card *card) __acquires(&card->srcu);
void fqa_card_exit(struct fqa_card *card, int idx) __releases(&card->srcu);
int fqa_card_wait_live(struct fqa_card *card);
void fqa_cards_wait_gone(void);

static inline bool fqa_card_is_dead(const struct fqa_card *card)
{
	return READ_ONCE(card->state) == FQA_STATE_DEAD;
}

/* watchdog.c */
unsigned long fqa_watchdog_interval(void);
void fqa_watchdog_work(struct work_struct *work);

/* reset.c */
void fqa_reset_request(struct fqa_card *card, const char *why);
bool fqa_reset_claim(struct fqa_card *card, const char *fmt, ...) __printf(2, 3);
void fqa_reset_queue(struct fqa_card *card);
void fqa_reset_forbid(struct fqa_card *card);
void fqa_reset_check(struct fqa_card *card);
void fqa_reset_hold(struct fqa_card *card);
void fqa_reset_release(struct fqa_card *card);
void fqa_reset_stop(struct fqa_card *card);
void fqa_reset_work(struct work_struct *work);
int fqa_reset_start(struct fqa_card *card);

/* err.c */
extern const struct pci_error_handlers fqa_err_handlers;
void fqa_err_unbind(struct pci_dev *pdev);
void fqa_err_work(struct work_struct *work);

/* A register that coredumps and debugfs show. */
struct fqa_register {
	const char *name;		/* NULL ends the table */
	u32 reg;
	bool wide;
};

/* usage.c */
void fqa_usage_begin(struct fqa_hwq *hwq);
u64 fqa_usage_end(struct fqa_hwq *hwq, const struct fqa_run *run);
void fqa_usage_count(struct fqa_context *ctx, const struct fqa_result *result);
void fqa_usage_read(struct fqa_card *card, const struct fqa_context *ctx,
		    struct fqa_usage *usage);
void fqa_show_fdinfo(struct seq_file *m, struct file *file);

/* debugfs.c */
void fqa_debugfs_init(void);
void fqa_debugfs_exit(void);
void fqa_debugfs_show(struct fqa_card *card);
void fqa_debugfs_hide(struct fqa_card *card);

/* sysfs.c */
extern const struct attribute_group *fqa_card_groups[];

/* coredump.c */
extern const struct fqa_register fqa_registers[];
int fqa_coredump_init(struct fqa_card *card);
void fqa_coredump_exit(struct fqa_card *card);
void fqa_coredump_take(struct fqa_card *card);
void fqa_announce_work(struct work_struct *work);

/* chardev.c */
extern const struct file_operations fqa_fops;
long fqa_chardev_call(struct file *file, unsigned int cmd, void __user *user,
		      struct fqa_uring *uring);
int fqa_call_copy(struct fqa_call *call, void *to, const void __user *from, u32 size,
		  u32 user_size);
int fqa_call_respond(struct fqa_call *call);
void fqa_call_pause(struct fqa_call *call) __releases(&call->ctx->card->srcu);
int fqa_call_resume(struct fqa_call *call) __acquires(&call->ctx->card->srcu);

/* context.c */
struct fqa_context *fqa_context_create(struct fqa_card *card);
void fqa_context_get(struct fqa_context *ctx);
void fqa_context_put(struct fqa_context *ctx);
void fqa_context_close(struct fqa_context *ctx);
void fqa_context_ban(struct fqa_context *ctx, struct list_head *done);
bool fqa_context_blame(struct fqa_context *ctx, struct list_head *done);
int fqa_context_charge_buffer(struct fqa_context *ctx, u64 bytes);
void fqa_context_uncharge_buffer(struct fqa_context *ctx, u64 bytes);
int fqa_context_charge_memory(struct fqa_context *ctx, u64 bytes);
void fqa_context_uncharge_memory(struct fqa_context *ctx, u64 bytes);
void fqa_object_init(struct fqa_object *obj, struct fqa_context *ctx,
		     enum fqa_object_type type, void (*free)(struct fqa_object *obj));
int fqa_object_reserve(struct fqa_object *obj);
int fqa_object_publish(struct fqa_object *obj, struct fqa_call *call);
struct fqa_object *fqa_object_find(struct fqa_context *ctx, u32 handle,
				   enum fqa_object_type type);
void fqa_object_get(struct fqa_object *obj);
void fqa_object_put(struct fqa_object *obj);
int fqa_object_destroy(struct fqa_call *call);

/* memory.c */
struct fqa_memory *fqa_memory_alloc(struct fqa_context *ctx, u64 length);
int fqa_memory_copy_in(struct fqa_memory *mem, const void __user *from, u64 length);
int fqa_memory_fill_table(struct fqa_memory *mem, struct device *dev, struct sg_table *table);
int fqa_memory_map(struct fqa_memory *mem, enum dma_data_direction dir);
bool fqa_memory_allows(const struct fqa_memory *mem, enum dma_data_direction dir);
void fqa_memory_get(struct fqa_memory *mem);
void fqa_memory_put(struct fqa_memory *mem);
void fqa_memory_unmap_all(struct fqa_card *card);
void fqa_memory_sync_device(struct fqa_memory *mem, u64 offset, u64 length);
void fqa_memory_sync_cpu(struct fqa_memory *mem, u64 offset, u64 length);
void fqa_pieces_init(struct fqa_pieces *it, struct fqa_memory *mem, u64 offset, u64 length);
bool fqa_pieces_next(struct fqa_pieces *it);

/* sglist.c */
int fqa_sglist_build(struct fqa_context *ctx, struct fqa_sglist *list,
		     struct fqa_memory *mem, u64 offset, u64 length);
int fqa_sglist_build_next(struct fqa_context *ctx, struct fqa_sglist *list,
			  struct fqa_pack *pack, struct fqa_pieces *it, u64 length);
int fqa_pack_init(struct fqa_pack *pack, unsigned int lists);
void fqa_pack_free(struct fqa_context *ctx, struct fqa_pack *pack);
void fqa_sglist_free(struct fqa_context *ctx, struct fqa_sglist *list);
void fqa_sglist_describe(const struct fqa_sglist *list, struct fqa_hw_list *hw);

/* import.c */
struct fqa_memory *fqa_import(struct fqa_card *card, struct dma_buf *dmabuf,
			      enum dma_data_direction dir);
void fqa_import_free(struct fqa_memory *mem);
void fqa_imports_release(struct fqa_card *card);

/* dmabuf.c */
struct dma_buf *fqa_dmabuf_export(struct fqa_memory *mem);
struct fqa_memory *fqa_dmabuf_memory(struct dma_buf *dmabuf);

/* buffer.c */
int fqa_buffer_create(struct fqa_call *call);
int fqa_buffer_export(struct fqa_call *call);
int fqa_buffer_import(struct fqa_call *call);
int fqa_buffer_mmap(struct fqa_context *ctx, struct vm_area_struct *vma);

/* load.c */
int fqa_model_load(struct fqa_call *call);

/* model.c */
struct fqa_model *fqa_model_create(struct fqa_context *ctx, u64 length);
int fqa_model_copy_in(struct fqa_model *model, const void __user *from);
int fqa_model_prepare(struct fqa_model *model);
struct fqa_admin_cmd *fqa_model_load_cmd(struct fqa_model *model, bool internal);
int fqa_model_load_submit(struct fqa_model *model, struct fqa_admin_cmd *cmd);
int fqa_model_read_info(struct fqa_model *model);
void fqa_models_forget(struct fqa_card *card);
int fqa_models_reload(struct fqa_card *card);
void fqa_models_unmap(struct fqa_card *card);

/* queue.c */
int fqa_queue_create(struct fqa_call *call);
void fqa_queue_close(struct fqa_queue *queue);
int fqa_queue_wait(struct fqa_call *call);
u32 fqa_queue_room(const struct fqa_queue *queue);
void fqa_queue_record(struct fqa_queue *queue, const struct fqa_run *run);

/* run.c */
struct fqa_run *fqa_run_prepare(struct fqa_context *ctx, struct fqa_queue *queue,
				const struct fqaccel_run *user);
void fqa_use_sync_device(const struct fqa_use *use);
u32 fqa_run_model(const struct fqa_run *run);
void fqa_run_command(const struct fqa_run *run, struct fqa_hw_command *cmd);
void fqa_run_set_verdict(struct fqa_run *run, const struct fqa_verdict *verdict);
void fqa_run_set_status(struct fqa_run *run, int status);
void fqa_run_free(struct fqa_run *run);

/* part.c */
int fqa_parts_build(struct fqa_context *ctx, struct fqa_run *run,
		    const struct fqaccel_run *user);
void fqa_parts_free(struct fqa_context *ctx, struct fqa_run *run);
u64 fqa_part_ns(struct fqa_run *run);
void fqa_part_learn(struct fqa_run *run, u64 cycles);
bool fqa_part_next(struct fqa_run *run);

/* submit.c */
int fqa_submit(struct fqa_call *call);

/* sched.c */
void fqa_sched_add(struct fqa_run *run);
void fqa_sched_wake_queue(struct fqa_queue *queue);
void fqa_sched_dispatch(struct fqa_card *card, struct list_head *done);
void fqa_sched_kick(struct fqa_card *card);
void fqa_sched_return(struct fqa_run *run);
void fqa_sched_go_on(struct fqa_run *run);
void fqa_sched_start(struct fqa_run *run);
void fqa_sched_end(struct fqa_run *run);
void fqa_sched_init_context(struct fqa_context *ctx);
void fqa_sched_take_queue(struct fqa_queue *queue, int status, struct list_head *done);
void fqa_sched_take_group(struct fqa_group *group, int status, struct list_head *done);
void fqa_sched_finish(struct fqa_card *card, struct list_head *done);

#endif
