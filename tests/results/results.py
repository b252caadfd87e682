#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What run.sh measured, as the tables and the plot of doc/results.md.

Usage: results.py assignments REPORT.json      layers in shift mode for each w_sep (Figure 5)
       results.py document RESULTS OUT.md      the document, and OUT's fig5.svg beside it
       results.py paired A.pictures B.pictures accuracies and the difference's standard error

A piece that is not done is told so in its place; nothing is filled in.
"""
import json
import math
import os
import sys

HELD = (("batch 5", 0, 10000), ("1,000 test pictures", 10000, 11000))
SEPARATIONS = [10 + i for i in range(26)]     # tenths: 1.0 to 3.5
RUNS = 5


def assignments(layers):
    """By w_sep in tenths, the layers that take shift quantization; W >= w_sep is recentralized."""
    return {tenths: [l["name"] for l in sorted(layers, key=lambda l: l["separation"])
                     if l["separation"] < tenths / 10] for tenths in SEPARATIONS}


def distinct(layers):
    """The assignments without repetition: one has all layers of the one before it, and more."""
    kinds = []
    for names in assignments(layers).values():
        if names not in kinds:
            kinds.append(names)
    return kinds


def read_pictures(path):
    """By picture whether the first class was the label."""
    with open(path, encoding="utf-8") as f:
        words = [line.split(" ", 2) for line in f]
    return [(int(label), int(label) == int(found)) for label, found, _ in words]


def mean_error(values):
    """Mean and its standard error."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, math.nan
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)


def accuracy(pictures):
    """In percent, with its standard error."""
    mean, error = mean_error([float(right) for _, right in pictures])
    return 100 * mean, 100 * error


def difference(before, after):
    """Of two networks on the same pictures, in percentage points, with the paired standard error."""
    if [label for label, _ in before] != [label for label, _ in after]:
        sys.exit("results: two networks were measured on different pictures")
    mean, error = mean_error([float(b[1]) - float(a[1]) for a, b in zip(before, after)])
    return 100 * mean, 100 * error


