// SPDX-License-Identifier: GPL-2.0
/*
 * From a camera to the card without a copy, both ways: the camera's buffers imported by the
 * card's driver, and buffers of ours that the camera fills. Each frame's result must be what the
 * soft card makes of that very frame's bytes.
 *
 * Usage: camera DEVICE		of the test driver vivid, whose webcam takes 320 x 180 in gray
 */
#include <linux/videodev2.h>
#include <poll.h>

#include "guest.h"
#include "../../kselftest/fqaccel_dmabuf.h"
#include "../../unit/tap.h"
#include "../../unit/test_fqz_net.h"

#define WIDTH	320
#define HEIGHT	180
#define FRAME	(WIDTH * HEIGHT)
#define OUTPUTS	16
#define BUFFERS	3
#define FRAMES	10

/* A camera's buffer, as it, we and the card see it. */
struct shared {
	uint8_t *data;		/* mapped, to be looked at */
	size_t length;
	int fd;			/* of the dma-buf */
	uint32_t handle;	/* for runs */
};

struct camera {
	int fd;
	enum v4l2_memory memory;
	struct shared buffers[BUFFERS];
};

struct rig {
	int fd;
	uint32_t model, queue;
	struct test_buffer out;
	struct fqaccel_card *soft;
	struct fqaccel_model *soft_model;
	size_t out_length;
};

static void control(const struct camera *camera, unsigned long request, void *arg,
		    const char *what)
{
	int ret = test_ioctl(camera->fd, request, arg);

	if (ret)
		bail("the camera: %s: %s", what, strerror(-ret));
}

/* Its input is a frame as the camera lays it out. No sum is so large that it is clamped. */
static void frame_net(struct net *n)
{
	struct fqz_layer l = net_layer(FQZ_AVGPOOL, 0);
	unsigned int i;

	net_init(n, 20, 1, HEIGHT, WIDTH);
	l.kernel_h = 4;
	l.kernel_w = 4;
	l.stride_h = 4;
	l.stride_w = 4;
	net_add(n, l, FQZ_U8, 1, HEIGHT / 4, WIDTH / 4);
	net_add(n, net_fc(1, FQZ_SHIFT, 5), FQZ_S32, OUTPUTS, 1, 1);
	for (i = 0; i < OUTPUTS; i++) {
		((int16_t *)n->layers[1].scale)[i] = 1;
		((uint8_t *)n->layers[1].shift)[i] = 0;
	}
}

static void rig_open(struct rig *rig)
{
	struct fqaccel_model_load load;
	struct fqaccel_model_info info;
	uint8_t *image;
	size_t length;

	image = net_build(frame_net, &length);
	rig->fd = test_open();
	if (rig->fd < 0 || test_load(rig->fd, image, length, &load) ||
	    test_queue(rig->fd, 0, &rig->queue))
		bail("the card does not take the network: reason %u", load.reason);
	rig->model = load.handle;
	if (fqaccel_card_open("soft", &rig->soft) ||
	    fqaccel_model_load(rig->soft, image, length, &rig->soft_model) ||
	    fqaccel_model_info(rig->soft_model, &info, sizeof(info)))
		bail("the soft card: %s", fqaccel_error());
	if (info.input_bytes != FRAME || load.input_bytes != FRAME)
		bail("the network's input is no frame");
	rig->out_length = info.output_bytes;
	if (test_buffer(rig->fd, rig->out_length, FQACCEL_BUFFER_CARD_WRITES, &rig->out))
		bail("no buffer for the output");
	free(image);
}

static void rig_close(struct rig *rig)
{
	munmap(rig->out.data, rig->out.length);
	close(rig->fd);
	fqaccel_model_close(rig->soft_model);
	fqaccel_card_close(rig->soft);
}

/* What the card makes of a frame, where it lies; true: the same as the soft card. */
static bool frame_right(struct rig *rig, const struct shared *frame)
{
	struct fqaccel_run run = {
		.model = rig->model, .batch = 1,
		.in_buffer = frame->handle, .in_length = FRAME,
		.out_buffer = rig->out.handle, .out_length = rig->out_length,
	};
	uint8_t *want = guest_alloc(rig->out_length);
	struct fqaccel_submit submit;
	struct fqaccel_wait wait;
	bool same;

	if (fqaccel_infer(rig->soft_model, frame->data, want, 1))
		bail("the soft card: %s", fqaccel_error());
	memset(rig->out.data, TEST_POISON, rig->out_length);
	if (test_submit(rig->fd, rig->queue, 0, &run, 1, &submit) ||
	    test_wait(rig->fd, rig->queue, submit.sequence, 60000, &wait) || wait.status)
		bail("the run on a frame failed");
	same = !memcmp(rig->out.data, want, rig->out_length);
	free(want);
	return same;
}

static void camera_open(struct camera *camera, const char *path, enum v4l2_memory memory)
{
	struct v4l2_format format = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.fmt.pix = {
			.width = WIDTH, .height = HEIGHT,
			.pixelformat = V4L2_PIX_FMT_GREY, .field = V4L2_FIELD_NONE,
		},
	};
	struct v4l2_requestbuffers request = {
		.count = BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = memory,
	};

	camera->memory = memory;
	camera->fd = open(path, O_RDWR | O_CLOEXEC);
	if (camera->fd < 0)
		bail("%s: %s", path, strerror(errno));
	control(camera, VIDIOC_S_FMT, &format, "format");
	if (format.fmt.pix.width != WIDTH || format.fmt.pix.height != HEIGHT ||
	    format.fmt.pix.pixelformat != V4L2_PIX_FMT_GREY ||
	    format.fmt.pix.bytesperline != WIDTH)
		bail("the camera does not give frames of %u x %u in gray", WIDTH, HEIGHT);
	control(camera, VIDIOC_REQBUFS, &request, "buffers");
	if (request.count != BUFFERS)
		bail("the camera wants %u buffers", request.count);
}

