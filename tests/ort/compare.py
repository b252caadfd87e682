#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Compares exported networks with the card: lines of TAP, which the caller numbers.

Usage: compare.py MODULES FOLDER NAME COUNT VARIETY [NAME COUNT VARIETY]...

FOLDER/NAME.onnx is a network, FOLDER/NAME what ort_card wrote for COUNT pictures, in which each 8-bit
tensor must have VARIETY different values; MODULES is the node_modules with ONNX Runtime. A network is run
with every 8-bit tensor as a further output, and once more with each layer fed by the card's own integers,
so that a layer that differs is told by name.
"""
import json
import os
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
SHARE = 1e-4    # of a layer's values that may lie so near a half that single precision decides
TYPES = {'uint8': TensorProto.UINT8, 'int8': TensorProto.INT8, 'int32': TensorProto.FLOAT}


class Card:
    """What ort_card wrote."""

    def __init__(self, folder, name, count, variety):
        self.name = name
        self.folder = os.path.join(folder, name)
        self.count = int(count)
        self.variety = int(variety)
        self.model = onnx.load(os.path.join(folder, name + '.onnx'))
        with open(self.path('network.json'), encoding='ascii') as f:
            net = json.load(f)
        self.classes = net['classes']
        self.tensors = net['tensors']
        self.layers = net['layers']
        for t in self.tensors:
            t['scale'] = np.array([t['scale_bits']], np.uint32).view(np.float32)[0]

    def ok(self, condition, what):
        print('%s - %s: %s' % ('ok' if condition else 'not ok', self.name, what))
        sys.stdout.flush()

    def path(self, name):
        return os.path.join(self.folder, name)

    def values(self, i):
        t = self.tensors[i]
        v = np.fromfile(self.path('t%d.raw' % i), np.dtype(t['type']))
        return v.reshape([self.count] + t['shape'])

    def array(self, layer, what, kind):
        return np.fromfile(self.path('l%d.%s' % (layer, what)), kind)


def initializers(model):
    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


def same_bits(got, want):
    want = np.asarray(want, np.float32)
    return got.dtype == np.float32 and got.size == want.size and \
        np.array_equal(got.reshape(-1).view(np.uint32), want.reshape(-1).view(np.uint32))


def real_factor(card, layer, integers, shift):
    """The integers times 2^-shift, from units of the input to real values of the output."""
    x = np.float64(card.tensors[layer['inputs'][0]]['scale'])
    y = np.float64(card.tensors[layer['output']]['scale'])
    return np.ldexp(integers.astype(np.float64), -shift) * y / x


def wrong_constants(card, const):
    """Names of the constants that are not the image's integers times its 16-bit scales."""
    wrong = []
    for i, layer in enumerate(card.layers):
        name = 't%d_' % layer['output']
        y = np.float64(card.tensors[layer['output']]['scale'])
        if layer['kind'] in ('conv', 'fc', 'affine'):
            scale = card.array(i, 'scale', np.int16).astype(np.int64)
            shift = card.array(i, 'shift', np.uint8).astype(np.int32)
            bias = card.array(i, 'bias', np.int16).astype(np.float64)
            want = {'bias': np.ldexp(bias, layer['bias_shift'] - shift) * y}
            if layer['kind'] == 'affine':
                want['factor'] = real_factor(card, layer, scale, shift)
            else:
                w = card.array(i, 'weight', np.int32).astype(np.int64).reshape(len(scale), -1)
                want['weight'] = real_factor(card, layer, w * scale[:, None], shift[:, None])
            wrong += [name + k for k, v in want.items() if not same_bits(const[name + k], v)]
        if card.tensors[layer['output']]['type'] != 'int32' and \
           not same_bits(const[name + 'scale'], y):
            wrong.append(name + 'scale')
    return wrong


def value(card, name, i, kind=None):
    t = card.tensors[i]
    return helper.make_tensor_value_info(name, kind or TYPES[t['type']], ['N'] + t['shape'])


def with_tensors(card, model):
    """The network with every 8-bit tensor as an output."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for i, t in enumerate(card.tensors):
        if i and t['type'] != 'int32':
            copy.graph.output.append(value(card, 't%d_q' % i, i))
    return copy


def isolated(card, model):
    """The same with each layer fed by further inputs instead of the layers before it."""
    copy = with_tensors(card, model)
    fed = {}
    for node in copy.graph.node:
        if node.op_type == 'DequantizeLinear' and node.input[0] != 'picture':
            i = int(node.input[0][1:-2])
            fed['given%d' % i] = i
            node.input[0] = 'given%d' % i
    for name, i in fed.items():
        copy.graph.input.append(value(card, name, i))
    return copy, fed


def job(card, model, name, level, fed):
    """Writes what run.js is to run."""
    folder = card.path(name)
    os.makedirs(folder, exist_ok=True)
    todo = {'model': os.path.join(folder, 'model.onnx'), 'level': level, 'count': card.count,
            'batch': 16, 'folder': folder, 'inputs': {}}
    for key, i in dict(fed, picture=0).items():
        t = card.tensors[i]
        todo['inputs'][key] = {'type': t['type'], 'dims': t['shape'],
                               'file': card.path('t%d.raw' % i)}
    onnx.save(model, todo['model'])
    with open(os.path.join(folder, 'job.json'), 'w', encoding='ascii') as f:
        json.dump(todo, f)
    return os.path.join(folder, 'job.json')


def outputs(card, name):
    """All outputs of a job that was run, by name."""
    out = {}
    kinds = {TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8, TensorProto.FLOAT: np.float32}
    for o in card.variants[name].graph.output:
        v = np.fromfile(os.path.join(card.path(name), o.name + '.raw'),
                        kinds[o.type.tensor_type.elem_type])
        out[o.name] = v.reshape(card.count, -1)
    return out


def prepare(card):
    """The jobs: each layer by itself, all in a row, and what the engine's optimizer makes of them."""
    alone, fed = isolated(card, card.model)
    whole = with_tensors(card, card.model)
    card.variants = {'alone': alone, 'whole': whole, 'optimized': card.model}
    return [job(card, alone, 'alone', 'disabled', fed), job(card, whole, 'whole', 'disabled', {}),
            job(card, card.model, 'optimized', 'all', {})]


