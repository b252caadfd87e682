// SPDX-License-Identifier: MIT
#define FUZZ_CODER	FQZ_RLE_HUFFMAN

#include "fuzz_stream.h"