class Results:
    """The folder that run.sh filled."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def stamp(self, name):
        """key, seconds, date and command of a piece; None where it is not done."""
        try:
            with open(self.path(name + ".done"), encoding="utf-8") as f:
                return dict(line.rstrip("\n").split(" ", 1) for line in f)
        except FileNotFoundError:
            return None

    def report(self, name):
        """What the command of a piece printed."""
        if not self.stamp(name):
            return None
        with open(self.path(name + ".json"), encoding="utf-8") as f:
            return json.load(f)

    def pictures(self, name):
        return read_pictures(self.path(name + ".pictures")) if self.stamp(name) else None

    def size(self, name):
        return os.path.getsize(self.path(name + ".fqz")) if self.stamp(name) else None

    def seconds(self, name):
        """Of a training those of its epochs: it may have been stopped and gone on."""
        log = self.path(name + ".log")
        if not os.path.exists(log):
            return float(self.stamp(name)["seconds"])
        with open(log, encoding="utf-8") as f:
            epochs = sum(json.loads(line)["seconds"] for line in f)
        return max(epochs, float(self.stamp(name)["seconds"]))


def signed(value, error):
    return "%+.2f ± %.2f" % (value, error)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |",
             "|" + "|".join("---" if not i else "---:" for i in range(len(head))) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def row_of(results, what, name, base, parts, tail):
    """A network beside the one that it is compared with, on each part of the pictures."""
    cells = [what]
    pictures, reference = results.pictures(name), results.pictures(base) if base else None
    for _, first, last in parts:
        if pictures is None:
            cells += ["not run", ""]
            continue
        cells.append("%.2f ± %.2f" % accuracy(pictures[first:last]))
        cells.append(signed(*difference(reference[first:last], pictures[first:last]))
                     if reference else "")
    return cells + tail


def kilobytes(size):
    return "" if size is None else "%.1f" % (size / 1000)


def ratio(dense, size):
    return "" if not size or not dense else "%.2f" % (dense / size)


def sparsity_of(results, name):
    report = results.report(name)
    return "" if not report else "%.2f" % report["stages"][-1]["sparsity"]


def pruned_bytes(report):
    """A bit for each weight says whether it is there, and 4 bytes what it is."""
    weights = sum(l["weights"] for l in report["layers"])
    zeros = sum(l["zeros"] for l in report["layers"])
    return report["dense_bytes"] - 4 * zeros + (weights + 7) // 8


def commands(results, names):
    done = [results.stamp(n)["command"] for n in names if results.stamp(n)]
    return "```\n" + "\n".join(done) + "\n```\n" if done else ""


def part_head(parts):
    head = []
    for name, _, _ in parts:
        head += ["top-1, %, " + name, "difference"]
    return head


def cifar(results):
    report = results.report("c9-float")
    dense = report["dense_bytes"] if report else None
    pruned = results.report("c9-prune")
    size = results.size("c9-i5")
    rows = [
        row_of(results, "float", "c9-float", None, HELD, [kilobytes(dense), ""]),
        row_of(results, "pruned", "c9-prune", "c9-float", HELD,
               [kilobytes(pruned_bytes(pruned)), ratio(dense, pruned_bytes(pruned))]
               if pruned else ["", ""]),
        row_of(results, "5-bit weights", "c9-q5", "c9-float", HELD, ["", ""]),
        row_of(results, "all integers, on the card", "c9-card5", "c9-float", HELD,
               [kilobytes(size), ratio(dense, size)]),
    ]
    text = table(["network"] + part_head(HELD) + ["kB", "CR"], rows)
    return text + "\n" + commands(results, ["c9-float", "c9-prune", "c9-q5", "c9-a5", "c9-i5",
                                            "c9-card5"])


def table1(results):
    report, pruned = results.report("c9-float"), results.report("c9-prune")
    dense = report["dense_bytes"] if report else None
    part = HELD[0][1:]

    def top1(name):
        pictures = results.pictures(name)
        return "%.2f" % accuracy(pictures[slice(*part)])[0] if pictures else "not run"

    rows = [["dense", top1("c9-float"), "", "0", kilobytes(dense), ""],
            ["pruned", top1("c9-prune"), "", sparsity_of(results, "c9-prune")] +
            ([kilobytes(pruned_bytes(pruned)), ratio(dense, pruned_bytes(pruned))] if pruned
             else ["", ""])]
    for bits in (3, 5, 7):
        size = results.size("c9-i%d" % bits)
        rows.append(["%d bits" % bits, top1("c9-q%d" % bits), top1("c9-card%d" % bits),
                     sparsity_of(results, "c9-q%d" % bits), kilobytes(size), ratio(dense, size)])
    return table(["step", "top-1, %", "all integers", "sparsity, %", "kB", "CR"], rows)


def table3(results):
    parts = HELD[:1]
    rows = [row_of(results, what, name, base, parts, []) for what, name, base in (
        ("baseline", "c9-float", None), ("+ 5-bit FQ weights", "c9-q5", "c9-float"),
        ("+ 8-bit activations", "c9-a5", "c9-float"),
        ("+ 16-bit batch normalization", "c9-card5", "c9-float"))]
    return table(["quantized"] + part_head(parts), rows)


def resnet(results):
    rows, means = [], []
    for seed in ("1", "2", "3"):
        tuned, card = results.pictures("r20-float-" + seed), results.pictures("r20-card-" + seed)
        if not tuned or not card:
            rows.append(["seed " + seed, "not run", "", "", "", ""])
            continue
        change = difference(tuned, card)
        means.append((accuracy(tuned)[0], accuracy(card)[0], change[0]))
        size = results.size("r20-i-" + seed)
        dense = results.report("r20-i-" + seed)["dense_bytes"]
        rows.append(["seed " + seed, "%.2f" % accuracy(tuned)[0], "%.2f" % accuracy(card)[0],
                     signed(*change), kilobytes(size), ratio(dense, size)])
    if len(means) == 3:
        mean = [sum(column) / 3 for column in zip(*means)]
        spread = mean_error([m[2] for m in means])[1]
        rows.append(["mean", "%.2f" % mean[0], "%.2f" % mean[1], signed(mean[2], spread), "", ""])
    text = table(["", "float, fine-tuned as long", "all integers", "difference", "kB", "CR"], rows)
    return text + "\n" + commands(results, ["r20-float-1", "r20-prune-1", "r20-q-1", "r20-i-1",
                                            "r20-card-1"])


def fashion(results):
    parts = (("10,000 test pictures", 0, 10000),)
    report, size = results.report("fm-float"), results.size("fm-i")
    dense = report["dense_bytes"] if report else None
    rows = [row_of(results, "float", "fm-float", None, parts, [kilobytes(dense), ""]),
            row_of(results, "pruned", "fm-prune", "fm-float", parts, ["", ""]),
            row_of(results, "all integers, on the card", "fm-card", "fm-float", parts,
                   [kilobytes(size), ratio(dense, size)])]
    text = table(["network"] + part_head(parts) + ["kB", "CR"], rows)
    return text + "\n" + commands(results, ["fm-float", "fm-prune", "fm-i", "fm-card"])


def post(results):
    rows = []
    for network, trained, trained_card, base, part, others in (
            ("CIFAR-10, nine convolutions", "c9-i5", "c9-card5", "c9-float", (0, 10000), (
                ("80 % sparsity, 5 bits", "c9-post"),
                ("pruned in training, 5 bits", "c9-post-pruned"),
                ("bits and sparsity searched for the trained one's CR", "c9-post-size"))),
            ("ResNet-20, seed 1", "r20-i-1", "r20-card-1", "r20-float-1", (0, 1000), (
                ("60 % sparsity, 5 bits", "r20-post"),
                ("searched for the trained one's CR", "r20-post-size"))),
            ("Fashion-MNIST", "fm-i", "fm-card", "fm-float", (0, 10000), (
                ("50 % sparsity, 5 bits", "fm-post"),))):
        for what, image, card in [("fqaccel-train", trained, trained_card)] + [
                ("fqaccel-compress, " + o[0], o[1], o[1] + "-card") for o in others]:
            cells = row_of(results, network, card, base, (("", *part),), [])
            size = results.size(image)
            report = results.report(trained)
            rows.append([cells[0], what] + cells[1:] +
                        [kilobytes(size), ratio(report["dense_bytes"] if report else None, size)])
    return table(["network", "made by", "top-1, %", "from float", "kB", "CR"], rows)


def fig5_points(results):
    """By distinct assignment: number, layers, accuracies of the trainings that are done."""
    report = results.report("f5-prune")
    if not report:
        return None, []
    points = []
    for number, names in enumerate(distinct(report["layers"])):
        runs = [results.pictures("f5-%d-%d" % (number, seed)) for seed in range(1, RUNS + 1)]
        points.append((number, names, [accuracy(p)[0] for p in runs if p]))
    return report, points


def fig5_svg(report, points, path):
    """Mean error and spread over w_sep; each assignment's trainings as points."""
    by_names = {tuple(names): values for _, names, values in points}
    columns = [(t / 10, [100 - v for v in by_names[tuple(names)]])
               for t, names in assignments(report["layers"]).items() if by_names[tuple(names)]]
    if not columns:
        return False
    low = math.floor(2 * min(min(v) for _, v in columns)) / 2
    high = math.ceil(2 * max(max(v) for _, v in columns)) / 2
    high += 0.5 if high == low else 0

    def x(sep):
        return 60 + (sep - 1) / 2.5 * 560

    def y(error):
        return 320 - (error - low) / (high - low) * 290

    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 370" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="640" height="370" fill="white"/>']
    step = 0.1 if high - low <= 1 else 0.25 if high - low <= 2.5 else 1
    for i in range(int(round((high - low) / step)) + 1):
        at = low + i * step
        out.append('<path d="M60 %.1fH620" stroke="#ddd"/><text x="54" y="%.1f" '
                   'text-anchor="end">%.4g</text>' % (y(at), y(at) + 4, at))
    for tenths in range(10, 36, 5):
        out.append('<text x="%.1f" y="338" text-anchor="middle">%.1f</text>'
                   % (x(tenths / 10), tenths / 10))
    upper, lower, line = [], [], []
    for sep, values in columns:
        mean, error = mean_error(values)
        deviation = error * math.sqrt(len(values)) if len(values) > 1 else 0
        upper.append("%.1f %.1f" % (x(sep), y(mean + deviation)))
        lower.append("%.1f %.1f" % (x(sep), y(mean - deviation)))
        line.append("%.1f %.1f" % (x(sep), y(mean)))
        out += ['<circle cx="%.1f" cy="%.1f" r="1.5" fill="#888"/>' % (x(sep), y(v))
                for v in values]
    out.append('<path d="M%sL%sZ" fill="#36c" fill-opacity="0.15"/>'
               % ("L".join(upper), "L".join(reversed(lower))))
    out.append('<path d="M%s" fill="none" stroke="#36c" stroke-width="2"/>' % "L".join(line))
    out.append('<text x="340" y="360" text-anchor="middle">w_sep</text>')
    out.append('<text transform="translate(16 175) rotate(-90)" text-anchor="middle">'
               'top-1 error, %</text></svg>')
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")
    return True


