#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Writes the networks that families.t tests: what torchvision defines and torch exports, with random
weights, and MobileNet-V1 and LeNet-5, which torchvision does not have.

    families.py FOLDER           all files of the test, the list of cases last
    families.py FOLDER FAMILY    one family's model at full width alone
    families.py FOLDER --seeds   a few at their smallest, for the fuzzer (make golden-families)

Each line of FOLDER/cases is a model and a file with a picture and torch's answer for it (float32,
NAME.io). For each family one model has its full width, vgg16 excepted, which would take 553 MB. The
others, which differ in operator set and in the exporter's options, have every layer, but an eighth
of the channels and smaller pictures; vgg16's classifier is smaller still.
"""
import io
import os
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
import torch
from torch import nn
from torchvision import models

NARROW = 8      # a narrow network has one channel of so many
HIDDEN = 64     # and one feature of so many between its fully connected layers
OPSETS = range(9, 18)       # written by torch 1.13
NEWER = range(18, 26)       # written by torch at 17, see to_newer_opset()
OPTIONS = ("folded", "dynamic", "listed")


class Mean(nn.Module):
    """Global pooling as older torchvisions wrote it; it becomes a ReduceMean."""
    def forward(self, x):
        return x.mean([2, 3])


class View(nn.Module):
    """Flattening by hand: with a free batch it becomes Shape, Gather, Unsqueeze, Concat, Reshape."""
    def forward(self, x):
        return x.view(x.size(0), -1)


def mobilenet_v1():
    """Howard et al., 2017, table 1."""
    def block(c, out, stride):
        return nn.Sequential(
            nn.Conv2d(c, c, 3, stride, 1, groups=c, bias=False), nn.BatchNorm2d(c), nn.ReLU(),
            nn.Conv2d(c, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU())

    plan = [(32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1),
            (256, 512, 2)] + 5 * [(512, 512, 1)] + [(512, 1024, 2), (1024, 1024, 1)]
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        *[block(*p) for p in plan], Mean(), nn.Linear(1024, 1000))


def lenet5():
    """LeCun et al., 1998, with the usual ReLU and max pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), View(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


# Constructor; channels, side of the picture at full width, and of the narrow network's picture.
FAMILIES = {
    "resnet18": (models.resnet18, 3, 224, 64),
    "resnet50": (models.resnet50, 3, 224, 64),
    "mobilenet_v1": (mobilenet_v1, 3, 224, 64),
    "mobilenet_v2": (models.mobilenet_v2, 3, 224, 64),
    "vgg16": (models.vgg16, 3, 224, 224),       # its pooling to 7 x 7 can't be exported otherwise
    "squeezenet1_0": (models.squeezenet1_0, 3, 224, 64),
    "squeezenet1_1": (models.squeezenet1_1, 3, 224, 64),
    "lenet5": (lenet5, 1, 32, 32),
}


def narrow(model, by=NARROW):
    """The same layers with fewer channels."""
    def fewer(n, by=by):
        return n if n <= 3 else max(1, n // by)

    features = None         # of the fully connected layer before

    def change(module):
        nonlocal features
        for name, m in module.named_children():
            if isinstance(m, nn.Conv2d):
                groups = fewer(m.groups) if m.groups > 1 else 1
                new = nn.Conv2d(fewer(m.in_channels), fewer(m.out_channels), m.kernel_size,
                                m.stride, m.padding, m.dilation, groups, m.bias is not None)
            elif isinstance(m, nn.BatchNorm2d):
                new = nn.BatchNorm2d(fewer(m.num_features))
            elif isinstance(m, nn.Linear):
                before = features or fewer(m.in_features)
                features = fewer(m.out_features, HIDDEN)
                new = nn.Linear(before, features)
            else:
                change(m)
                continue
            setattr(module, name, new)

    change(model)
    return model


def randomize(model, seed):
    """Weights that keep the signal's size, and batch statistics that folding must not lose."""
    g = torch.Generator().manual_seed(seed)
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            fan = m.weight[0].numel()
            m.weight.data.normal_(0, (2 / fan) ** 0.5, generator=g)
            if m.bias is not None:
                m.bias.data.uniform_(-0.2, 0.2, generator=g)
        elif isinstance(m, nn.BatchNorm2d):
            m.weight.data.uniform_(0.5, 1.2, generator=g)
            m.bias.data.uniform_(-0.3, 0.3, generator=g)
            m.running_mean.uniform_(-0.3, 0.3, generator=g)
            m.running_var.uniform_(0.5, 2.0, generator=g)
    return model.eval()


def export(model, picture, opset, folded=True, dynamic=False, listed=False):
    f = io.BytesIO()
    batch = {"picture": {0: "batch"}, "scores": {0: "batch"}}
    torch.onnx.export(
        model, picture, f, opset_version=opset, input_names=["picture"], output_names=["scores"],
        training=torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=folded, keep_initializers_as_inputs=listed,
        dynamic_axes=batch if dynamic else None)
    return f.getvalue()


def to_newer_opset(data, opset):
    """
    Of the operators that these networks use, ReduceMean alone changed its form after 17: from 18
    on its axes are an input. The others' newer versions add element types (22: Conv, MaxPool,
    AveragePool, GlobalAveragePool, Dropout; 19 to 25: Constant, Flatten, Identity, Reshape, Shape).
    """
    m = onnx.load_from_string(data)
    for n in m.graph.node:
        if n.op_type != "ReduceMean":
            continue
        axes = next(a for a in n.attribute if a.name == "axes")
        name = n.output[0] + "_axes"
        m.graph.initializer.append(numpy_helper.from_array(np.array(axes.ints, np.int64), name))
        n.input.append(name)
        n.attribute.remove(axes)
    m.opset_import[0].version = opset
    return m.SerializeToString()


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def write_io(folder, name, model, picture):
    with torch.no_grad():
        scores = model(picture)
    data = np.concatenate([picture.numpy().ravel(), scores.numpy().ravel()])
    write(folder, name, data.astype("<f4").tobytes())


def write_full(folder, family, seed):
    make, channels, side, _ = FAMILIES[family]
    model = randomize(make(), seed)
    picture = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(seed))
    write(folder, family + ".onnx", export(model, picture, 13))
    write_io(folder, family + ".io", model, picture)
    return [f"{family}.onnx {family}.io"]


def write_external(folder, name, data, io_name):
    """The weights beside the model: all in one file, and each in its own."""
    cases = []
    for kind, one_file in (("one", True), ("many", False)):
        sub = os.path.join(folder, f"{name}-{kind}")
        os.makedirs(sub, exist_ok=True)
        onnx.save(onnx.load_from_string(data), os.path.join(sub, "model.onnx"),
                  save_as_external_data=True, all_tensors_to_one_file=one_file,
                  location="weights.bin" if one_file else None, size_threshold=64)
        cases.append(f"{name}-{kind}/model.onnx {io_name}")
    return cases


def write_narrow(folder, family, seed):
    """Each operator set, with options that rotate so that each meets each over the families."""
    make, channels, _, side = FAMILIES[family]
    model = randomize(narrow(make()), seed)
    picture = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(seed))
    io_name = f"{family}-narrow.io"
    write_io(folder, io_name, model, picture)
    cases = []
    for opset in list(OPSETS) + list(NEWER):
        bits = opset + seed
        options = [name for i, name in enumerate(OPTIONS) if bits >> i & 1]
        data = export(model, picture, min(opset, OPSETS[-1]), **{o: o in options for o in OPTIONS})
        if opset in NEWER:
            data = to_newer_opset(data, opset)
        name = "-".join([family, str(opset)] + options)
        write(folder, name + ".onnx", data)
        cases.append(f"{name}.onnx {io_name}")
    return cases + write_external(folder, f"{family}-external", data, io_name)