def differences(card, out):
    """For each 8-bit tensor: layer, values that differ, largest difference in steps, values."""
    rows = []
    for i, t in enumerate(card.tensors):
        if i and t['type'] != 'int32':
            want = card.values(i).reshape(card.count, -1).astype(np.int32)
            d = np.abs(out['t%d_q' % i].astype(np.int32) - want)
            rows.append((i - 1, np.count_nonzero(d), int(d.max()), d.size))
    return rows


def report(card, rows):
    for layer, count, most, size in rows:
        if count:
            print('#   layer %d (%s): %d of %d values differ (%.4f %%), by %d at most' %
                  (layer, card.layers[layer]['kind'], count, size, 100 * count / size, most))


def logits(card, out):
    step = np.float64(card.tensors[-1]['scale'])
    want = card.values(len(card.tensors) - 1).reshape(card.count, -1).astype(np.float64) * step
    return want, out[card.model.graph.output[0].name].astype(np.float64)


def check_logits(card, out, level):
    """Within the bound that the file states; the same best class wherever its lead exceeds that."""
    bound = float({m.key: m.value for m in card.model.metadata_props}['fqaccel.output_bound'])
    want, got = logits(card, out)
    most = np.abs(got - want).max()
    card.ok(most <= bound, '%s: outputs within the stated bound' % level)
    print('#   largest difference %.4g, %.3g of the bound %.4g' %
          (most, most / bound if bound else 0, bound))
    if not card.classes:
        return
    ordered = np.sort(want, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    same = got.argmax(axis=1) == want.argmax(axis=1)
    # Classes of equal score on the card have no best one.
    tied = margin == 0
    card.ok(np.all(same[margin > bound]), '%s: the same class wherever its lead exceeds the bound' % level)
    card.ok(np.mean(same | tied) >= 0.99, '%s: the same class for at least 99 %%' % level)
    print('#   the same class for %d of %d, %d of which lead by more than the bound, %d ties' %
          (np.count_nonzero(same), len(same), np.count_nonzero(margin > bound),
           np.count_nonzero(tied)))


def layers(card, rows):
    return ', '.join('layer %d (%s)' % (r[0], card.layers[r[0]]['kind']) for r in rows)


def check_isolated(card):
    rows = differences(card, outputs(card, 'alone'))
    report(card, rows)
    far = [r for r in rows if r[2] > 1]
    many = [r for r in rows if r[1] > max(2, SHARE * r[3])]
    card.ok(not far, 'each layer by itself: no value more than a step away %s' % layers(card, far))
    card.ok(not many, 'each layer by itself: at least %g %% of the values equal %s' %
            (100 - 100 * SHARE, layers(card, many)))


def left_alone(model):
    """
    Whether engines leave the weights as they are: newer versions of ONNX Runtime round those of a
    convolution to 8 bits if only Relu or Clip stand between it and QuantizeLinear.
    """
    users = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for node in model.graph.node:
        if node.op_type == 'Conv':
            after = users.get(node.output[0], [])
            while len(after) == 1 and after[0].op_type in ('Relu', 'Clip', 'Mul', 'Add', 'Identity'):
                after = users.get(after[0].output[0], [])
            if len(after) == 1 and after[0].op_type == 'QuantizeLinear':
                return False
    return True


def check_variety(card):
    """Constant tensors would agree whatever the engine computes."""
    counts = [len(np.unique(card.values(i))) for i, t in enumerate(card.tensors)
              if t['type'] != 'int32']
    card.ok(min(counts) >= card.variety, 'every 8-bit tensor takes at least %d values' % card.variety)


def check(card):
    print('# %s: %d pictures' % (card.name, card.count))
    try:
        onnx.checker.check_model(card.model, full_check=True)
        problem = ''
    except Exception as e:  # whatever the checker raises is the verdict
        problem = str(e)
    card.ok(not problem, 'the ONNX checker and shape inference accept it %s' % problem)
    wrong = wrong_constants(card, initializers(card.model))
    card.ok(not wrong, 'constants are the integers times the 16-bit scales, bit for bit %s' %
            ' '.join(wrong))
    card.ok(left_alone(card.model), 'no convolution whose weights an engine rounds anew')
    check_variety(card)
    check_isolated(card)
    whole = outputs(card, 'whole')
    print('# all layers in a row:')
    report(card, differences(card, whole))
    check_logits(card, whole, 'as written')
    check_logits(card, outputs(card, 'optimized'), 'optimized')


def main():
    if len(sys.argv) < 6 or len(sys.argv) % 3:
        sys.exit(__doc__.strip())
    modules, folder = sys.argv[1:3]
    cards = [Card(folder, *sys.argv[i:i + 3]) for i in range(3, len(sys.argv), 3)]
    jobs = [j for card in cards for j in prepare(card)]
    subprocess.run(['node', os.path.join(HERE, 'run.js')] + jobs, check=True,
                   env=dict(os.environ, NODE_PATH=modules))
    for card in cards:
        check(card)


main()
