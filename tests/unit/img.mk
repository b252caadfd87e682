# SPDX-License-Identifier: MIT
# Tests of pictures and data sets.

$(eval $(call unit_test,test_img_formats,,$(TOOLS_COMMON_SAN_OBJS),$(IMG_LIBS) -lz))
$(eval $(call unit_test,test_img_fit,,$(TOOLS_COMMON_SAN_OBJS),$(IMG_LIBS)))
$(eval $(call unit_test,test_img_dataset,,$(TOOLS_COMMON_SAN_OBJS),$(IMG_LIBS)))
$(eval $(call unit_test,test_img_memory,,$(TOOLS_COMMON_SAN_OBJS),$(IMG_LIBS) $(FAIL_ALLOC)))
