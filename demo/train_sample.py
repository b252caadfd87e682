#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Train the network of the sample image and export it as ONNX.

    apt-get install python3-torch python3-numpy
    /usr/bin/python3 demo/train_sample.py CIFAR10_FOLDER -o sample.onnx

CIFAR10_FOLDER holds data_batch_1.bin to data_batch_5.bin of CIFAR-10's binary version. Batches 1 to 4
are trained on, batch 5 is held out. It takes about 20 minutes on two cores. A run that was
interrupted goes on from its checkpoint (OUTPUT.ckpt) when it is started again with --resume.

The input of the exported network is 1 x 3 x 32 x 32: RGB in 0..1, less MEAN, over STD.
"""
import argparse
import math
import os
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
PAD = 4


def conv(inputs, outputs, stride=1, relu=True):
    layers = [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(conv(channels, channels), conv(channels, channels, relu=False))

    def forward(self, x):
        return F.relu(x + self.body(x))


def network():
    """228 K weights and 25 M multiplications a picture, before pruning."""
    return nn.Sequential(
        conv(3, 24), nn.MaxPool2d(2),
        conv(24, 48), Residual(48),
        conv(48, 64, stride=2), Residual(64), Residual(64),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def load(folder, names):
    """Pictures as uint8 N x 3 x 32 x 32, labels as int64 N."""
    raw = np.concatenate([np.fromfile(os.path.join(folder, name), np.uint8) for name in names])
    raw = torch.from_numpy(raw.reshape(-1, 3073))
    return raw[:, 1:].reshape(-1, 3, 32, 32), raw[:, 0].long()


def normalize(pictures):
    x = (pictures.float() / 255 - MEAN) / STD
    return x.contiguous(memory_format=torch.channels_last)


def augment(pictures):
    """Brightness, contrast, tint and noise for each picture; some are made flat, as drawings are."""
    n = len(pictures)
    x = pictures.float()
    mean = x.mean((2, 3), keepdim=True)
    x = (x - mean) * (1 + 0.2 * torch.randn(n, 1, 1, 1)) + mean
    x = x + 16 * torch.randn(n, 1, 1, 1) + 8 * torch.randn(n, 3, 1, 1)
    flat = torch.rand(n) < 0.1
    x[flat] = F.avg_pool2d(x[flat], 3, 1, 1, count_include_pad=False)
    noisy = torch.rand(n) < 0.1
    x[noisy] += 8 * torch.randn_like(x[noisy])
    return x.clamp(0, 255)


def batches(pictures, labels, size):
    """One epoch of shuffled batches, each picture shifted by up to PAD pixels and flipped by chance."""
    windows = F.pad(pictures, [PAD] * 4).unfold(2, 32, 1).unfold(3, 32, 1)
    order = torch.randperm(len(pictures))
    for start in range(0, len(order) - size + 1, size):
        index = order[start:start + size]
        dy, dx = torch.randint(0, 2 * PAD + 1, (2, size))
        x = windows[index, :, dy, dx]
        flip = torch.rand(size) < 0.5
        x[flip] = x[flip].flip(3)
        yield normalize(augment(x)), labels[index]


class Pruner:
    """Gradual magnitude pruning: the share of zeros grows as a cubic between `begin` and `end` of the training."""

    def __init__(self, net, sparsity, begin=0.1, end=0.65):
        self.begin, self.end = begin, end
        self.weights = [m.weight for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        self.masks = [torch.ones_like(w) for w in self.weights]
        # The first and the last layer hold little and matter most.
        self.targets = [min(sparsity, 0.5) if w is self.weights[0] or w is self.weights[-1] else sparsity
                        for w in self.weights]

    def update(self, progress):
        share = min(max((progress - self.begin) / (self.end - self.begin), 0), 1)
        for i, weight in enumerate(self.weights):
            sparsity = self.targets[i] * (1 - (1 - share) ** 3)
            zeros = int(sparsity * weight.numel())
            if zeros > (self.masks[i] == 0).sum():
                threshold = weight.detach().abs().flatten().kthvalue(zeros).values
                self.masks[i] = (weight.detach().abs() > threshold).float()

    def apply(self):
        with torch.no_grad():
            for weight, mask in zip(self.weights, self.masks):
                weight.mul_(mask)

    def sparsity(self):
        zeros = sum((m == 0).sum().item() for m in self.masks)
        return zeros / sum(m.numel() for m in self.masks)


def accuracy(net, pictures, labels):
    net.eval()
    with torch.no_grad():
        hits = sum((net(normalize(x)).argmax(1) == y).sum().item()
                   for x, y in zip(pictures.split(500), labels.split(500)))
    net.train()
    return 100 * hits / len(labels)


def train(net, args, pictures, labels, held):
    pruner = Pruner(net, args.sparsity)
    optimizer = torch.optim.SGD(net.parameters(), lr=args.rate, momentum=0.9, nesterov=True, weight_decay=4e-4)
    first, checkpoint = 0, args.output + ".ckpt"
    if args.resume:
        state = torch.load(checkpoint)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        first, pruner.masks = state["epoch"], state["masks"]
    steps = len(pictures) // args.batch
    for epoch in range(first, args.epochs):
        start, total = time.time(), 0
        for step, (x, y) in enumerate(batches(pictures, labels, args.batch)):
            progress = (epoch + step / steps) / args.epochs
            warm = min(progress * args.epochs, 1)
            optimizer.param_groups[0]["lr"] = args.rate * warm * (1 + math.cos(math.pi * progress)) / 2
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = F.cross_entropy(net(x).float(), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if step % 50 == 0:
                pruner.update(progress)
            pruner.apply()
            total += loss.item()
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1,
                    "masks": pruner.masks}, checkpoint)
        print(f"epoch {epoch + 1}/{args.epochs} loss {total / steps:.3f} sparsity {pruner.sparsity():.3f} "
              f"held out {accuracy(net, held[0][:2000], held[1][:2000]):.2f} % {time.time() - start:.0f} s",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("-o", "--output", default="sample.onnx")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--sparsity", type=float, default=0.85)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    pictures, labels = load(args.folder, [f"data_batch_{i}.bin" for i in range(1, 5)])
    held = load(args.folder, ["data_batch_5.bin"])
    net = network().to(memory_format=torch.channels_last)
    train(net, args, pictures, labels, held)

    net.eval()
    print(f"accuracy on the held-out batch: {accuracy(net, *held):.2f} %")
    net.eval()
    torch.onnx.export(net, torch.zeros(1, 3, 32, 32), args.output, opset_version=13,
                      input_names=["input"], output_names=["logits"])


if __name__ == "__main__":
    main()
