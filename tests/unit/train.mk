# SPDX-License-Identifier: MIT
# Tests of the trainer's parts, built with sanitizers.

TRAIN_NET_OBJS := $(NET_SAN_OBJS) $(TOOLS_COMMON_SAN_OBJS) $(FQZ_SAN_OBJS)

$(eval $(call unit_test,train_samples,tools/train/samples.c tools/net/pictures.c \
	tools/common/cli.c,$(TRAIN_NET_OBJS),\
	$(NET_LIBS) $(IMG_LIBS) $(FAIL_ALLOC)))

# The plain executor that judges the trainer, and networks for it.
TRAIN_REF_SRCS := tests/unit/train_ref.c tests/unit/train_nets.c

$(eval $(call unit_test,train_ref_test,$(TRAIN_REF_SRCS),$(TRAIN_NET_OBJS),$(NET_LIBS) $(IMG_LIBS)))
$(eval $(call unit_test,train_checkpoint,tools/train/checkpoint.c,\
	$(TOOLS_COMMON_SAN_OBJS) $(FQZ_SAN_OBJS),$(IMG_LIBS) $(FAIL_ALLOC)))

# Convolutions and pools against plain loops.
TRAIN_DNN_SRCS := tools/train/dnn.c tools/train/dnn_conv.c tools/train/dnn_pool.c tools/net/graph.c

$(eval $(call unit_test,train_dnn,tests/unit/train_loops.c $(TRAIN_DNN_SRCS),,$(TRAIN_LIBS)))

# Each call of the library fails once.
TRAIN_DNN_WRAP := $(addprefix -Wl$(comma)--wrap=dnnl_,engine_create stream_create \
	set_default_fpmath_mode memory_desc_init_by_tag memory_create memory_set_data_handle \
	dilated_convolution_forward_desc_init dilated_convolution_backward_data_desc_init \
	dilated_convolution_backward_weights_desc_init inner_product_forward_desc_init \
	inner_product_backward_data_desc_init inner_product_backward_weights_desc_init \
	pooling_v2_forward_desc_init pooling_v2_backward_desc_init primitive_desc_create reorder_primitive_desc_create \
	primitive_create primitive_execute stream_wait)

$(eval $(call unit_test,train_dnn_errors,$(TRAIN_DNN_SRCS),,\
	$(TRAIN_LIBS) $(FAIL_ALLOC) $(TRAIN_DNN_WRAP)))

$(eval $(call unit_test,train_netfile,tools/train/netfile.c,$(TRAIN_NET_OBJS),\
	$(NET_LIBS) $(IMG_LIBS) $(FAIL_ALLOC)))
TRAIN_OPS_SRCS := $(patsubst %,tools/train/ops%.c,_loss _v1 _v3 _v4) tools/train/ops.c
$(eval $(call unit_test,train_ops,tests/unit/train_loops.c $(TRAIN_OPS_SRCS),,$(TRAIN_LIBS)))

# The learning network.
TRAIN_TNET_SRCS := $(filter tools/train/dnn% tools/train/ops% tools/train/tnet%,$(TRAIN_SRCS)) \
	tests/unit/train_nets.c

$(eval $(call unit_test,train_tnet,$(TRAIN_TNET_SRCS),$(NET_SAN_OBJS) $(FQZ_SAN_OBJS),\
	$(NET_LIBS) $(TRAIN_LIBS)))
$(eval $(call unit_test,train_tnet_digits,tools/train/tnet_digits.c tests/unit/train_nets.c,\
	$(NET_SAN_OBJS) $(FQZ_SAN_OBJS),$(NET_LIBS) -fopenmp))
$(eval $(call unit_test,train_tnet_memory,$(TRAIN_TNET_SRCS),$(NET_SAN_OBJS) $(FQZ_SAN_OBJS),\
	$(NET_LIBS) $(TRAIN_LIBS) $(FAIL_ALLOC)))
$(eval $(call unit_test,train_tnet_integer,tests/unit/train_smooth.c $(TRAIN_TNET_SRCS),\
	$(KINDS_TEST_OBJS),$(NET_LIBS) $(TRAIN_LIBS)))

TRAIN_FQ_SRCS := tools/train/fq.c tools/train/prune.c

$(foreach t,fq prune,$(eval $(call unit_test,train_$(t),$(TRAIN_FQ_SRCS),$(TRAIN_NET_OBJS),\
	$(NET_LIBS) $(IMG_LIBS) -fopenmp $(FAIL_ALLOC))))
$(eval $(call unit_test,train_curves,tools/train/curves.c tools/train/curves_svg.c \
	tools/common/cli.c tools/common/svg.c,$(TOOLS_COMMON_SAN_OBJS),$(IMG_LIBS) $(FAIL_ALLOC)))

# The program, on drawn pictures.
TESTS += tests/unit/tools_train.t
TEST_DEPS += $(O)/san/fqaccel-train $(O)/tests/make_shapes $(O)/tests/forge_checkpoint

$(O)/tests/make_shapes: $(patsubst %.c,$(O)/san/%.o,tests/unit/make_shapes.c tools/common/file.c)
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -o $@ $^

$(O)/tests/forge_checkpoint: $(patsubst %.c,$(O)/san/%.o,tests/unit/forge_checkpoint.c tools/common/file.c) \
	$(FQZ_SAN_OBJS)
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -o $@ $^

# From there to an image.
$(eval $(call unit_test,train_integer,tools/train/integer.c $(TRAIN_FQ_SRCS) tests/unit/train_ref.c \
	$(TRAIN_TNET_SRCS),$(KINDS_TEST_OBJS),$(NET_LIBS) $(TRAIN_LIBS) $(FAIL_ALLOC)))

# The learning network against the plain executor, and the gradients of quantized layers.
TRAIN_CORE_SRCS := $(filter tools/train/dnn%.c tools/train/ops%.c tools/train/tnet%.c,$(TRAIN_SRCS))

$(eval $(call unit_test,train_exact,$(TRAIN_REF_SRCS) $(TRAIN_CORE_SRCS),$(TRAIN_NET_OBJS),\
	$(NET_LIBS) $(IMG_LIBS) $(TRAIN_LIBS)))
$(eval $(call unit_test,train_fq_grad,$(TRAIN_REF_SRCS) $(TRAIN_CORE_SRCS) \
	$(patsubst %,tools/train/%.c,fq prune checkpoint),$(TRAIN_NET_OBJS),\
	$(NET_LIBS) $(IMG_LIBS) $(TRAIN_LIBS)))
