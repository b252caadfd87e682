/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernels, so that nothing else has to know. FQA_HAS_* come from
 * kernel/Kbuild.probe, which looks for features, since distributions move them
 * between versions.
 */
#ifndef FQA_COMPAT_H
#define FQA_COMPAT_H

/* A tracepoint's string is known from __string() since __assign_str() has one argument. */
#ifdef FQA_HAS_ASSIGN_STR_1
#define fqa_assign_str(dst, src)	__assign_str(dst)
#else
#define fqa_assign_str(dst, src)	__assign_str(dst, src)
#endif

/* The namespace of what a module may use is a string now, and was a token. */
#ifdef FQA_HAS_IMPORT_NS_STRING
#define FQA_IMPORT_NS(ns)	MODULE_IMPORT_NS(#ns)
#else
#define FQA_IMPORT_NS(ns)	MODULE_IMPORT_NS(ns)
#endif

/* Before there were unlocked variants, the plain ones took no lock. */
#ifndef FQA_HAS_DMA_BUF_MAP_UNLOCKED
#define dma_buf_map_attachment_unlocked		dma_buf_map_attachment
#define dma_buf_unmap_attachment_unlocked	dma_buf_unmap_attachment
#endif

#ifdef FQA_HAS_URING_SQE_TYPE
#define fqa_io_uring_sqe_cmd(sqe, type)	io_uring_sqe_cmd(sqe, type)
#else
#define fqa_io_uring_sqe_cmd(sqe, type)	((const type *)io_uring_sqe_cmd(sqe))
#endif

/* FQA_URING_TASK_WORK(NAME, FN): what io_uring calls, to call FN(command, issue flags). */
#ifdef FQA_HAS_URING_TW_REQ
#define FQA_URING_TASK_WORK(_name, _fn)					\
static void _name(struct io_tw_req tw_req, io_tw_token_t token)		\
{									\
	_fn(io_uring_cmd_from_tw(tw_req), IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);	\
}
#else
#define FQA_URING_TASK_WORK(_name, _fn)					\
static void _name(struct io_uring_cmd *cmd, unsigned int issue_flags)	\
{									\
	_fn(cmd, issue_flags);						\
}
#endif

/* @extra is for completions of 32 bytes, which others do not get. */
#ifdef FQA_HAS_URING_DONE32
#define fqa_io_uring_cmd_done(cmd, ret, extra, issue_flags, wide)	\
	__io_uring_cmd_done(cmd, ret, extra, issue_flags, wide)
#else
#define fqa_io_uring_cmd_done(cmd, ret, extra, issue_flags, wide)	\
	((void)(wide), io_uring_cmd_done(cmd, ret, extra, issue_flags))
#endif

#endif
