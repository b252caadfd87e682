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

#endif
