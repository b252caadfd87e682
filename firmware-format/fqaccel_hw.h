/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Registers, commands and completions of the fqaccel card, as CARD.md defines
 * them. The kernel driver, the card and its tests include this one file.
 * Everything is little-endian.
 */
#ifndef FQACCEL_HW_H
#define FQACCEL_HW_H

#include <linux/types.h>

/* CARD.md section 2: PCI identity. */
#define FQA_PCI_VENDOR		0x1234
#define FQA_PCI_DEVICE		0x4651
#define FQA_PCI_CLASS		0x120000
#define FQA_PCI_REVISION	0x01
#define FQA_BAR_REGS		0
#define FQA_BAR_MSIX		4
#define FQA_BAR_REGS_SIZE	0x4000

/* CARD.md section 3: registers, offsets in BAR0. */
#define FQA_REG_ID		0x0000	/* 32 ro */
#define FQA_REG_VERSION		0x0004	/* 32 ro: major << 16 | minor */
#define FQA_REG_CAP		0x0008	/* 64 ro */
#define FQA_REG_FEATURES	0x0010	/* 64 ro */
#define FQA_REG_MEM_SIZE	0x0018	/* 64 ro: bytes */
#define FQA_REG_LANES		0x0020	/* 32 ro */
#define FQA_REG_CLOCK_KHZ	0x0024	/* 32 ro */
#define FQA_REG_FORMAT		0x0028	/* 32 ro: .fqz major << 16 | minor */
#define FQA_REG_FIRMWARE	0x002c	/* 32 ro: major << 24 | minor << 16 | patch */
#define FQA_REG_CONTROL		0x0030	/* 32 rw */
#define FQA_REG_STATUS		0x0034	/* 32 ro */
#define FQA_REG_ADMIN_SIZE	0x0038	/* 32 rw: (cq entries - 1) << 16 | (sq entries - 1) */
#define FQA_REG_SLOTS		0x003c	/* 32 ro */
#define FQA_REG_ADMIN_SQ	0x0040	/* 64 rw */
#define FQA_REG_ADMIN_CQ	0x0048	/* 64 rw */
#define FQA_REG_MEM_FREE	0x0050	/* 64 ro: bytes */
#define FQA_REG_PROGRESS(q)	(0x1000 + 8 * (q))		/* 32 ro */
#define FQA_REG_SQ_TAIL(q)	(0x2000 + 8 * (q))		/* 32 wo */
#define FQA_REG_CQ_HEAD(q)	(0x2000 + 8 * (q) + 4)		/* 32 wo */

#define FQA_ID			0x31415146	/* "FQA1" */
#define FQA_VERSION_MAJOR	1
#define FQA_VERSION_MINOR	0

#define FQA_CAP_MAX_ENTRIES(cap)	(((cap) & 0xffff) + 1)		/* of a queue */
#define FQA_CAP_IO_QUEUES(cap)		(((cap) >> 16) & 0xff)
#define FQA_CAP_READY_MS(cap)		((((cap) >> 24) & 0xff) * 100)

#define FQA_CONTROL_ENABLE	0x1

#define FQA_STATUS_READY	0x1
#define FQA_STATUS_FATAL	0x2
#define FQA_STATUS_CAUSE(s)	(((s) >> 8) & 0xff)

/* Causes of FQA_STATUS_FATAL, section 3.4. */
#define FQA_FATAL_NONE		0
#define FQA_FATAL_ADMIN		1	/* enabled with a bad admin queue */
#define FQA_FATAL_SQ_DMA	2	/* a submission ring could not be read */
#define FQA_FATAL_CQ_DMA	3	/* a completion ring could not be written */
#define FQA_FATAL_DOORBELL	4	/* a doorbell value outside its ring */

#define FQA_MAX_IO_QUEUES	64
#define FQA_MAX_ENTRIES		4096
#define FQA_MAX_SLOTS		256
#define FQA_MAX_SCATTER		65536		/* data entries of one list */
#define FQA_DMA_PIECE		65536		/* the card's largest single transfer */

/* CARD.md section 5: scatter lists. */
struct fqa_hw_sge {
	__le64 addr;
	__le32 len;
	__le32 flags;
};

#define FQA_SGE_LINK		0x1	/* addr, len: the next segment of the list */

struct fqa_hw_list {
	__le64 addr;		/* of the first segment, 16-byte aligned */
	__le32 len;		/* its bytes, a multiple of 16 */
	__le32 reserved;
};