/* The camera's own buffers. A dma-buf that may only be read is only for reading. */
static void share_its(struct camera *camera, struct rig *rig)
{
	struct shared *b = camera->buffers;
	unsigned int i;
	uint32_t none;

	for (i = 0; i < BUFFERS; i++, b++) {
		struct v4l2_buffer query = {
			.index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
			.memory = V4L2_MEMORY_MMAP,
		};
		struct v4l2_exportbuffer export = {
			.index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
			.flags = O_RDONLY | O_CLOEXEC,
		};

		control(camera, VIDIOC_QUERYBUF, &query, "a buffer");
		b->length = query.length;
		b->data = mmap(NULL, b->length, PROT_READ, MAP_SHARED, camera->fd,
			       query.m.offset);
		if (b->data == MAP_FAILED)
			bail("the camera's buffer: %s", strerror(errno));
		control(camera, VIDIOC_EXPBUF, &export, "a dma-buf");
		b->fd = export.fd;
		is_int(test_import(rig->fd, b->fd, FQACCEL_BUFFER_CARD_WRITES, &none), -EACCES,
		       "the card may not write to the camera's buffer");
		is_int(test_import(rig->fd, b->fd, FQACCEL_BUFFER_CARD_READS, &b->handle), 0,
		       "it may read it");
	}
}

static void share_ours(struct camera *camera, struct rig *rig)
{
	struct shared *b = camera->buffers;
	struct test_buffer buffer;
	unsigned int i;

	for (i = 0; i < BUFFERS; i++, b++) {
		if (test_buffer(rig->fd, FRAME, FQACCEL_BUFFER_CARD_READS, &buffer))
			bail("no buffer for a frame");
		b->data = buffer.data;
		b->length = buffer.length;
		b->handle = buffer.handle;
		b->fd = test_export(rig->fd, buffer.handle);
		ok(b->fd >= 0, "buffer %u can be exported", i);
	}
}

static void give(const struct camera *camera, unsigned int index)
{
	struct v4l2_buffer b = {
		.index = index, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = camera->memory,
		.m.fd = camera->buffers[index].fd, .length = camera->buffers[index].length,
	};

	control(camera, VIDIOC_QBUF, &b, "taking a buffer");
}

static unsigned int take(const struct camera *camera)
{
	struct v4l2_buffer b = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = camera->memory,
	};
	struct pollfd p = { .fd = camera->fd, .events = POLLIN };

	if (poll(&p, 1, 60000) != 1)
		bail("the camera gives no frame within a minute");
	control(camera, VIDIOC_DQBUF, &b, "giving a frame");
	if (b.flags & V4L2_BUF_FLAG_ERROR || b.bytesused != FRAME)
		bail("the camera gives a bad frame of %u bytes", b.bytesused);
	return b.index;
}

static void classify(const char *path, enum v4l2_memory memory,
		     void (*share)(struct camera *camera, struct rig *rig), const char *how)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	unsigned int i, index, right = 0, different = 0;
	uint8_t *last = guest_alloc(FRAME), *output = NULL;
	unsigned int outputs = 0;
	struct camera camera;
	struct rig rig;

	rig_open(&rig);
	camera_open(&camera, path, memory);
	share(&camera, &rig);
	output = guest_alloc(rig.out_length);
	for (i = 0; i < BUFFERS; i++)
		give(&camera, i);
	control(&camera, VIDIOC_STREAMON, &type, "start");
	for (i = 0; i < FRAMES; i++) {
		index = take(&camera);
		right += frame_right(&rig, &camera.buffers[index]);
		different += !!memcmp(last, camera.buffers[index].data, FRAME);
		outputs += !!memcmp(output, rig.out.data, rig.out_length);
		memcpy(last, camera.buffers[index].data, FRAME);
		memcpy(output, rig.out.data, rig.out_length);
		give(&camera, index);
	}
	diag("%s", how);
	is_int(right, FRAMES, "each frame's result is the soft card's");
	is_int(different, FRAMES, "each frame is another one");
	ok(outputs > 1, "and has a result of its own (%u changes)", outputs);

	/* The camera goes first: what is imported stays. */
	control(&camera, VIDIOC_STREAMOFF, &type, "stop");
	index = 0;
	memcpy(last, camera.buffers[index].data, FRAME);
	close(camera.fd);
	ok(frame_right(&rig, &camera.buffers[index]), "also when the camera is closed");
	ok(!memcmp(last, camera.buffers[index].data, FRAME), "with the frame as it was");
	for (i = 0; i < BUFFERS; i++) {
		munmap(camera.buffers[i].data, camera.buffers[i].length);
		close(camera.buffers[i].fd);
	}
	rig_close(&rig);
	free(output);
	free(last);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		bail("usage: camera DEVICE");
	classify(argv[1], V4L2_MEMORY_MMAP, share_its, "the camera's buffers");
	classify(argv[1], V4L2_MEMORY_DMABUF, share_ours, "buffers of ours");
	return tap_done();
}
