#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks of fqaccel-compress's reports against each other and against other programs.

Usage: report_check.py name MODEL OUT OUTPUT=NAME...  name the nodes of an ONNX file
       report_check.py bend MODEL OUT WEIGHT=HOW...   zero: set weights to 0, positive: drop signs
       report_check.py numbers REPORT.json INFO.json  JSON against fqaccel-info's
       report_check.py table REPORT.json TEXT         the table against the JSON
       report_check.py page REPORT.json PAGE.html     the page against the JSON
       report_check.py probe PAGE.html OUT.html FRAME.html WIDTH
                                                      a page that judges its own layout, and
                                                      one that holds it in a frame
       report_check.py terminal COLUMNS COMMAND...    run in a terminal that wide

What does not hold ends the program with a message and status 1.
"""
import fcntl
import json
import math
import os
import pty
import re
import struct
import sys
import termios
import xml.etree.ElementTree as ElementTree


def require(holds, what):
    if not holds:
        sys.exit(f"report_check.py: {what}")


def near(a, b, tolerance=1e-6):
    return abs(a - b) <= tolerance * max(abs(a), abs(b), 1e-30)


# A protocol buffer as a list of (field, wire type, value).

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def put_varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            start = at
            _, at = varint(data, at)
            yield key >> 3, wire, data[start:at]
        else:
            size, at = varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            yield key >> 3, wire, data[at:at + size]
            at += size


def message(parts):
    return b"".join(put_varint(field << 3 | wire) +
                    (put_varint(len(value)) if wire == 2 else b"") + value
                    for field, wire, value in parts)


def change(data, path, function):
    """Replace what the fields of @path, one inside the other, hold."""
    return message((field, wire, (function(value) if len(path) == 1 else
                                  change(value, path[1:], function))
                    if field == path[0] else value) for field, wire, value in fields(data))


def name(model, out, *pairs):
    names = dict(pair.split("=", 1) for pair in pairs)

    def name_node(node):
        output = next(value for field, _, value in fields(node) if field == 2).decode()
        if output not in names:
            return node
        return message([f for f in fields(node) if f[0] != 3] +
                       [(3, 2, names.pop(output).encode())])

    with open(model, "rb") as f:
        data = f.read()
    # ModelProto.graph, GraphProto.node; of a NodeProto 2 is an output, 3 the name
    data = change(data, (7, 1), name_node)
    require(not names, f"no node writes {list(names)}")
    with open(out, "wb") as f:
        f.write(data)


def bend(model, out, *pairs):
    how = dict(pair.split("=", 1) for pair in pairs)

    def bend_weights(tensor):
        parts = list(fields(tensor))
        to = how.pop(next(value for field, _, value in parts if field == 8).decode(), None)
        if not to:
            return tensor
        # raw_data: floats, of which the last byte has the sign
        return message((field, wire, value if field != 9 else bytes(len(value)) if to == "zero"
                        else bytes(b & 127 if i % 4 == 3 else b for i, b in enumerate(value)))
                       for field, wire, value in parts)

    with open(model, "rb") as f:
        data = f.read()
    # ModelProto.graph, GraphProto.initializer; of a TensorProto 8 is the name
    data = change(data, (7, 5), bend_weights)
    require(not how, f"no weights are called {list(how)}")
    with open(out, "wb") as f:
        f.write(data)


def load(path):
    def no_constant(name):
        raise ValueError(f"{name} is not JSON")
    with open(path, encoding="utf-8") as f:
        return json.load(f, parse_constant=no_constant)


def entropy(counts):
    total = sum(counts)
    return sum(c / total * math.log2(total / c) for c in counts if c)


def check_layer(layer, other):
    name = layer["name"]
    for mine, theirs in (("mode", "mode"), ("bits", "bits"), ("weights", "weights"),
                         ("zeros", "zeros"), ("stream_bytes", "bytes"), ("groups", "groups")):
        require(layer[mine] == other.get(theirs, 1),
                f"{name}: {mine} is {layer[mine]}, fqaccel-info says {other.get(theirs)}")
    counts = [count for _, count in layer["symbols"]]
    require(sum(counts) == layer["weights"] == math.prod(layer["shape"]),
            f"{name}: symbols, weights and shape disagree")
    require(layer["symbols"][0] == [0, layer["zeros"]], f"{name}: zeros are not the first symbol")
    require(near(layer["entropy"], entropy(counts)), f"{name}: entropy")
    zeros = layer["zeros"]
    require(near(layer["mask_entropy"], entropy([zeros, layer["weights"] - zeros])),
            f"{name}: mask entropy")
    require(near(layer["coded_bits"], 8 * layer["stream_bytes"] / layer["weights"]),
            f"{name}: coded bits")
    low, high = layer["scale_range"]
    require(low <= layer["scale"] <= high, f"{name}: scale out of its range")
    first, last = layer["shift_exponents"]
    shifts = [2 ** e for e in range(first, last + 1)]
    if layer["mode"] == "shift":
        want = [0] + [w for s in shifts for w in (s, -s)]
    else:
        neg, pos = layer["mean_exponents"]
        want = [0, -2 ** neg] + [-2 ** neg + d for s in shifts for d in (s, -s)]
        want += [2 ** pos] + [2 ** pos + d for s in shifts for d in (s, -s)]
    require([w for w, _ in layer["symbols"]] == want, f"{name}: the alphabet's weights")
    if not layer["mixture"]:
        require(layer["separation"] is None, f"{name}: separation of no components")
        return
    # The largest shift value is 2^(2^k - 1 - b), times sigma where recentralized.
    unit, k = 1, layer["bits"] - 2
    if layer["mode"] != "shift":
        mix, k = layer["mixture"], k - 1
        unit = math.sqrt(sum(p * s * s for p, s in zip(mix["lambda"], mix["sigma"])))
    require(near(layer["scale"] * 2 ** last, 2 ** (2 ** k - 1 - layer["b"]) * unit, 1e-5),
            f"{name}: b")


def check_separation(layer):
    mix = layer["mixture"]
    if not mix:
        return
    # Of all weights that the mixture was fitted to: by its own moments.
    mean = sum(p * m for p, m in zip(mix["lambda"], mix["mean"]))
    variance = sum(p * (s * s + (m - mean) ** 2)
                   for p, m, s in zip(mix["lambda"], mix["mean"], mix["sigma"]))
    w = ((mix["mean"][0] - mix["mean"][1]) ** 2 +
         (mix["sigma"][0] - mix["sigma"][1]) ** 2) / variance
    require(near(w, layer["separation"], 1e-3), f"{layer['name']}: separation")


def numbers(report, info):
    report, info = load(report), load(info)
    size = report["bytes"]
    require(size["file"] == os.path.getsize(report["image"]) == info["bytes"], "file size")
    require(size["file"] == size["weights"] + size["channels"] + size["others"],
            "the bytes do not add up")
    require(size["dense"] == info["dense_bytes"], "dense bytes")
    require(near(report["compression_rate"], size["dense"] / size["file"]), "compression rate")
    layers = report["layers"]
    weighted = {l["index"]: l for l in info["layers"] if "weights" in l}
    require([l["index"] for l in layers] == sorted(weighted), "which layers have weights")
    for layer in layers:
        require(layer["name"] == weighted[layer["index"]]["name"], "a layer's name")
        check_layer(layer, weighted[layer["index"]])
        check_separation(layer)
    for member, total in (("weights", "weights"), ("zeros", "zeros")):
        require(sum(l[member] for l in layers) == report[total] == info[total], total)
    require(sum(l["stream_bytes"] for l in layers) == size["weights"], "streams' bytes")
    for member in ("entropy", "mask_entropy", "coded_bits"):
        mean = sum(l[member] * l["weights"] for l in layers) / report["weights"]
        require(near(mean, report[member], 1e-5), f"mean {member}")
    last, rest = layers[-1], report["without_classifier"]
    require(rest["layer"] == last["name"], "the classifier")
    dense = 4 * (last["weights"] + last["shape"][0])
    require(rest["dense"] == size["dense"] - dense, "the classifier's dense bytes")
    require(near(rest["compression_rate"], rest["dense"] /
                 (size["file"] - last["stream_bytes"] - last["channel_bytes"])),
            "compression rate without the classifier")


def table(report, text):
    report = load(report)
    with open(text, encoding="utf-8") as f:
        lines = f.read().splitlines()
    layers = report["layers"]
    rows = lines[1:len(layers) + 1]
    require(lines[0].startswith("layer") and lines[0].endswith("bytes"), "the head of the table")
    require(len({len(r) for r in lines[:len(rows) + 1]}) == 1, "lines of different lengths")
    for row, layer in zip(rows, layers):
        cells = row.split()
        shape = "x".join(map(str, layer["shape"]))
        require(shape in cells, f"no shape {shape} in: {row}")
        after = cells[cells.index(shape):]
        mix = layer["mixture"]
        fitted = [f"{layer['separation']:.2f}", f"{mix['mean'][0]:.2g}",
                  f"{mix['mean'][1]:.2g}"] if mix else ["-", "-", "-"]
        want = [shape, layer["mode"][:5], str(layer["bits"]), *fitted]
        require(after[:6] == want, f"{after[:6]}, expected {want}")
        want = [f"{100 * layer['zeros'] / layer['weights']:.1f}", f"{layer['entropy']:.2f}",
                f"{layer['coded_bits']:.2f}", layer["coder"]]
        require(after[-7:-3] == want, f"{after[-7:-3]}, expected {want}")
        require(after[-1] == str(layer["stream_bytes"] + layer["channel_bytes"]), "bytes")
    require(f"CR {report['compression_rate']:.2f} " in "\n".join(lines), "compression rate")


def points(path):
    """Corners of a path of M, H, V, L and Z with absolute coordinates."""
    x = y = 0
    for command, rest in re.findall(r"([MHVLZ])([^MHVLZ]*)", path):
        values = [float(v) for v in rest.split()]
        if command in "ML":
            x, y = values
        elif command == "H":
            x, = values
        elif command == "V":
            y, = values
        yield x, y


def scale_of(svg):
    """Per cent of one unit upward, from the grid line of the lowest number, and the foot."""
    foot = max(y for p in svg.iter("path") if p.get("class") == "a" for _, y in
               points(p.get("d").replace("v4", "")))
    for line, label in zip((p for p in svg.iter("path") if p.get("class") == "g"),
                           (t for t in svg.iter("text") if t.get("class") == "e")):
        top = next(points(line.get("d")))[1]
        return float(label.text.rstrip("%")) / (foot - top), foot
    sys.exit("report_check.py: a figure without numbers")


def histogram(svg, name, bins=128):
    """Per cent in all bins of an outline."""
    scale, foot = scale_of(svg)
    path = [p for p in svg.iter("path") if p.get("class") == name]
    require(len(path) == 1, f"{len(path)} outlines of class {name}")
    corners = list(points(path[0].get("d")))
    area = sum((b[0] - a[0]) * (foot - a[1]) for a, b in zip(corners, corners[1:]))
    width = max(x for x, _ in corners) - min(x for x, _ in corners)
    return area * scale * bins / width


def curve(svg, name):
    scale, foot = scale_of(svg)
    path = [p for p in svg.iter("path") if p.get("class") == name]
    require(len(path) == 1, f"{len(path)} curves of class {name}")
    return sum((foot - y) * scale for _, y in points(path[0].get("d")))


def stems(svg):
    scale, foot = scale_of(svg)
    return [(foot - list(points(p.get("d")))[-1][1]) * scale
            for p in svg.iter("path") if p.get("class") == "stem"]


def outside(figure):
    lie = re.search(r"; ([0-9.e-]+)\u00a0% lie outside", figure.find("figcaption").text)
    return float(lie.group(1)) if lie else 0


def check_figures(article, layer):
    figures = list(article.iter("figure"))
    name, used = layer["name"], sum(1 for w, c in layer["symbols"][1:] if c)
    one = layer["scale_range"][0] == layer["scale_range"][1]
    require(len(figures) == (2 if one else 3), f"{name}: {len(figures)} figures")
    for figure in figures:
        svg = figure.find("svg")
        require(svg.get("role") == "img" and svg.find("desc").text, f"{name}: no description")
        require(svg.find("title").text.endswith(name), f"{name}: the figure's title")
        require(svg.get("aria-labelledby") == svg.find("title").get("id"), f"{name}: label")
    before, after = (f.find("svg") for f in figures[:2])
    # Pruned ones may lie outside too, so the caption's share bounds it from below only.
    kept = histogram(before, "kept")
    full = 100 if used else 0
    require(full - 1 - 4 * outside(figures[0]) < kept < full + 1, f"{name}: {kept} % before")
    if layer["mixture"]:
        # It was fitted to what is not pruned; some of it may have been rounded to 0.
        both = curve(before, "sum")
        require(both > 0.9 * kept, f"{name}: the mixture holds {both} %")
        parts = curve(before, "neg") + curve(before, "pos")
        require(abs(both - parts) < 2.5, f"{name}: the components hold {parts} of {both} %")
    levels = stems(after if one else figures[2].find("svg"))
    require(len(levels) <= used, f"{name}: {len(levels)} stems of {used} levels")
    require(abs(sum(levels) - full) < 2.5, f"{name}: the stems hold {sum(levels)} %")
    if not one:
        held = histogram(after, "after")
        require(abs(held + outside(figures[1]) - full) < 2.5, f"{name}: {held} % after")


def page(report, html):
    report = load(report)
    with open(html, encoding="utf-8") as f:
        text = f.read()
    require(not re.search(r"https?:|//[a-z]|url\(|@import|<script|javascript:", text),
            "the page names something outside of it")
    root = ElementTree.fromstring(text.replace("<!DOCTYPE html>", "", 1))
    tags = {e.tag for e in root.iter()}
    require(not tags & {"script", "img", "link", "iframe", "object", "embed", "image", "use"},
            f"elements that fetch or run something: {tags}")
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    require(len(ids) == len(set(ids)), "an id occurs twice")
    for e in root.iter():
        require(not any(a.startswith("on") for a in e.attrib), "an event handler")
        require(e.get("href", "#") == "#" or e.get("href")[1:] in ids, "a link that leads nowhere")
    links = ["".join(a.itertext()) for a in root.iter("a")]
    names = [l["name"] for l in report["layers"]]
    require(links == names, f"links {links}, layers {names}")
    articles = list(root.iter("article"))
    require(["".join(a.find("header/h3").itertext()) for a in articles] == names, "headings")
    for article, layer in zip(articles, report["layers"]):
        check_figures(article, layer)
    widths = [float(re.match(r"width:([0-9.]+)%", i.get("style")).group(1))
              for d in root.iter("div") if d.get("class") == "bar big" for i in d]
    require(len(widths) == 4 and abs(sum(widths) - 100) < 0.05, f"bytes by kind: {widths}")
    head = "".join(root.find("body/header").itertext())
    require(f"{report['compression_rate']:.2f}\u00d7" in head, "compression rate")
    require(f"{report['bytes']['file']:,} bytes" in head, "size of the file")


PROBE = """
<script>
const wrong = [], inside = (a, b, slack) => a.left >= b.left - slack && a.right <= b.right + slack &&
	a.top >= b.top - slack && a.bottom <= b.bottom + slack;
