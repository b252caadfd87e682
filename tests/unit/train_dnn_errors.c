// SPDX-License-Identifier: MIT
/*
 * Each call of oneDNN, and each allocation, fails once: the error says so and nothing is lost, which
 * the leak check at the end of the program sees.
 */
#include <dnnl.h>
#include <stdlib.h>

#include "fail_alloc.h"
#include "tap.h"
#include "train/dnn.h"

/* Calls before the one that fails; below 0 none does. */
static int countdown = -1;
static dnnl_status_t failure;

static bool fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

#define WRAP(name, params, args)					\
	dnnl_status_t __real_dnnl_##name params;			\
	dnnl_status_t __wrap_dnnl_##name params;			\
	dnnl_status_t __wrap_dnnl_##name params				\
	{								\
		return fails() ? failure : __real_dnnl_##name args;	\
	}

WRAP(engine_create, (dnnl_engine_t *e, dnnl_engine_kind_t k, size_t i), (e, k, i))
WRAP(stream_create, (dnnl_stream_t *s, dnnl_engine_t e, unsigned int f), (s, e, f))
WRAP(stream_wait, (dnnl_stream_t s), (s))
WRAP(set_default_fpmath_mode, (dnnl_fpmath_mode_t m), (m))
WRAP(memory_desc_init_by_tag, (dnnl_memory_desc_t *m, int n, const dnnl_dims_t d,
			       dnnl_data_type_t t, dnnl_format_tag_t f), (m, n, d, t, f))
WRAP(memory_create, (dnnl_memory_t *m, const dnnl_memory_desc_t *d, dnnl_engine_t e, void *h),
     (m, d, e, h))
WRAP(memory_set_data_handle, (dnnl_memory_t m, void *h), (m, h))
WRAP(dilated_convolution_forward_desc_init,
     (dnnl_convolution_desc_t *o, dnnl_prop_kind_t k, dnnl_alg_kind_t a,
      const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *w, const dnnl_memory_desc_t *b,
      const dnnl_memory_desc_t *y, const dnnl_dims_t s, const dnnl_dims_t d, const dnnl_dims_t l,
      const dnnl_dims_t r), (o, k, a, x, w, b, y, s, d, l, r))
WRAP(dilated_convolution_backward_data_desc_init,
     (dnnl_convolution_desc_t *o, dnnl_alg_kind_t a, const dnnl_memory_desc_t *x,
      const dnnl_memory_desc_t *w, const dnnl_memory_desc_t *y, const dnnl_dims_t s,
      const dnnl_dims_t d, const dnnl_dims_t l, const dnnl_dims_t r), (o, a, x, w, y, s, d, l, r))
WRAP(dilated_convolution_backward_weights_desc_init,
     (dnnl_convolution_desc_t *o, dnnl_alg_kind_t a, const dnnl_memory_desc_t *x,
      const dnnl_memory_desc_t *w, const dnnl_memory_desc_t *b, const dnnl_memory_desc_t *y,
      const dnnl_dims_t s, const dnnl_dims_t d, const dnnl_dims_t l, const dnnl_dims_t r),
     (o, a, x, w, b, y, s, d, l, r))
WRAP(inner_product_forward_desc_init,
     (dnnl_inner_product_desc_t *o, dnnl_prop_kind_t k, const dnnl_memory_desc_t *x,
      const dnnl_memory_desc_t *w, const dnnl_memory_desc_t *b, const dnnl_memory_desc_t *y),
     (o, k, x, w, b, y))
WRAP(inner_product_backward_data_desc_init,
     (dnnl_inner_product_desc_t *o, const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *w,
      const dnnl_memory_desc_t *y), (o, x, w, y))
WRAP(inner_product_backward_weights_desc_init,
     (dnnl_inner_product_desc_t *o, const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *w,
      const dnnl_memory_desc_t *b, const dnnl_memory_desc_t *y), (o, x, w, b, y))
WRAP(pooling_v2_forward_desc_init,
     (dnnl_pooling_v2_desc_t *o, dnnl_prop_kind_t p, dnnl_alg_kind_t a,
      const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *y, const dnnl_dims_t s,
      const dnnl_dims_t k, const dnnl_dims_t d, const dnnl_dims_t l, const dnnl_dims_t r),
     (o, p, a, x, y, s, k, d, l, r))
WRAP(pooling_v2_backward_desc_init,
     (dnnl_pooling_v2_desc_t *o, dnnl_alg_kind_t a, const dnnl_memory_desc_t *x,
      const dnnl_memory_desc_t *y, const dnnl_dims_t s, const dnnl_dims_t k, const dnnl_dims_t d,
      const dnnl_dims_t l, const dnnl_dims_t r), (o, a, x, y, s, k, d, l, r))
WRAP(primitive_desc_create,
     (dnnl_primitive_desc_t *p, const_dnnl_op_desc_t o, const_dnnl_primitive_attr_t a,
      dnnl_engine_t e, const_dnnl_primitive_desc_t h), (p, o, a, e, h))
WRAP(reorder_primitive_desc_create,
     (dnnl_primitive_desc_t *p, const dnnl_memory_desc_t *f, dnnl_engine_t e,
      const dnnl_memory_desc_t *t, dnnl_engine_t g, const_dnnl_primitive_attr_t a),
     (p, f, e, t, g, a))
WRAP(primitive_create, (dnnl_primitive_t *p, const_dnnl_primitive_desc_t d), (p, d))
WRAP(primitive_execute, (const_dnnl_primitive_t p, dnnl_stream_t s, int n,
			 const dnnl_exec_arg_t *a), (p, s, n, a))

