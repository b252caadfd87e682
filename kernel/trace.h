/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: a run's way (submit, start, complete) and resets. Numbers are those that
 * debugfs and fdinfo show: client is fdinfo's drm-client-id, queue and model are
 * handles of that open file.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM fqaccel

#if !defined(FQA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define FQA_TRACE_H

#include <linux/tracepoint.h>

#include "compat.h"
#include "fqa.h"

/*
 * Which run it is: in all of a run's events, which have nothing else in common and so are no
 * event class.
 */
#define FQA_RUN_ENTRY								\
		__string(dev, dev_name(&run->queue->obj.ctx->card->dev))	\
		__field(u64, client)						\
		__field(u64, sequence)						\
		__field(u32, queue)
#define FQA_RUN_ASSIGN								\
		fqa_assign_str(dev, dev_name(&run->queue->obj.ctx->card->dev));	\
		__entry->client = run->queue->obj.ctx->id;			\
		__entry->sequence = run->sequence;				\
		__entry->queue = run->queue->obj.handle
#define FQA_RUN_FMT	"dev=%s client=%llu queue=%u sequence=%llu"
#define FQA_RUN_ARGS								\
		__get_str(dev), __entry->client, __entry->queue, __entry->sequence

TRACE_EVENT(fqa_run_submit,
	TP_PROTO(const struct fqa_run *run),
	TP_ARGS(run),
	TP_STRUCT__entry(
		FQA_RUN_ENTRY
		__field(u32, model)
		__field(u32, batch)
		__field(u32, waiting)
	),
	TP_fast_assign(
		FQA_RUN_ASSIGN;
		__entry->model = fqa_run_model(run);
		__entry->batch = run->batch;
		__entry->waiting = run->queue->unfinished;
	),
	TP_printk(FQA_RUN_FMT " model=%u batch=%u unfinished=%u",
		  FQA_RUN_ARGS, __entry->model, __entry->batch, __entry->waiting)
);

TRACE_EVENT(fqa_run_start,
	TP_PROTO(const struct fqa_run *run, u16 qid),
	TP_ARGS(run, qid),
	TP_STRUCT__entry(
		FQA_RUN_ENTRY
		__field(u16, qid)
		__field(u16, cid)
		__field(u64, expected)
		__field(u32, part)
		__field(u32, parts)
	),
	TP_fast_assign(
		FQA_RUN_ASSIGN;
		__entry->qid = qid;
		__entry->cid = run->cid;
		__entry->expected = run->expected;
		__entry->part = run->part + 1;
		__entry->parts = max(run->nr_parts, 1U);
	),
	TP_printk(FQA_RUN_FMT " qid=%u cid=0x%04x part=%u/%u expected_ns=%llu",
		  FQA_RUN_ARGS, __entry->qid, __entry->cid, __entry->part, __entry->parts,
		  __entry->expected)
);

TRACE_EVENT(fqa_run_complete,
	TP_PROTO(const struct fqa_run *run),
	TP_ARGS(run),
	TP_STRUCT__entry(
		FQA_RUN_ENTRY
		__field(u32, card_status)
		__field(u64, cycles)
		__field(s32, status)
	),
	TP_fast_assign(
		FQA_RUN_ASSIGN;
		__entry->cycles = run->result.cycles;
		__entry->card_status = run->result.card_status;
		__entry->status = run->result.status;
	),
	TP_printk(FQA_RUN_FMT " status=%d card_status=0x%02x cycles=%llu",
		  FQA_RUN_ARGS, __entry->status, __entry->card_status, __entry->cycles)
);

TRACE_EVENT(fqa_reset,
	TP_PROTO(struct fqa_card *card),
	TP_ARGS(card),
	TP_STRUCT__entry(
		__string(dev, dev_name(&card->dev))
		__string(why, card->reset_why)
	),
	TP_fast_assign(
		fqa_assign_str(dev, dev_name(&card->dev));
		fqa_assign_str(why, card->reset_why);
	),
	TP_printk("dev=%s why=\"%s\"", __get_str(dev), __get_str(why))
);

TRACE_EVENT(fqa_reset_done,
	TP_PROTO(struct fqa_card *card, int error),
	TP_ARGS(card, error),
	TP_STRUCT__entry(
		__string(dev, dev_name(&card->dev))
		__field(int, error)
	),
	TP_fast_assign(
		fqa_assign_str(dev, dev_name(&card->dev));
		__entry->error = error;
	),
	TP_printk("dev=%s error=%d", __get_str(dev), __entry->error)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
