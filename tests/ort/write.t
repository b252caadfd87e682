#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Float networks that onnx_write() wrote: ONNX's own checker accepts them, ONNX Runtime computes what
# the float executor computes, and fqaccel-compress takes one as it takes any other.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${O:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
. tests/tap.sh
tap_log=$tmp/log

modules=$(tests/ort/engine.sh 2>"$tmp/log")
result $? 'ONNX Runtime is there'
[ -n "$modules" ] || tap_done

"$build/tests/test_onnx_write" "$tmp" >"$tmp/log" 2>&1
result $? 'networks are written'

# compare NAME: the checker, then the engine on the same input
compare()
{
	NODE_PATH=$modules /usr/bin/python3 - "$tmp" "$1" <<'END'
import json, subprocess, sys
import numpy as np, onnx

folder, name = sys.argv[1:]
path = '%s/%s' % (folder, name)
model = onnx.load(path + '.onnx')
onnx.checker.check_model(model, full_check=True)
dims = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:]]
want = np.fromfile(path + '.out', np.float32)
for level in 'disabled', 'all':
    job = {'model': path + '.onnx', 'level': level, 'count': 1, 'batch': 1, 'folder': folder,
           'inputs': {'picture': {'type': 'float32', 'dims': dims, 'file': path + '.in'}}}
    with open(folder + '/job.json', 'w') as f:
        json.dump(job, f)
    subprocess.run(['node', 'tests/ort/run.js', folder + '/job.json'], check=True)
    got = np.fromfile('%s/%s.raw' % (folder, model.graph.output[0].name), np.float32)
    error = np.abs(got - want).max() / np.abs(want).max()
    print('optimizations %s: %.2g of the largest output' % (level, error))
    assert got.shape == want.shape and error < 1e-5
END
}

for file in "$tmp"/*.onnx; do
	name=$(basename "$file" .onnx)
	compare "$name" >"$tmp/log" 2>&1
	result $? "$name: checked, and ONNX Runtime computes the same"
done

"$build/san/fqaccel-compress" -q --bits 5 -o "$tmp/residual.fqz" "$tmp/residual.onnx" >"$tmp/log" 2>&1
result $? 'a written network is compressed'
tap_done