def spans(report, names):
    """The values of w_sep that give an assignment."""
    got = [t / 10 for t, n in assignments(report["layers"]).items() if n == names]
    return "%.1f to %.1f" % (got[0], got[-1]) if len(got) > 1 else "%.1f" % got[0]


def fig5(results, folder):
    report, points = fig5_points(results)
    if not report:
        return "Not run.\n"
    rows = []
    for _, names, values in points:
        cells = [spans(report, names), "%d of %d" % (len(names), len(report["layers"])),
                 ", ".join(names) or "none", str(len(values))]
        if len(values) > 1:
            mean, error = mean_error(values)
            cells += ["%.2f" % (100 - mean), "%.2f" % (error * math.sqrt(len(values))),
                      "%.2f" % error]
        else:
            cells += ["not run", "", ""]
        rows.append(cells)
    text = table(["w_sep", "in shift mode", "which", "trainings", "top-1 error, %",
                  "standard deviation", "of the mean"], rows)
    separations = [["%s" % l["name"], "%.2f" % (100 * l["zeros"] / l["weights"]),
                    "%.3f" % l["separation"]] for l in report["layers"]]
    text += "\n" + table(["layer", "sparsity, %", "W"], separations)
    if fig5_svg(report, points, os.path.join(folder, "fig5.svg")):
        text += "\n![Error over w_sep](fig5.svg)\n"
    return text + "\n" + commands(results, ["f5-float", "f5-prune", "f5-0-1"])