addEventListener("load", () => {
	const root = document.documentElement;
	if (root.scrollWidth > innerWidth)
		wrong.push(`the page is ${root.scrollWidth} wide in a window of ${innerWidth}`);
	for (const svg of document.querySelectorAll("svg")) {
		const box = svg.getBoundingClientRect(), title = svg.querySelector("title").textContent;
		const texts = [...svg.querySelectorAll("text")].map(t => t.getBoundingClientRect());
		if (texts.length < 3 || box.width < 200 || box.height < 60)
			wrong.push(`${title}: ${texts.length} numbers, ${box.width} x ${box.height}`);
		texts.forEach((t, i) => {
			if (!inside(t, box, 1))
				wrong.push(`${title}: number ${i} is cut off`);
			if (t.height < 8.5)
				wrong.push(`${title}: number ${i} is ${t.height} high`);
			for (const u of texts.slice(i + 1))
				if (t.left < u.right && u.left < t.right && t.top < u.bottom && u.top < t.bottom)
					wrong.push(`${title}: numbers overlap`);
		});
	}
	for (const e of document.querySelectorAll("dd, h1, h3, .facts td, .key li, figcaption"))
		if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
			wrong.push(`text runs out of its box: ${e.textContent}`);
	const said = wrong.length ? wrong.join("; ") : `sound at ${innerWidth}`;
	document.body.setAttribute("data-layout", said);
	parent.postMessage(said, "*");
});
</script>
</body>"""


# Windows are no narrower than 500 pixels, frames may be; a file may not look into one, but be told.
FRAME = """<!DOCTYPE html><body><iframe src="{page}" style="width:{width}px;height:2000px"></iframe>
<script>addEventListener("message", e => document.body.setAttribute("data-layout", e.data))</script>
"""


def probe(html, out, frame, width):
    with open(html, encoding="utf-8") as f:
        text = f.read()
    text, count = re.subn(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", text)
    require(count == 1, "no policy against fetching anything")
    with open(out, "w", encoding="utf-8") as f:
        f.write(text.replace("</body>", PROBE))
    with open(frame, "w", encoding="utf-8") as f:
        f.write(FRAME.format(page=os.path.basename(out), width=int(width)))


def terminal(columns, *command):
    stderr = os.dup(2)
    child, master = pty.fork()
    if not child:
        os.dup2(stderr, 2)
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(columns), 0, 0))
        os.execv(command[0], command)
    output = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        output += data
    sys.stdout.write(output.decode().replace("\r\n", "\n"))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    {"name": name, "bend": bend, "numbers": numbers, "table": table, "page": page,
     "probe": probe, "terminal": terminal}[sys.argv[1]](*sys.argv[2:])
