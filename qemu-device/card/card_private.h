/* SPDX-License-Identifier: MIT */
/* What the card's files share. Hosts include card.h alone. */
#ifndef CARD_PRIVATE_H
#define CARD_PRIVATE_H

#include "card.h"
#include "exec.h"
#include "memory.h"
#include "fqaccel_hw.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/queue.h>

#define CARD_FIRMWARE		0x00010000u	/* 0.1.0 */
#define CARD_READY_UNITS	20u		/* CAP 31:24: READY follows ENABLE within 2 s */
#define CARD_MAX_OUTSTANDING	256u		/* commands of a queue read, not completed */
#define CARD_STEP_BUDGET	16		/* DMA transfers of one card_step() */
#define CARD_LIST_LAYER		0xfffffffeu	/* CARD.md 7: a fault reading a list itself */
#define CARD_QUEUES		(FQA_MAX_IO_QUEUES + 1)

/* What a command's advance() says. */
enum card_advance {
	CARD_DONE,	/* cmd->done holds its completion */
	CARD_AGAIN,	/* did something, can do more at once */
	CARD_WAIT,	/* nothing to do until an event */
};

/* A completion before it is posted, in the CPU's byte order. */
struct card_result {
	uint16_t status;
	uint32_t layer, offset, reason;
	uint64_t result;
};

struct card_sg {
	uint64_t addr;
	uint32_t len;
};

/*
 * A scatter list, read from the host once: what the host does to it later has
 * no effect. Then a cursor that walks the data.
 */
struct card_list {
	struct card_sg *sg;
	uint32_t count, room;
	uint64_t total;			/* bytes of all entries */
	uint64_t segment_addr;		/* the segment to be read next */
	uint32_t segment_len;		/* 0: all are read */
	uint32_t entries;		/* read so far, links counted */
	uint32_t at, at_done;		/* cursor: entry, bytes of it moved */
	uint64_t moved;
};

struct card_command;

/*
 * The long part of a LOAD or a RUN, computed by a worker. It owns everything that
 * the worker uses, so it can outlive its command: then command is NULL, the
 * result is dropped, and card_work_end() releases it.
 */
struct card_work {
	struct card *card;
	struct card_command *command;
	void (*run)(struct card_work *work);
	/* Give back what card->slots[] or its counters know of it; optional. */
	void (*detach)(struct card *card, struct card_work *work);
	void (*release)(struct card *card, struct card_work *work);
	bool in_flight;
	bool waiting;			/* for memory that other commands hold */
	uint64_t waiting_since;		/* ns */
	struct card_tick tick;
};

struct card_command {
	TAILQ_ENTRY(card_command) link;
	struct card_queue *queue;
	struct fqa_hw_command hw;
	uint16_t cid;
	bool finished;			/* its completion waits to be posted */
	bool hung;			/* CARD_FAULT_HANG: only a reset ends it */
	struct card_command *target;	/* ABORT: the command waited for */
	struct card_work *work;		/* LOAD, RUN */
	enum card_advance (*advance)(struct card *card, struct card_command *cmd);
	struct card_result done;
};

TAILQ_HEAD(card_command_list, card_command);

struct card_queue {
	uint16_t id;
	bool exists, deleting, interrupt;
	uint16_t vector;
	uint64_t sq, cq;
	uint32_t sq_entries, cq_entries;
	uint32_t sq_head, sq_tail;
	uint32_t cq_head, cq_tail, cq_used;
	bool phase;
	uint32_t progress;
	uint32_t outstanding;
	struct card_command_list active;	/* read, not finished, in order */
	struct card_command_list finished;	/* waiting for room in the completion ring */
};

/* A loaded image. It lives until its slot and the last RUN have let go of it. */
struct card_image {
	uint32_t refs;
	uint32_t runs;			/* commands that use it */
	struct card_model *model;
	uint64_t decoded;		/* of the model, as counted in card->decoded */
	struct card_block image, arena;
	bool arena_taken;		/* by a RUN */
};

struct card_slot {
	struct card_image *image;	/* NULL: empty */
	bool loading;
};

enum card_phase {
	CARD_OFF,		/* ENABLE is 0 */
	CARD_STARTING,		/* ENABLE is 1, waiting for old work to stop */
	CARD_READY,
	CARD_FATAL,
};

struct card {
	struct card_config config;
	struct card_host host;
	void *opaque;
	const struct card_exec *exec;