/* CARD.md section 6: commands, 64 bytes. */
#define FQA_OP_NOP		0x00	/* admin and I/O */
#define FQA_OP_CREATE_QUEUE	0x01	/* admin */
#define FQA_OP_DELETE_QUEUE	0x02	/* admin */
#define FQA_OP_LOAD		0x03	/* admin */
#define FQA_OP_UNLOAD		0x04	/* admin */
#define FQA_OP_ABORT		0x05	/* admin */
#define FQA_OP_GET_LOG		0x06	/* admin */
#define FQA_OP_GET_STATS	0x07	/* admin */
#define FQA_OP_RUN		0x80	/* I/O */

struct fqa_hw_command {
	__u8 opcode;
	__u8 flags;		/* 0 */
	__le16 cid;
	__le32 slot;		/* LOAD, UNLOAD, RUN; else 0 */
	union {
		struct {
			__le64 sq;
			__le64 cq;
			__le16 qid;
			__le16 sq_entries;
			__le16 cq_entries;
			__le16 vector;
			__u8 reserved[32];
		} create_queue;
		struct {
			__le16 qid;
			__u8 reserved[54];
		} delete_queue;
		struct {
			struct fqa_hw_list image;
			__le64 length;		/* of the image, the list's total */
			__le64 info;		/* struct fqa_hw_model_info goes here; 0: nowhere */
			__u8 reserved[24];
		} load;
		struct {
			__le16 qid;
			__le16 cid;
			__u8 reserved[52];
		} abort;
		struct {
			__le64 addr;
			__le32 len;		/* bytes there is room for */
			__u8 reserved[44];
		} get;
		struct {
			__le32 first_layer;
			__le32 layer_count;
			__le32 batch;
			__le32 reserved0;
			struct fqa_hw_list in;
			struct fqa_hw_list out;
			__u8 reserved[8];
		} run;
		__u8 raw[56];
	};
};

/* CARD.md section 7: completions, 32 bytes. */
struct fqa_hw_completion {
	__le64 result;
	__le32 layer;		/* FQA_NO_LAYER where there is none */
	__le32 offset;
	__le32 reason;		/* BAD_IMAGE: FORMAT.md section 10 */
	__le32 reserved;
	__le16 sq_head;
	__le16 qid;
	__le16 cid;
	__le16 status;		/* bit 0: phase; bits 15 to 1: FQA_SC_* */
};

#define FQA_NO_LAYER		0xffffffff
#define FQA_PHASE(status)	((status) & 1)
#define FQA_STATUS_CODE(status)	((status) >> 1)

#define FQA_SC_OK		0x00
#define FQA_SC_BAD_OPCODE	0x01
#define FQA_SC_BAD_FIELD	0x02
#define FQA_SC_BAD_QUEUE	0x03
#define FQA_SC_BAD_SLOT		0x04
#define FQA_SC_SLOT_IN_USE	0x05
#define FQA_SC_SLOT_BUSY	0x06
#define FQA_SC_CID_IN_USE	0x07
#define FQA_SC_NOT_FOUND	0x08
#define FQA_SC_DMA_FAULT	0x10
#define FQA_SC_BAD_LIST		0x11
#define FQA_SC_BAD_LENGTH	0x12
#define FQA_SC_BAD_IMAGE	0x20
#define FQA_SC_NO_MEMORY	0x21
#define FQA_SC_BAD_RANGE	0x22
#define FQA_SC_ABORTED		0x30
#define FQA_SC_INTERNAL		0x3f

/* CARD.md section 6.4: what LOAD writes to its info address. */
struct fqa_hw_model_info {
	__le64 image_bytes;	/* card memory that the image takes */
	__le64 arena_bytes;	/* card memory that one RUN takes */
	__le64 input_bytes;	/* of one picture, all layers */
	__le64 output_bytes;
	__le64 cycles;		/* of one picture, all layers */
	__le64 weights;
	__le32 layers;
	__le32 classes;
	__le64 reserved;
};

/* CARD.md section 6.7: GET_LOG, newest entry first. */
struct fqa_hw_log_entry {
	__le64 time_ns;		/* since power-on */
	__le64 sequence;	/* from 1; 0: no entry */
	__le16 qid;
	__le16 cid;
	__u8 opcode;
	__u8 reserved0;
	__le16 status;		/* FQA_SC_*, without phase */
	__le32 slot;
	__le32 layer;
	__le32 offset;
	__le32 reason;
	__le64 result;
	__u8 reserved[16];
};

#define FQA_LOG_ENTRIES		32

/* CARD.md section 6.8: GET_STATS, counters since power-on. */
struct fqa_hw_stats {
	__le64 commands;
	__le64 errors;
	__le64 runs;
	__le64 pictures;
	__le64 cycles;
	__le64 bytes_read;
	__le64 bytes_written;
	__le64 interrupts;
	__le64 resets;
	__le64 images;		/* loaded now */
	__le64 reserved[6];
};

#endif
