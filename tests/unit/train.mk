# SPDX-License-Identifier: MIT
# Tests of the trainer's parts, built with sanitizers.

TRAIN_NET_OBJS := $(NET_SAN_OBJS) $(TOOLS_COMMON_SAN_OBJS) $(FQZ_SAN_OBJS)

$(eval $(call unit_test,train_samples,tools/train/samples.c,$(TRAIN_NET_OBJS),\
	$(NET_LIBS) $(IMG_LIBS) $(FAIL_ALLOC)))

# The plain executor that judges the trainer, and networks for it.
TRAIN_REF_SRCS := tests/unit/train_ref.c tests/unit/train_nets.c

$(eval $(call unit_test,train_ref_test,$(TRAIN_REF_SRCS),$(TRAIN_NET_OBJS),$(NET_LIBS) $(IMG_LIBS)))
$(eval $(call unit_test,train_checkpoint,tools/train/checkpoint.c,\
	$(TOOLS_COMMON_SAN_OBJS) $(FQZ_SAN_OBJS),$(IMG_LIBS) $(FAIL_ALLOC)))

# Convolutions and pools against plain loops.
TRAIN_DNN_SRCS := tools/train/dnn.c tools/train/dnn_conv.c tools/train/dnn_pool.c tools/net/graph.c

$(eval $(call unit_test,train_dnn,tests/unit/train_loops.c $(TRAIN_DNN_SRCS),,$(TRAIN_LIBS)))

$(eval $(call unit_test,train_netfile,tools/train/netfile.c,$(TRAIN_NET_OBJS),\
	$(NET_LIBS) $(IMG_LIBS) $(FAIL_ALLOC)))
TRAIN_OPS_SRCS := $(patsubst %,tools/train/ops%.c,_loss _v1 _v3 _v4) tools/train/ops.c
$(eval $(call unit_test,train_ops,tests/unit/train_loops.c $(TRAIN_OPS_SRCS),,$(TRAIN_LIBS)))
