#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages of one or more groups by name, and returns at
# once when all of them are there. The make targets call it, so that a fresh
# machine needs no other preparation.
#
# Usage: scripts/deps.sh run|compress|train|check|vm|debug|node|fuzz|bench|results|torch ...

set -eu

# What `make run` needs: the library, the tools that run networks, pictures.
run='gcc make pkg-config libpng-dev libjpeg62-turbo-dev zlib1g-dev libpci-dev'

# fqaccel-compress: ONNX, fast float kernels, linear algebra.
compress='libprotobuf-c-dev protobuf-c-compiler libonnx-dev
	libopenblas-dev liblapacke-dev'

# fqaccel-train: convolutions, forward and backward.
train='libdnnl-dev'

# The host-side tests: prove, static checks, documentation checks.
check='perl sparse coccinelle g++ groff-base binutils
	python3-torch python3-torchvision python3-onnx python3-numpy libonnx-testdata
	python3 chromium fonts-dejavu-core'

# The emulator's build, the module's build, the guest.
vm='gcc make pkg-config dpkg-dev python3 meson ninja-build ccache
	libglib2.0-dev libpixman-1-dev libfdt-dev zlib1g-dev libattr1-dev
	libcap-ng-dev
	seabios qemu-system-data busybox-static kmod cpio libelf1 xz-utils kexec-tools'

# `make check-debug`: building a kernel, and 32-bit programs.
debug="flex bison bc libelf-dev libssl-dev xz-utils libc6-dev-i386
	lib32gcc-$(gcc -dumpversion 2>/dev/null || echo 12)-dev"

# Where the machine has no other Node.js: ONNX Runtime for the tests.
node='nodejs npm'

# `make fuzz`: libFuzzer comes with clang.
fuzz='clang libclang-rt-14-dev libonnx-testdata'

# `make bench`: what the coders are compared with.
bench='libzstd-dev liblzma-dev'

# `make results`: tables and plots.
results='python3'

# `make bench-train`: what the trainer is compared with.
torch='python3 python3-torch'

packages=
for group; do
	case $group in
	run)		packages="$packages $run" ;;
	compress)	packages="$packages $compress" ;;
	train)		packages="$packages $train" ;;
	check)		packages="$packages $check" ;;
	vm)		packages="$packages $vm" ;;
	node)		packages="$packages $node" ;;
	debug)		packages="$packages $debug" ;;
	fuzz)		packages="$packages $fuzz" ;;
	bench)		packages="$packages $bench" ;;
	results)	packages="$packages $results" ;;
	torch)		packages="$packages $torch" ;;
	*)
		echo "deps.sh: unknown group '$group' (run, compress, train, check, vm, debug, node, fuzz, bench, results, torch)" >&2
		exit 2 ;;
	esac
done

if [ -z "$packages" ]; then
	echo "usage: scripts/deps.sh run|compress|train|check|vm|debug|node|fuzz|bench|results|torch ..." >&2
	exit 2
fi

if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: this is not a Debian system; install by hand what these packages hold:" \
	     $packages >&2
	exit 1
fi

missing()
{
	# dpkg-query fails when a name is unknown to it; that is no error here.
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>/dev/null |
		sed -n 's/^installed //p') || :
	for p in $packages; do
		printf '%s\n' "$installed" | grep -qxF "$p" || echo "$p"
	done | sort -u
}

need=$(missing)
if [ -z "$need" ]; then
	exit 0
fi
need=$(echo $need)

if [ "$(id -u)" -ne 0 ]; then
	echo "deps.sh: packages are missing; run this as root, then try again:" >&2
	echo "    apt-get update && apt-get install -y --no-install-recommends $need" >&2
	exit 1
fi

# Two makes at once must not meet on dpkg's lock.
exec 9>/run/lock/fqaccel-deps.lock
flock 9
need=$(echo $(missing))
if [ -z "$need" ]; then
	exit 0
fi

echo "deps.sh: installing $need"
export DEBIAN_FRONTEND=noninteractive
apt_install()
{
	apt-get install -y -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
		--no-install-recommends $need
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Stale or absent package lists are the usual reason for a first failure.
if ! apt_install >"$log" 2>&1; then
	if ! { apt-get -qq update && apt_install; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "deps.sh: apt-get could not install: $need" >&2
		exit 1
	fi
fi
