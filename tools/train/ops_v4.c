// SPDX-License-Identifier: MIT
/* The kernels for AVX-512; flags in build.mk. */
#define OPS_TABLE ops_v4
#include "ops_loops.h"
