#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ONNX's operator tests, and those that were made by exporting torch's own (node_cases.c).

data=/usr/share/libonnx-testdata/data

exec "${O:-build}/tests/onnx_nodes" "$@" \
	$data/node tests/onnx/node-refusals \
	$data/pytorch-converted tests/onnx/torch-refusals
