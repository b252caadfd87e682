#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
weights.py FOLDER: networks of two convolutions whose weights are out of the ordinary.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

random = np.random.RandomState(1)


def normal(*shape):
    return random.standard_normal(shape)


def network(name, *weights, side=8):
    nodes, initializers, x = [], [], "x"
    for i, w in enumerate(weights):
        initializers.append(numpy_helper.from_array(np.asarray(w, np.float32), f"w{i}"))
        nodes.append(helper.make_node("Conv", [x, f"w{i}"], [f"y{i}"], name=f"conv{i}"))
        nodes.append(helper.make_node("Relu", [f"y{i}"], [f"r{i}"]))
        x = f"r{i}"
    nodes.pop()
    picture = [1, weights[0].shape[1], side, side]
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, picture)],
        [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, None)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    onnx.save(model, f"{sys.argv[1]}/{name}.onnx")


SHAPE, LAST = (4, 3, 3, 3), (5, 4, 6, 6)

network("zero", np.zeros(SHAPE), normal(*LAST))
network("zero-last", normal(*SHAPE), np.zeros(LAST))
network("single", np.full((1, 1, 1, 1), 0.7), side=1)
network("single-zero", np.zeros((1, 1, 1, 1)), side=1)
network("positive", abs(normal(*SHAPE)), abs(normal(*LAST)))
network("negative", -abs(normal(*SHAPE)), normal(*LAST))
network("equal", np.full(SHAPE, 0.3), normal(*LAST))
network("huge", 1e30 * normal(*SHAPE), 1e-30 * normal(*LAST))
network("tiny", 1e-38 * normal(*SHAPE), normal(*LAST))
network("one-outlier", np.where(np.arange(108).reshape(SHAPE) == 7, 1e6, 1) * normal(*SHAPE),
        normal(*LAST))
network("nan", np.full(SHAPE, np.nan), normal(*LAST))
network("infinite", np.full(SHAPE, np.inf), normal(*LAST))
