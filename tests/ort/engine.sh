#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs ONNX Runtime, the version of package-lock.json, into the cache once, without running any
# script of the packages, and prints the node_modules that holds it. Another lock file or kind of machine
# gets a folder of its own, so that no checkout takes away what another one uses.
set -eu
cd "$(dirname "$0")"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	../../scripts/deps.sh node >&2
fi
key=$({ uname -sm; cat package.json package-lock.json; } | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fqaccel/ort
engine=$cache/$key
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -d "$engine" ]; then
	rm -rf "$engine.new"
	mkdir "$engine.new"
	cp package.json package-lock.json "$engine.new"
	(cd "$engine.new" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) || {
		tail -n 20 "$engine.new/npm.log" >&2
		echo "engine.sh: npm could not install what tests/ort/package-lock.json names" >&2
		exit 1
	}
	mv "$engine.new" "$engine"
fi
echo "$engine/node_modules"