	/* Registers. */
	bool enable;
	uint32_t admin_size;
	uint64_t admin_sq, admin_cq;
	enum card_phase phase;
	uint8_t fatal_cause;
	bool fatal_interrupt;		/* still to be sent */
	bool asleep;			/* D3hot */

	struct card_queue queues[CARD_QUEUES];
	uint32_t next_queue;		/* round robin */
	struct card_slot slots[FQA_MAX_SLOTS];
	struct card_memory memory;
	uint64_t decoded;		/* bytes of decoded weights, all images */
	uint32_t extra_arenas;		/* arenas in use beside those reserved at LOAD */
	uint32_t loads_waiting;		/* for extra arenas to be freed */

	unsigned int in_flight;		/* work items with the host */
	unsigned int stale;		/* those of them without a command */
	int budget;			/* DMA transfers left in this step */
	bool again;			/* something happened that others may wait for */
	uint8_t *bounce;		/* FQA_DMA_PIECE bytes, for list segments */

	uint64_t faults[CARD_FAULT_GONE + 1];
	bool flip_pending;
	uint64_t flip_bit;

	struct {
		uint64_t commands, errors, runs, pictures, cycles;
		uint64_t bytes_read, bytes_written, interrupts, resets;
	} stats;
	uint64_t power_on_ns;
	uint64_t log_sequence;
	struct fqa_hw_log_entry log[FQA_LOG_ENTRIES];
};

/* card.c */
void card_log(struct card *card, enum card_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void card_kick(struct card *card);
bool card_dead(const struct card *card);
void card_fatal(struct card *card, uint8_t cause);
void card_controller_stop(struct card *card);
void card_controller_start(struct card *card);
bool card_fault_take(struct card *card, enum card_fault fault);
void card_fault_flip(struct card *card);

/* queue.c */
void card_queue_create(struct card *card, uint32_t id, uint64_t sq, uint32_t sq_entries,
		       uint64_t cq, uint32_t cq_entries, uint16_t vector);
void card_queue_destroy(struct card *card, struct card_queue *q);
bool card_queue_step(struct card *card, struct card_queue *q);
void card_queue_interrupt(struct card *card, struct card_queue *q);
void card_queue_moved(struct card_queue *q, const struct card_command *first);
uint32_t card_queue_progress(const struct card *card, const struct card_queue *q);
struct card_command *card_queue_find(const struct card_queue *q, uint16_t cid,
				     const struct card_command *except);
bool card_queue_doorbell(struct card_queue *q, bool completion, uint32_t value);
bool card_queue_delete(struct card *card, struct card_queue *q);

/* command.c */
enum card_advance card_command_start(struct card *card, struct card_command *cmd);
enum card_advance card_command_end(struct card_command *cmd, uint16_t status);
enum card_advance card_command_bad_field(struct card_command *cmd, uint32_t offset);
enum card_advance card_command_fail(struct card_command *cmd, uint16_t status,
				    uint32_t layer, uint32_t offset, uint64_t result);
bool card_command_zero(const struct card_command *cmd, uint32_t from, uint32_t to,
		       uint32_t *offset);
void card_command_finish(struct card *card, struct card_command *cmd);
void card_command_free(struct card *card, struct card_command *cmd);
void card_command_log(struct card *card, const struct card_command *cmd);

/* admin.c */
enum card_advance card_admin_start(struct card *card, struct card_command *cmd);

/* load.c */
enum card_advance card_load_start(struct card *card, struct card_command *cmd);
enum card_advance card_unload_start(struct card *card, struct card_command *cmd);
void card_image_put(struct card *card, struct card_image *image);

/* run.c */
enum card_advance card_run_start(struct card *card, struct card_command *cmd);

/* work.c */
void card_work_init(struct card *card, struct card_command *cmd, struct card_work *work);
void card_work_submit(struct card *card, struct card_work *work);
void card_work_forget(struct card *card, struct card_command *cmd);

/* dma.c */
int card_dma_read(struct card *card, uint64_t addr, void *buf, size_t len);
int card_dma_write(struct card *card, uint64_t addr, const void *buf, size_t len);
int card_data_write(struct card *card, uint64_t addr, const void *buf, size_t len);
uint32_t card_list_check(const struct fqa_hw_list *hw);
void card_list_init(struct card_list *list, const struct fqa_hw_list *hw);
void card_list_free(struct card_list *list);
enum card_advance card_list_read(struct card *card, struct card_list *list,
				 struct card_command *cmd);
enum card_advance card_list_move(struct card *card, struct card_list *list, uint8_t *mem,
				 uint64_t len, uint64_t *moved, bool to_card,
				 struct card_command *cmd);

#endif