def hours(results):
    groups = (("CIFAR-10, nine convolutions", "c9-"), ("ResNet-20", "r20-"),
              ("Fashion-MNIST", "fm-"), ("Figure 5", "f5-"))
    names = sorted(n[:-5] for n in os.listdir(results.folder) if n.endswith(".done"))
    rows, total = [], 0
    for what, prefix in groups:
        mine = [n for n in names if n.startswith(prefix)]
        seconds = sum(results.seconds(n) for n in mine)
        total += seconds
        rows.append([what, str(len(mine)), "%.2f" % (seconds / 3600)])
    rows.append(["all", str(len(names)), "%.2f" % (total / 3600)])
    return table(["", "pieces done", "hours"], rows)


def machine(results):
    with open(results.path("machine"), encoding="utf-8") as f:
        model, cores = f.read().split("\n")[:2]
    dates = sorted(results.stamp(n[:-5])["date"] for n in os.listdir(results.folder)
                   if n.endswith(".done"))
    when = "" if not dates else ", " + (dates[0] if dates[0] == dates[-1]
                                        else dates[0] + " to " + dates[-1])
    return "%s, %s cores%s" % (model, cores, when)


def document(folder, path):
    results = Results(folder)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "results.md"),
              encoding="utf-8") as f:
        text = f.read()
    beside = os.path.dirname(os.path.abspath(path))
    for word, part in (("MACHINE", lambda: machine(results)), ("HOURS", lambda: hours(results)),
                       ("CIFAR", lambda: cifar(results)), ("TABLE1", lambda: table1(results)),
                       ("TABLE3", lambda: table3(results)), ("RESNET", lambda: resnet(results)),
                       ("FASHION", lambda: fashion(results)), ("POST", lambda: post(results)),
                       ("FIGURE5", lambda: fig5(results, beside))):
        text = text.replace("@%s@" % word, part().rstrip("\n"))
    with open(path + ".part", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".part", path)


def main(args):
    if args[:1] == ["assignments"] and len(args) == 2:
        with open(args[1], encoding="utf-8") as f:
            layers = json.load(f)["layers"]
        for number, names in enumerate(distinct(layers)):
            print(number, *names)
    elif args[:1] == ["document"] and len(args) == 3:
        document(args[1], args[2])
    elif args[:1] == ["paired"] and len(args) == 3:
        before, after = read_pictures(args[1]), read_pictures(args[2])
        print("%.2f ± %.2f" % accuracy(before), "%.2f ± %.2f" % accuracy(after),
              signed(*difference(before, after)))
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main(sys.argv[1:])
