/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of fences and of io_uring share. */
#ifndef FQACCEL_FENCE_H
#define FQACCEL_FENCE_H

#include <linux/sync_file.h>
#include <poll.h>

#include "fqaccel_monitor.h"

/* Pictures: seconds on an emulated card, and a moment that is long enough to do something in. */
#define ENDLESS_BATCH	65536
#define LONG_BATCH	16384

#define SOON_MS		60000	/* whatever is to happen has by then, on any busy machine */

/* A fence that is not needed is -1. */
static inline int fence_submit(int fd, uint32_t queue, uint32_t flags, int in_fence,
			       const struct fqaccel_run *runs, uint32_t count,
			       struct fqaccel_submit *arg)
{
	*arg = test_submit_arg(queue, flags, runs, count);
	if (in_fence >= 0) {
		arg->flags |= FQACCEL_SUBMIT_IN_FENCE;
		arg->in_fence = in_fence;
	}
	return test_ioctl(fd, FQACCEL_IOC_SUBMIT, arg);
}

/* One run of @batch pictures with an out-fence, which is returned, or a negative errno. */
static inline int fence_run(struct test_rig *rig, uint32_t queue, uint32_t batch, int in_fence,
			    uint64_t *sequence)
{
	struct fqaccel_run run = test_rig_run(rig, batch);
	struct fqaccel_submit arg;
	int ret = fence_submit(rig->fd, queue, FQACCEL_SUBMIT_OUT_FENCE, in_fence, &run, 1, &arg);

	if (sequence)
		*sequence = arg.sequence;
	return ret ?: arg.out_fence;
}

/* 1: signaled, 0: active, negative: signaled with this error. */
static inline int fence_status(int fence)
{
	struct sync_file_info info = {};

	return ioctl(fence, SYNC_IOC_FILE_INFO, &info) ? -errno : info.status;
}

/* The same when it is signaled; 0 if it is not in time. */
static inline int fence_wait(int fence, int ms)
{
	struct pollfd p = { .fd = fence, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && p.revents == POLLIN ? fence_status(fence) : 0;
}

/* A fence of another open file, that is signaled when a run of @batch pictures ends. */
struct gate {
	struct test_rig rig;
	int fence;
};

static inline int gate_make(struct gate *gate, const struct test_data *data, uint32_t batch)
{
	int ret = test_rig_open(&gate->rig, data, batch);

	if (ret)
		return ret;
	fill_input(&gate->rig, data);
	gate->fence = fence_run(&gate->rig, gate->rig.queue, batch, -1, NULL);
	return gate->fence < 0 ? gate->fence : 0;
}

/* The run is aborted if it has not ended, and so the fence signaled with an error. */
static inline void gate_close_file(struct gate *gate)
{
	if (gate->rig.fd >= 0)
		test_rig_close(&gate->rig);
	gate->rig.fd = -1;
}

static inline void gate_drop(struct gate *gate)
{
	gate_close_file(gate);
	close(gate->fence);
}

/* Of this process; one that has leaked shows. */
static inline int count_files(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

#endif