def shorten(data):
    """Names of a few letters: a fuzzer learns nothing from long ones."""
    m = onnx.load_from_string(data)
    names = {"": ""}
    for n in m.graph.node:
        n.name = n.doc_string = ""
        for part in (n.input, n.output):
            for i, name in enumerate(part):
                part[i] = names.setdefault(name, "v%d" % len(names))
    for part in (m.graph.initializer, m.graph.input, m.graph.output):
        for v in part:
            v.name = names[v.name]
    del m.graph.value_info[:]
    return m.SerializeToString()


def write_seeds(folder):
    for family, opset, options in (("resnet18", 13, ["listed"]), ("mobilenet_v1", 17, ["dynamic"]),
                                   ("mobilenet_v2", 9, []), ("squeezenet1_1", 11, ["folded"]),
                                   ("lenet5", 12, ["dynamic", "listed"])):
        make, channels, _, _ = FAMILIES[family]
        model = randomize(narrow(make(), NARROW if family == "lenet5" else HIDDEN), 1)
        picture = torch.zeros(1, channels, 32, 32)
        data = export(model, picture, opset, **{o: o in options for o in OPTIONS})
        write(folder, family + "-tiny.onnx", shorten(data))


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    if sys.argv[2:] == ["--seeds"]:
        write_seeds(folder)
        return
    if len(sys.argv) > 2:
        write_full(folder, sys.argv[2], 1)
        return
    cases = []
    for seed, family in enumerate(FAMILIES):
        if family != "vgg16":
            cases += write_full(folder, family, seed)
        cases += write_narrow(folder, family, seed)
    write(folder, "cases", ("\n".join(cases) + "\n").encode())


if __name__ == "__main__":
    main()
