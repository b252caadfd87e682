/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The user interface of the fqaccel driver: character devices /dev/fqaccelN.
 *
 * Every ioctl takes a pointer to a structure whose first field, size, is the
 * structure's size as the caller knows it. A caller built against an older header passes
 * a smaller size, missing fields count as zero; one built against a newer
 * header may pass a larger one as long as what the kernel does not know is
 * zero. Errors of every ioctl:
 *
 *   -ENOTTY      unknown ioctl
 *   -EINVAL      size below the structure's first version, a bad value
 *   -E2BIG       size above what the kernel knows and the rest is not zero
 *   -EFAULT      memory that cannot be read or written
 *   -EOPNOTSUPP  an unknown flag, or a reserved or padding field that is not zero
 *   -ENOENT      a handle that is not an object of this open file, or of another kind
 *   -ENODEV      the card is gone or dead
 *   -ENOMEM      no memory
 *   -EINTR       (-ERESTARTSYS) a signal came while it waited
 *   -EBADFD      three runs of this open file hung the card within a minute, or six of its
 *                user's: it is closed for everything but INFO, WAIT and DESTROY. Another one
 *                can be opened, unless open() says -EBUSY
 *
 * Objects - buffers, models and queues - belong to one open file, have
 * handles of at least 1 that mean nothing in another open file, and go away with it.
 * Any number of threads may use one open file at once. The device may be
 * opened any number of times, by any number of processes.
 *
 * A user (the uid at open()) without CAP_SYS_RESOURCE has, in all its open files together, no
 * more than half of the card's memory and model slots, half of the RAM in buffers and
 * images (the driver's user_limit_mb), and four LOADs at a time. open():
 *
 *   -EMFILE      the user has 128 open files
 *   -EBUSY       six runs of the user hung the card within a minute: try again after a minute,
 *                and after twice as long each time that it happens again
 *   -ENODEV, -ENOMEM  as above
 *
 * Whatever a file is closed with, runs in progress included, is cleaned up in the
 * background; close() and exit never wait for the card.
 */
#ifndef _UAPI_FQACCEL_H
#define _UAPI_FQACCEL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define FQACCEL_ABI_VERSION	1

#define FQACCEL_IOC_TYPE	0xFA

#define FQACCEL_IOC_INFO		_IO(FQACCEL_IOC_TYPE, 0x00)
#define FQACCEL_IOC_DESTROY		_IO(FQACCEL_IOC_TYPE, 0x01)
#define FQACCEL_IOC_BUFFER_CREATE	_IO(FQACCEL_IOC_TYPE, 0x02)
#define FQACCEL_IOC_MODEL_LOAD		_IO(FQACCEL_IOC_TYPE, 0x03)
#define FQACCEL_IOC_QUEUE_CREATE	_IO(FQACCEL_IOC_TYPE, 0x04)
#define FQACCEL_IOC_SUBMIT		_IO(FQACCEL_IOC_TYPE, 0x05)
#define FQACCEL_IOC_WAIT		_IO(FQACCEL_IOC_TYPE, 0x06)
#define FQACCEL_IOC_BUFFER_EXPORT	_IO(FQACCEL_IOC_TYPE, 0x07)
#define FQACCEL_IOC_BUFFER_IMPORT	_IO(FQACCEL_IOC_TYPE, 0x08)

#define FQACCEL_FEATURE_FENCES	0x1	/* FQACCEL_SUBMIT_IN_FENCE, _OUT_FENCE */
#define FQACCEL_FEATURE_DMABUF	0x2	/* BUFFER_EXPORT, BUFFER_IMPORT */
#define FQACCEL_FEATURE_PRIORITY	0x4	/* fqaccel_queue_create.priority */
#define FQACCEL_FEATURE_NOP	0x8	/* FQACCEL_RUN_NOP */
#define FQACCEL_FEATURE_URING	0x10	/* SUBMIT through io_uring, on kernels that can cancel it */

/**
 * struct fqaccel_info - ioctl(FQACCEL_IOC_INFO): card and driver
 * @size:         sizeof(struct fqaccel_info)
 * @flags:        must be 0
 * @abi_version:  FQACCEL_ABI_VERSION of the driver
 * @hw_version:   of the card's interface, major << 16 | minor
 * @firmware:     major << 24 | minor << 16 | patch
 * @format:       newest .fqz version that the card takes, major << 16 | minor
 * @features:     of the driver, FQACCEL_FEATURE_*
 * @memory_size:  card memory in bytes
 * @memory_free:  of it, free now
 * @memory_quota: card memory that this open file's models may take in all; without
 *                CAP_SYS_RESOURCE its user's other open files have their part of it
 * @memory_used:  that they take
 * @buffer_limit: bytes of buffers and images that this open file may have in all; its user may
 *                have less, see above
 * @buffer_used:  that it has
 * @lanes:        of the datapath
 * @clock_khz:    of the datapath
 * @hw_queues:    queues of the card
 * @max_queues:   queues of an open file
 * @max_depth:    unfinished runs of a queue
 * @max_runs:     runs in one SUBMIT
 * @max_batch:    pictures in one run
 * @pci_domain:   address of the card
 * @pci_bdf:      bus << 8 | device << 3 | function
 * @pad:          0
 *
 * Never blocks.
 */
struct fqaccel_info {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 hw_version;
	__u32 firmware;
	__u32 format;
	__aligned_u64 features;
	__aligned_u64 memory_size;
	__aligned_u64 memory_free;
	__aligned_u64 memory_quota;
	__aligned_u64 memory_used;
	__aligned_u64 buffer_limit;
	__aligned_u64 buffer_used;
	__u32 lanes;
	__u32 clock_khz;
	__u32 hw_queues;
	__u32 max_queues;
	__u32 max_depth;
	__u32 max_runs;
	__u32 max_batch;
	__u32 pci_domain;
	__u32 pci_bdf;
	__u32 pad;
};

/**
 * struct fqaccel_destroy - ioctl(FQACCEL_IOC_DESTROY): give up an object
 * @size:   sizeof(struct fqaccel_destroy)
 * @handle: a buffer, model or queue; it names nothing from now on
 *
 * Runs that use the object keep it until they are done. A destroyed queue's
 * unfinished runs end with -ECANCELED if they have not started, or when a part of them that the
 * card has is done; a destroyed
 * buffer's mappings stay until they are unmapped. Waiters of a destroyed queue return -ECANCELED.
 * Never blocks on the card.
 */
struct fqaccel_destroy {
	__u32 size;
	__u32 handle;
};

/* Directions of a buffer. */
#define FQACCEL_BUFFER_CARD_READS	0x1	/* inputs */
#define FQACCEL_BUFFER_CARD_WRITES	0x2	/* outputs */

/**
 * struct fqaccel_buffer_create - ioctl(FQACCEL_IOC_BUFFER_CREATE): DMA memory
 * @size:   sizeof(struct fqaccel_buffer_create)
 * @flags:  FQACCEL_BUFFER_CARD_READS, _WRITES or both; -EINVAL for none
 * @length: bytes, at least 1; rounded up to pages
 * @handle: out
 * @pad:    must be 0
 * @offset: out: for mmap(MAP_SHARED) of the device; @length rounded up to pages can be mapped
 *
 * The memory is zeroed. -ENOSPC: above the open file's buffer_limit or its user's.
 * A 32-bit process, whose offsets end at 2^44, can map those of up to 128 MiB, and larger
 * ones of the first 127 handles.
 * mmap() fails with -EINVAL past the end, for a private mapping or an unknown
 * offset. Data written through a mapping before SUBMIT, or before the run's in-fence is signaled,
 * is seen by the run; the run's output is seen when WAIT has reported it, or its out-fence is
 * signaled.
 */
struct fqaccel_buffer_create {
	__u32 size;
	__u32 flags;
	__aligned_u64 length;
	__u32 handle;
	__u32 pad;
	__aligned_u64 offset;
};

/**
 * struct fqaccel_buffer_export - ioctl(FQACCEL_IOC_BUFFER_EXPORT): a dma-buf of a buffer
 * @size:   sizeof(struct fqaccel_buffer_export)
 * @flags:  must be 0
 * @handle: of a buffer
 * @fd:     out: descriptor of the dma-buf, O_RDWR | O_CLOEXEC
 *
 * Other devices and processes use the buffer's memory through it, without a copy. It
 * can be mapped, keeps the memory and what is charged for it whatever becomes of the handle,
 * the open file or the card, and its contents with it. A buffer may be exported
 * any number of times. Never blocks.
 *
 * CPU access to a mapping of the dma-buf belongs between DMA_BUF_IOCTL_SYNC's START and END, if
 * another device has the dma-buf mapped: they exchange data with that device. With the card, SUBMIT
 * and the end of a run do that, for the run's ranges, with or without them. SYNC does not wait for
 * runs: synchronization with them is explicit.
 *
 *   -EINVAL   an imported buffer: hand on the dma-buf itself
 *   -EMFILE, -ENFILE  no descriptor left
 */
struct fqaccel_buffer_export {
	__u32 size;
	__u32 flags;
	__u32 handle;
	__s32 fd;
};

/**
 * struct fqaccel_buffer_import - ioctl(FQACCEL_IOC_BUFFER_IMPORT): a buffer out of a dma-buf
 * @size:   sizeof(struct fqaccel_buffer_import)
 * @flags:  FQACCEL_BUFFER_CARD_READS, _WRITES or both; -EINVAL for none
 * @fd:     of the dma-buf; may be closed after the call
 * @handle: out
 * @length: out: bytes
 *
 * The dma-buf may be anybody's: a camera's, one of this driver's, of this or another open file or
 * card. The handle is for runs as any buffer's; to map the memory, map the dma-buf. Nothing
 * is charged for it, but it counts as a handle. What is in the dma-buf at SUBMIT, or when the run's
 * in-fence is signaled, is what the run reads, and the run's output is there when WAIT has
 * reported it; what its exporter asks for besides (DMA_BUF_IOCTL_SYNC around CPU access) is
 * between it and its users. Fences that hang on the dma-buf are not waited for.
 *
 * Memory of this card has its own directions: the import may have fewer, not more. Other
 * memory is mapped for the card once, however often it is imported, with the directions of
 * the first import, until the last is destroyed. When the card goes away, it goes back
 * to its exporter. May block (killable) until its exporter has it ready.
 *
 *   -EBADF    @fd is not open
 *   -EINVAL   @fd is not a dma-buf
 *   -EACCES   @fd is not open for reading (FQACCEL_BUFFER_CARD_READS) or writing (_WRITES);
 *             or memory of this card that was created without that direction
 *   -EBUSY    the card has it mapped already, for the other direction only: destroy that
 *             buffer, and import it for both
 *   -EIO      its exporter does not give it to the card
 */
struct fqaccel_buffer_import {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 handle;
	__aligned_u64 length;
};

/**
 * struct fqaccel_model_load - ioctl(FQACCEL_IOC_MODEL_LOAD): load an image
 * @size:         sizeof(struct fqaccel_model_load)
 * @flags:        must be 0
 * @image:        user address of a .fqz image; copied, may be freed after the call
 * @length:       its bytes, 1 to 2^32 - 1
 * @handle:       out
 * @layers:       out: layers of the network
 * @classes:      out: its classes, or 0
 * @pad:          must be 0
 * @weights:      out: its weights
 * @input_bytes:  out: of one picture, all layers
 * @output_bytes: out: likewise
 * @image_bytes:  out: card memory that the image takes
 * @arena_bytes:  out: card memory that one run takes
 * @cycles:       out: of the card for one picture, all layers
 * @card_status:  out: FQA_SC_* of CARD.md section 7, 0 if the card was not asked
 * @reason:       out: FORMAT.md section 10, for -EBADMSG
 * @layer:        out: where, or 0xffffffff
 * @offset:       out: byte of the image, for -EBADMSG
 * @needed:       out: card memory needed, for -EFBIG, -ENOSPC and -EDQUOT
 *
 * The card checks the image. Written back on failure too, for the last five
 * fields. Blocks (killable) while the card loads.
 *
 *   -EBADMSG  the card refuses the image: @reason, @layer, @offset
 *   -EFBIG    image and arena are larger than card memory
 *   -ENOSPC   they do not fit now, or no image slot is free, or the user has half of them, or
 *             buffer_limit is reached
 *   -EDQUOT   they do not fit this open file's memory_quota, or what its user has left of it
 *   -EIO      the card failed in another way: @card_status
 */
struct fqaccel_model_load {
	__u32 size;
	__u32 flags;
	__aligned_u64 image;
	__aligned_u64 length;
	__u32 handle;
	__u32 layers;
	__u32 classes;
	__u32 pad;
	__aligned_u64 weights;
	__aligned_u64 input_bytes;
	__aligned_u64 output_bytes;
	__aligned_u64 image_bytes;
	__aligned_u64 arena_bytes;
	__aligned_u64 cycles;
	__u32 card_status;
	__u32 reason;
	__u32 layer;
	__u32 offset;
	__aligned_u64 needed;
};

/*
 * How much of the card's time goes to a queue's runs when others wait as well: 4, 1 or 16
 * parts. Queues of one open file and priority share.
 */
#define FQACCEL_PRIORITY_NORMAL	0
#define FQACCEL_PRIORITY_LOW	1
#define FQACCEL_PRIORITY_HIGH	2	/* needs CAP_SYS_NICE */

/**
 * struct fqaccel_queue_create - ioctl(FQACCEL_IOC_QUEUE_CREATE): a queue of runs
 * @size:     sizeof(struct fqaccel_queue_create)
 * @flags:    must be 0
 * @depth:    unfinished runs that it holds, 1 to max_depth; 0: 256
 * @priority: FQACCEL_PRIORITY_*; must be 0 without FQACCEL_FEATURE_PRIORITY
 * @handle:   out
 * @pad:      must be 0
 *
 *   -ENOSPC  the open file has max_queues already
 *   -EPERM   FQACCEL_PRIORITY_HIGH without CAP_SYS_NICE
 */
struct fqaccel_queue_create {
	__u32 size;
	__u32 flags;
	__u32 depth;
	__u32 priority;
	__u32 handle;
	__u32 pad;
};

#define FQACCEL_RUN_NOP		0x1	/* a run that does nothing */

/**
 * struct fqaccel_run - one run, an element of SUBMIT's array
 * @model:       handle
 * @first_layer: of the range; 0 and @layer_count 0: the whole network
 * @layer_count: layers to run
 * @batch:       pictures, 1 to max_batch
 * @in_buffer:   handle of a buffer that the card reads
 * @out_buffer:  handle of a buffer that the card writes
 * @in_offset:   bytes into it
 * @in_length:   bytes; for a whole network input_bytes * batch
 * @out_offset:  bytes into the output buffer
 * @out_length:  bytes; for a whole network output_bytes * batch
 * @flags:       FQACCEL_RUN_NOP or 0
 * @pad:         must be 0
 *
 * FQACCEL_RUN_NOP: the card takes the run and completes it, and does nothing else. All
 * other fields must be 0. It goes the way of every run, but may finish before runs that the card
 * had earlier; like every other, WAIT for it reports also that all before it are finished.
 *
 * Inputs and outputs are laid out as FORMAT.md section 9 says.
 */
struct fqaccel_run {
	__u32 model;
	__u32 first_layer;
	__u32 layer_count;
	__u32 batch;
	__u32 in_buffer;
	__u32 out_buffer;
	__aligned_u64 in_offset;
	__aligned_u64 in_length;
	__aligned_u64 out_offset;
	__aligned_u64 out_length;
	__u32 flags;
	__u32 pad;
};

#define FQACCEL_SUBMIT_NONBLOCK		0x1	/* -EAGAIN instead of waiting for room */
#define FQACCEL_SUBMIT_IN_FENCE		0x2	/* the runs start after @in_fence is signaled */
#define FQACCEL_SUBMIT_OUT_FENCE	0x4	/* make @out_fence */

/**
 * struct fqaccel_submit - ioctl(FQACCEL_IOC_SUBMIT): queue runs
 * @size:     sizeof(struct fqaccel_submit)
 * @flags:    FQACCEL_SUBMIT_*
 * @queue:    handle
 * @count:    elements of @runs, 1 to max_runs
 * @runs:     user address of an array
 * @run_size: sizeof(struct fqaccel_run) as the caller knows it: the array's stride
 * @accepted: out: runs accepted, from the first on; written also on an error
 * @sequence: out: sequence number of the last accepted run
 * @in_fence: with FQACCEL_SUBMIT_IN_FENCE: a sync_file, of any driver; else 0
 * @out_fence: out: with FQACCEL_SUBMIT_OUT_FENCE: a new sync_file, close-on-exec; -1 if the call
 *            fails. Without: must be 0
 *
 * Runs of a queue get the sequence numbers 1, 2, ... and are started in that
 * order; they may run at the same time and finish in another one. So a run that reads
 * another's output is submitted when that one has finished.
 *
 * A run that will take the card longer than the driver's part_ms goes to it in parts of whole
 * pictures, one after another, so that others get their turn in between. It remains one run:
 * @cycles of WAIT are those of all parts, and the first part that fails decides.
 *
 * All of @runs are checked before the first is accepted. If @accepted is above 0 the
 * call returns 0, unless the card goes away meanwhile (-ENODEV). Blocks (interruptible)
 * while the queue is full.
 *
 *   -EINVAL   a range of layers, batch or length is wrong, a range is past its buffer's end,
 *             or input and output overlap, be it through different handles of one memory
 *   -EACCES   a buffer has not the direction that the run needs
 *   -ENOSPC   the scatter lists of the unfinished runs, and their parts, do not fit buffer_limit
 *   -EAGAIN   the queue is full, with FQACCEL_SUBMIT_NONBLOCK
 *   -ECANCELED  the queue was destroyed while it waited
 *   -EBADF    @in_fence is not open
 *   -EINVAL   @in_fence is not a sync_file; @size has no room for a fence that @flags ask for
 *   -EMFILE   (-ENFILE) no file descriptor for @out_fence
 *
 * Fences. An input may be written until @in_fence is signaled; so a run that reads another's output
 * can be submitted before that one has finished, with its out-fence. None of the runs starts before
 * @in_fence is signaled, nor do later ones of the same queue; other queues go on. If it is signaled
 * with an error, the runs end with -ECANCELED without starting. The fence may be closed once the
 * call has returned. @out_fence is signaled when the accepted runs and all before them in the queue
 * are finished, as for WAIT; its error is the status of the first run of this SUBMIT that has not
 * ended with 0. It is signaled whatever
 * becomes of card, queue and open file, stays valid after them, and keeps the module from being
 * unloaded. Runs that wait for a fence are dropped as others that have not started: by DESTROY,
 * close, a ban, removal.
 *
 * io_uring (FQACCEL_FEATURE_URING; else -EOPNOTSUPP): IORING_OP_URING_CMD, cmd_op
 * FQACCEL_IOC_SUBMIT, cmd a struct fqaccel_uring_cmd, no uring_cmd_flags, a ring without
 * IORING_SETUP_IOPOLL. The structure and its array are read, and results written back, before
 * the command completes. That is when the accepted runs are finished, as for @out_fence; its
 * res is what @out_fence's error would be, or the errno of a SUBMIT that has accepted
 * nothing. A CQE of 32 bytes has @sequence in big_cqe[0]. While the queue is full a
 * command waits in io_uring, and those behind it may overtake it. When the process exits or the
 * ring is closed, runs of its commands that have not started are dropped.
 */
struct fqaccel_submit {
	__u32 size;
	__u32 flags;
	__u32 queue;
	__u32 count;
	__aligned_u64 runs;
	__u32 run_size;
	__u32 accepted;
	__aligned_u64 sequence;
	__s32 in_fence;
	__s32 out_fence;
};

/**
 * struct fqaccel_uring_cmd - the command area of an SQE
 * @arg: user address of a struct fqaccel_submit
 * @pad: must be 0
 */
struct fqaccel_uring_cmd {
	__aligned_u64 arg;
	__aligned_u64 pad;
};

#define FQACCEL_WAIT_ARM	0x1	/* do not wait: make poll() report this run, see below */

/**
 * struct fqaccel_wait - ioctl(FQACCEL_IOC_WAIT): wait for a run
 * @size:        sizeof(struct fqaccel_wait)
 * @flags:       FQACCEL_WAIT_ARM
 * @queue:       handle
 * @status:      out: the run's own result: 0 or a negative errno, see below
 * @sequence:    of the run to wait for; -EINVAL if it was never given out
 * @deadline_ns: absolute time of CLOCK_MONOTONIC; 0: do not wait, negative: for ever
 * @completed:   out: all runs up to this one are finished; also on -ETIME
 * @cycles:      out: of the card
 * @card_status: out: FQA_SC_* of CARD.md section 7
 * @layer:       out: where it failed, or 0xffffffff
 * @offset:      out: where it failed; of a run in parts, within the part that failed
 * @pad:         must be 0
 *
 * Returns 0 when that run and all before it are finished, whatever their
 * status: the card may end runs of one queue in another order. A completion is
 * observed, not consumed: any number of threads may wait for the same
 * run. Results of the last 4 * depth runs of a queue are kept (-ENODATA for older ones, which are
 * finished). Blocks (interruptible).
 *
 *   -ETIME      the deadline passed
 *   -ECANCELED  the queue was destroyed
 *
 * @status, with @card_status 0 unless it says otherwise:
 *
 *   -EFAULT     a DMA fault; @card_status says which
 *   -EINVAL     the card refused the run's range or lengths; likewise
 *   -ETIMEDOUT  the run hung: the card made no progress with it for the driver's hang_ms
 *               and had to be reset. With @card_status ABORTED: it worked on it for longer
 *               than the driver's run_limit_ms
 *   -ECANCELED  dropped: before it started, or because its open file is closed, or because
 *               the card was reset a second time while it had the run, or its in-fence failed.
 *               A user without CAP_SYS_RESOURCE alone cannot bring that about: runs that
 *               others have lost come before all of one who has hung the card
 *   -EIO        any other card status; with @card_status 0: the run's model could not be
 *               loaded again after a reset
 *   -ENODEV     the card went away (and WAIT itself fails with that, too)
 *
 * A reset of the card ends no other runs: what it had of them starts anew, once, and
 * models come back, without their owners knowing. So a run may read its
 * input, and write its output, more than once; neither may change before it has finished.
 *
 * poll(): POLLIN while a queue whose last WAIT with FQACCEL_WAIT_ARM named run s has
 * finished run s and all before it; arming with sequence 0 disarms. POLLERR when the open
 * file is closed (-EBADFD), POLLERR | POLLHUP when the card is gone.
 */
struct fqaccel_wait {
	__u32 size;
	__u32 flags;
	__u32 queue;
	__s32 status;
	__aligned_u64 sequence;
	__s64 deadline_ns;
	__aligned_u64 completed;
	__aligned_u64 cycles;
	__u32 card_status;
	__u32 layer;
	__u32 offset;
	__u32 pad;
};

#endif
