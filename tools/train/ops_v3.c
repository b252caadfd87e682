// SPDX-License-Identifier: MIT
/* The kernels for AVX2; flags in build.mk. */
#define OPS_TABLE ops_v3
#include "ops_loops.h"
