// SPDX-License-Identifier: MIT
/* The kernels for every x86-64 processor; flags in build.mk. */
#define OPS_TABLE ops_v1
#include "ops_loops.h"
