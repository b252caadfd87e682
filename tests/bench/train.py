#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An epoch of fqaccel-train beside one of the same network in PyTorch.

Usage: train.py [--rounds N] [--pictures N] [--threads N] [--network FILE.net] [FQACCEL-TRAIN]

In each round every subject trains for one epoch that is not counted and one that is, one subject after
another, so that what else the machine does touches all alike; given are medians and the quartiles of the
rounds' ratios. Pictures are random. PyTorch's lie ready in its memory format, already cropped and
flipped; fqaccel-train reads, crops and flips its own.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

BATCH = 128
EPOCH = 40000     # pictures: the epoch that times are told for


def read_network(path):
    """Lines of a description (fqaccel-train-net(5)) as (kind, name, options)."""
    layers = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if words and words[0] == "input":
                size = tuple(int(w) for w in words[1:])
            elif words:
                options = dict(w.split("=", 1) if "=" in w else (w, True) for w in words[2:])
                layers.append((words[0], words[1], options))
    return size, layers


def torch_network(path):
    """The same in PyTorch: a batch normalization behind each convolution."""
    import torch

    size, layers = read_network(path)

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = torch.nn.ModuleDict()
            channels = {"input": size[0]}
            before = "input"
            for kind, name, o in layers:
                source = o.get("from", before).split(",")[0]
                out = channels[source]
                key = name.replace(".", "_")
                if kind == "conv":
                    out = int(o["out"])
                    self.parts[key] = torch.nn.Sequential(
                        torch.nn.Conv2d(channels[source], out, int(o["kernel"]),
                                        int(o.get("stride", 1)), int(o.get("pad", 0)),
                                        groups=int(o.get("groups", 1)), bias=False),
                        torch.nn.BatchNorm2d(out))
                elif kind == "fc":
                    out = int(o["out"])
                    self.parts[key] = torch.nn.Linear(channels[source], out)
                elif kind not in ("add", "maxpool", "globalpool"):
                    sys.exit("train.py: %s is not supported here" % kind)
                channels[name] = out
                before = name

        def forward(self, x):
            values = {"input": x}
            before = "input"
            for kind, name, o in layers:
                inputs = [values[n] for n in o.get("from", before).split(",")]
                y = inputs[0]
                if kind == "conv":
                    y = self.parts[name.replace(".", "_")](y)
                elif kind == "fc":
                    y = self.parts[name.replace(".", "_")](y.flatten(1))
                elif kind == "add":
                    y = inputs[0] + inputs[1]
                elif kind == "maxpool":
                    y = torch.nn.functional.max_pool2d(y, int(o["kernel"]))
                else:
                    y = y.mean((2, 3), keepdim=True)
                values[name] = torch.relu(y) if "relu" in o else y
                before = name
            return values[before]

    return size, Network()


def torch_epoch(args):
    """Seconds of the second of two epochs."""
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    size, network = torch_network(args.network)
    memory = torch.channels_last if args.torch.endswith("last") else torch.contiguous_format
    bf16 = args.torch.startswith("bf16")
    network = network.to(memory_format=memory).train()
    steps = args.pictures // BATCH
    pictures = [torch.randn(BATCH, *size).contiguous(memory_format=memory) for _ in range(steps)]
    labels = [torch.randint(0, 10, (BATCH,)) for _ in range(steps)]
    descent = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    for _ in range(2):
        begin = time.monotonic()
        for x, y in zip(pictures, labels):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                logits = network(x)
            loss = torch.nn.functional.cross_entropy(logits.float(), y, label_smoothing=0.1)
            descent.zero_grad(set_to_none=True)
            loss.backward()
            descent.step()
        seconds = time.monotonic() - begin
    print(json.dumps({"seconds": seconds}))


def write_pictures(path, count, size):
    """As CIFAR-10 batches are."""
    draw = random.Random(1)
    with open(path, "wb") as f:
        for _ in range(count):
            f.write(bytes([draw.randrange(10)]) + draw.randbytes(size[0] * size[1] * size[2]))


def fqaccel_epoch(args, kind, folder):
    log = os.path.join(folder, "log")
    checkpoint = os.path.join(folder, "checkpoint")
    for path in (log, checkpoint):
        if os.path.exists(path):
            os.remove(path)
    subprocess.run([args.program, args.network, "--data", os.path.join(folder, "data.bin"),
                    "--validate", os.path.join(folder, "held.bin"), "--stages", "float",
                    "--epochs", "2", "--rate", "0.01", "--label-smoothing", "0.1", "--type", kind,
                    "--threads", str(args.threads), "--batch", str(BATCH), "--checkpoint",
                    checkpoint, "--log", log, "--quiet"], check=True)
    with open(log, encoding="utf-8") as f:
        return json.loads(f.read().splitlines()[-1])["seconds"]


def measure(args, subject, folder):
    owner, kind = subject
    if owner == "fqaccel-train":
        return fqaccel_epoch(args, kind, folder)
    out = subprocess.run([sys.executable, __file__, "--torch", kind, "--pictures",
                          str(args.pictures), "--threads", str(args.threads), "--network",
                          args.network], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(out)["seconds"]


def compare(times, what, ours, theirs):
    """Ours against the faster of theirs, by medians; the ratio round by round."""
    best = min(theirs, key=lambda s: statistics.median(times[s]))
    ratios = sorted(t / o for o, t in zip(times[ours], times[best]))
    low, middle, high = (statistics.quantiles(ratios, n=4) if len(ratios) > 1
                         else ratios * 3)
    print("%s: %.2f times as fast as %s %s (quartiles %.2f to %.2f)"
          % (what, middle, best[0], best[1], low, high))


def bench(args):
    size, _ = read_network(args.network)
    ours = [("fqaccel-train", "f32"), ("fqaccel-train", "bf16")]
    plain = [("torch", "f32 contiguous"), ("torch", "f32 channels-last")]
    short = [("torch", "bf16 contiguous"), ("torch", "bf16 channels-last")]
    subjects = [ours[0], *plain, ours[1], *short]
    times = {s: [] for s in subjects}
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(os.path.join(folder, "data.bin"), args.pictures, size)
        write_pictures(os.path.join(folder, "held.bin"), BATCH, size)
        for round_ in range(args.rounds):
            for subject in subjects:
                times[subject].append(measure(args, subject, folder))
            print("round %d of %d" % (round_ + 1, args.rounds), file=sys.stderr)
    print("%-34s %12s %14s" % ("median of %d" % args.rounds, "pictures/s", "40,000 take, s"))
    for subject in subjects:
        rate = args.pictures / statistics.median(times[subject])
        print("%-34s %12.1f %14.1f" % (" ".join(subject), rate, EPOCH / rate))
    compare(times, "float32", ours[0], plain)
    compare(times, "bfloat16", ours[1], short)
    compare(times, "bfloat16", ours[1], plain)
    compare(times, "bfloat16", ours[1], ours[:1])


def main():
    parser = argparse.ArgumentParser(description="fqaccel-train's epochs beside PyTorch's.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=20 * BATCH)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", default="tools/train/nets/cifar9.net")
    parser.add_argument("--torch", help=argparse.SUPPRESS)
    parser.add_argument("program", nargs="?", default="build/fqaccel-train")
    args = parser.parse_args()
    args.pictures -= args.pictures % BATCH
    if args.pictures < BATCH or args.rounds < 1 or args.threads < 1:
        sys.exit("train.py: at least %d pictures, one round, one thread" % BATCH)
    if args.torch:
        torch_epoch(args)
    else:
        bench(args)


if __name__ == "__main__":
    main()
