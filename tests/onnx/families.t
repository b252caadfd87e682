#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The families of networks that the paper names, as torch exports them (families.py): each is
# imported and computes what torch computes, each is compressed, and its image classifies a picture.

. tests/tap.sh

build=${O:-build}
python=/usr/bin/python3

# Networks that depend on torch and the script alone are made once.
key=$({ cat tests/onnx/families.py; $python -c '
import onnx, torch, torchvision
print(onnx.__version__, torch.__version__, torchvision.__version__)'; } | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fqaccel/onnx-families
folder=$cache/$key
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -f "$folder/cases" ]; then
	rm -rf "${cache:?}"/*/
	$python tests/onnx/families.py "$folder" >&2 || rm -rf "$folder"
fi
flock -u 9
ok 'torch exports the networks' test -f "$folder/cases"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Its results are counted here as one; which model failed is in its output.
"$build/tests/onnx_cases" "$folder" >"$work/cases" 2>&1
status=$?
tap_log=$work/cases
result $status "$(grep -c '^ok' "$work/cases") of $(grep -c . "$folder/cases") models compute \
what torch computes"
awk '/differs from torch by/ && $NF > worst { worst = $NF }
	END { print "largest difference from torch: " worst " of the largest score" }' \
	"$work/cases" | while read -r line; do diag "$line"; done

# One of each family is compressed and run, at full width where that takes a second or two.
for model in resnet18-13* resnet50-13* mobilenet_v1-13* mobilenet_v2-13* vgg16-13* \
	squeezenet1_0-13* squeezenet1_1.onnx lenet5.onnx; do
	model=$(basename "$(echo "$folder"/$model)")
	family=${model%%[.-]*}
	ok "$family is compressed" "$build/fqaccel-compress" -q --rounding nearest \
		-o "$work/$family.fqz" "$folder/$model"
	ok "$family classifies" "$build/fqaccel-run" --card soft "$work/$family.fqz" demo/ship.ppm
done

tap_done
