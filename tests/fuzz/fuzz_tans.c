// SPDX-License-Identifier: MIT
#define FUZZ_CODER	FQZ_TANS

#include "fuzz_stream.h"
