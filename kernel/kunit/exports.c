// SPDX-License-Identifier: GPL-2.0
/* What the KUnit module calls; only in drivers for kernels that have KUnit. */
#include <linux/export.h>

#include "fqa.h"

EXPORT_SYMBOL_GPL(fqa_hw_read);
EXPORT_SYMBOL_GPL(fqa_ring_reset);
EXPORT_SYMBOL_GPL(fqa_ring_push);
EXPORT_SYMBOL_GPL(fqa_ring_waiting);
EXPORT_SYMBOL_GPL(fqa_ring_pop);
EXPORT_SYMBOL_GPL(fqa_ring_ack);

EXPORT_SYMBOL_GPL(fqa_pieces_init);
EXPORT_SYMBOL_GPL(fqa_pieces_next);
EXPORT_SYMBOL_GPL(fqa_sglist_build);
EXPORT_SYMBOL_GPL(fqa_sglist_build_next);
EXPORT_SYMBOL_GPL(fqa_sglist_free);
EXPORT_SYMBOL_GPL(fqa_sglist_describe);

EXPORT_SYMBOL_GPL(fqa_admin_init);
EXPORT_SYMBOL_GPL(fqa_admin_set_mode);
EXPORT_SYMBOL_GPL(fqa_admin_alloc);
EXPORT_SYMBOL_GPL(fqa_admin_submit);
EXPORT_SYMBOL_GPL(fqa_admin_put);
EXPORT_SYMBOL_GPL(fqa_admin_poll);
EXPORT_SYMBOL_GPL(fqa_admin_fail_all);
EXPORT_SYMBOL_GPL(fqa_hwq_pick);
EXPORT_SYMBOL_GPL(fqa_hwq_start);

EXPORT_SYMBOL_GPL(fqa_context_charge_buffer);
EXPORT_SYMBOL_GPL(fqa_context_uncharge_buffer);
EXPORT_SYMBOL_GPL(fqa_context_charge_memory);
EXPORT_SYMBOL_GPL(fqa_context_uncharge_memory);
EXPORT_SYMBOL_GPL(fqa_queue_room);
EXPORT_SYMBOL_GPL(fqa_queue_record);

EXPORT_SYMBOL_GPL(fqa_sched_init_context);
EXPORT_SYMBOL_GPL(fqa_rate_init);
EXPORT_SYMBOL_GPL(fqa_rate_learn);
EXPORT_SYMBOL_GPL(fqa_rate_estimate);
EXPORT_SYMBOL_GPL(fqa_part_batch);
EXPORT_SYMBOL_GPL(fqa_fair_init);
EXPORT_SYMBOL_GPL(fqa_share_init);
EXPORT_SYMBOL_GPL(fqa_fair_enter);
EXPORT_SYMBOL_GPL(fqa_fair_leave);
EXPORT_SYMBOL_GPL(fqa_fair_first);
EXPORT_SYMBOL_GPL(fqa_fair_start);
EXPORT_SYMBOL_GPL(fqa_fair_end);