static const struct dnn_shape conv_shape = {
	.batch = 2, .in_c = 16, .in_h = 4, .in_w = 4, .out_c = 16, .out_h = 4, .out_w = 4,
	.kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1, .dilation_h = 1,
	.dilation_w = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1, .groups = 1,
};

static const struct dnn_shape fc_shape = {
	.batch = 2, .in_c = 8, .in_h = 4, .in_w = 4, .out_c = 10, .out_h = 1, .out_w = 1,
	.kernel_h = 4, .kernel_w = 4, .stride_h = 1, .stride_w = 1, .dilation_h = 1,
	.dilation_w = 1, .groups = 1,
};

static struct dnn *dnn;
static struct net_error error;
static struct dnn_conv *conv;
static struct dnn_pool *pool;
static float x[2 * 16 * 16], y[2 * 16 * 16], weight[16 * 16 * 9];

static int open_dnn(void)
{
	struct dnn *d = NULL;
	int rc = dnn_open(1, &d, &error);

	dnn_close(d);
	return rc;
}

static int create(const struct dnn_shape *s)
{
	struct dnn_conv *c = NULL;
	int rc = dnn_conv_create(dnn, s, DNN_F32, true, &c, &error);

	dnn_conv_destroy(c);
	return rc;
}

static int create_conv(void)
{
	return create(&conv_shape);
}

static int create_fc(void)
{
	return create(&fc_shape);
}

static int create_pool(enum net_kind kind, uint32_t divisor)
{
	struct dnn_pool *p = NULL;
	int rc = dnn_pool_create(dnn, &conv_shape, DNN_F32, kind, false, divisor, &p, &error);

	dnn_pool_destroy(p);
	return rc;
}

static int create_maxpool(void)
{
	return create_pool(NET_MAXPOOL, 0);
}

static int create_avgpool(void)
{
	return create_pool(NET_AVGPOOL, 7);
}

static int run_forward(void)
{
	return dnn_conv_forward(conv, x, weight, y);
}

static int run_data(void)
{
	return dnn_conv_backward_data(conv, y, weight, x);
}

static int run_weights(void)
{
	return dnn_conv_backward_weights(conv, x, y, weight);
}

static int run_pool(void)
{
	return dnn_pool_forward(pool, x, y);
}

static int run_pool_back(void)
{
	return dnn_pool_backward(pool, y, x);
}

/* Until no call is left to fail; @least: how many there are at least. */
static void each_call(const char *name, int (*fn)(void), int rc, dnnl_status_t status,
		      const char *text, int least)
{
	const char *said = rc == -EIO ? dnn_error(dnn) : error.text;
	int calls, wrong = 0, got;

	failure = status;
	for (calls = 0; calls < 200; calls++) {
		error.text[0] = '\0';
		countdown = calls;
		got = fn();
		if (countdown >= 0)
			break;
		if (got != rc || !strstr(said, text)) {
			wrong++;
			diag("call %d: %d, %s", calls, got, said);
		}
	}
	countdown = -1;
	ok(calls >= least && calls < 200, "%s: %d calls of oneDNN", name, calls);
	is_int(wrong, 0, "each that fails is told");
	is_int(got, 0, "without a failure it works");
}

static void each_allocation(const char *name, int (*fn)(void), int least)
{
	int n, wrong = 0, got = 0;

	for (n = 0; n < 50; n++) {
		fail_alloc(n);
		got = fn();
		if (!fail_alloc_end())
			break;
		wrong += got != -ENOMEM || !strstr(error.text, "out of memory");
	}
	ok(n >= least && n < 50 && !wrong && !got, "%s: out of memory in %d places", name, n);
}

int main(void)
{
	static const struct {
		const char *name;
		int (*fn)(void);
		int calls, allocations;
	} makers[] = {
		{ "opening", open_dnn, 3, 1 },
		{ "a convolution", create_conv, 20, 1 },
		{ "a fully connected layer", create_fc, 17, 1 },
		{ "a pool of maxima", create_maxpool, 11, 1 },
		{ "a pool of means", create_avgpool, 10, 3 },
	}, runs[] = {
		{ "forward", run_forward, 5, 0 },
		{ "backward", run_data, 5, 0 },
		{ "backward to weights", run_weights, 5, 0 },
		{ "pool", run_pool, 4, 0 },
		{ "pool backward", run_pool_back, 4, 0 },
	};
	size_t i;

	if (dnn_open(1, &dnn, &error) ||
	    dnn_conv_create(dnn, &conv_shape, DNN_F32, true, &conv, &error) ||
	    dnn_pool_create(dnn, &conv_shape, DNN_F32, NET_MAXPOOL, false, 0, &pool, &error))
		bail("%s", error.text);
	for (i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		each_call(makers[i].name, makers[i].fn, -EINVAL, dnnl_unimplemented,
			  "unimplemented", makers[i].calls);
		each_call(makers[i].name, makers[i].fn, -ENOMEM, dnnl_out_of_memory,
			  "out of memory", makers[i].calls);
		each_allocation(makers[i].name, makers[i].fn, makers[i].allocations);
	}
	for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		each_call(runs[i].name, runs[i].fn, -EIO, dnnl_runtime_error, "runtime_error",
			  runs[i].calls);
	dnn_pool_destroy(pool);
	dnn_conv_destroy(conv);
	dnn_close(dnn);
	return tap_done();
}
