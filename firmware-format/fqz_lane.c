// SPDX-License-Identifier: MIT
/* A segment while it is decoded: FORMAT.md section 6.2. */
#include "fqz_coder.h"

void fqz_lane_init(struct fqz_lane *lane, const uint8_t *in, size_t size, uint8_t *out,
		   size_t count, size_t first)
{
	memset(lane, 0, sizeof(*lane));
	lane->in = in;
	lane->size = size;
	lane->out = out;
	lane->count = count;
	lane->first = first;
}

void fqz_lane_stop(struct fqz_lane *lane, enum fqz_segment_result result, size_t where)
{
	lane->result = result;
	lane->where = where;
}

void fqz_lane_budget(struct fqz_lane *lane, size_t budget)
{
	lane->stop = lane->count - lane->n < budget ? lane->count : lane->n + budget;
}

void fqz_lane_clear(struct fqz_lane *lane)
{
	size_t end = lane->count - lane->stop < FQZ_MAX_RUN ? lane->count :
							       lane->stop + FQZ_MAX_RUN;

	if (end <= lane->cleared)
		return;
	memset(lane->out + lane->cleared, 0, end - lane->cleared);
	lane->cleared = end;
}

bool fqz_lane_check_end(struct fqz_lane *lane, bool msb_first)
{
	size_t end = (size_t)((lane->pos + 7) >> 3);
	uint32_t rest = (uint32_t)(8 * (uint64_t)end - lane->pos), fill;

	if (end < lane->size) {
		fqz_lane_stop(lane, FQZ_SEGMENT_BYTES, end);
		return false;
	}
	fill = msb_first ? (1u << rest) - 1 : 0xff00u >> rest & 0xffu;
	if (end && lane->in[end - 1] & fill) {
		fqz_lane_stop(lane, FQZ_SEGMENT_BITS, end - 1);
		return false;
	}
	fqz_lane_stop(lane, FQZ_SEGMENT_OK, end);
	return true;
}
