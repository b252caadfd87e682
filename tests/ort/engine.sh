#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs ONNX Runtime, the version of package-lock.json, into the cache once, without running any
# script of the packages, and prints the node_modules that holds it.
set -eu
cd "$(dirname "$0")"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	../../scripts/deps.sh node >&2
fi
version=$(sed -n 's/.*"onnxruntime-node": "\([0-9.]*\)".*/\1/p' package.json)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fqaccel
engine=$cache/ort-$version
mkdir -p "$cache"
exec 9>"$cache/ort.lock"
flock 9
if ! cmp -s package-lock.json "$engine/package-lock.json"; then
	rm -rf "$engine" "$engine.new"
	mkdir "$engine.new"
	cp package.json package-lock.json "$engine.new"
	(cd "$engine.new" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) || {
		tail -n 20 "$engine.new/npm.log" >&2
		echo "engine.sh: npm could not install onnxruntime-node $version" >&2
		exit 1
	}
	mv "$engine.new" "$engine"
fi
echo "$engine/node_modules"
