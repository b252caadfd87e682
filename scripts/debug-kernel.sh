#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds a kernel that watches (KASAN, lockdep and more, tests/vm/debug.config) from
# the distribution's kernel source, once, into the user's cache, and prints its
# folder, which is laid out as scripts/guest-kernel.sh says.
#
# Usage: scripts/debug-kernel.sh [--latest]
#   --latest: ask the archive for newer source than that in the cache
# Environment: FQACCEL_LINUX_SOURCE, see scripts/linux-source.sh; JOBS;
# FQACCEL_DEBUG_CONFIG, another fragment, such as tests/vm/kcsan.config, whose name becomes
# part of the release.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fqaccel
# Its place must hold in the source's folder, too.
fragment=$(realpath "${FQACCEL_DEBUG_CONFIG:-$top/tests/vm/debug.config}")
dir=$cache/kernel
mkdir -p "$dir"

die()
{
	echo "debug-kernel: $*" >&2
	exit 1
}

# Comments do not make another kernel.
hash=$({ sed 's/^# [^C].*//; /^#$/d; /^$/d' "$fragment" &&
	 echo "${FQACCEL_LINUX_SOURCE-}" && gcc -dumpfullversion; } | sha256sum | cut -c1-12)
link=$dir/debug-$hash
log=$dir/debug-$hash.log

# ready: prints the kernel's folder, if it is there. Before and after the wait for who builds.
ready()
{
	[ "$1" != --latest ] && [ -e "$link/release" ] && readlink -f "$link"
}
ready "${1-}" && exit
exec 9>"$dir/debug-$hash.lock"
flock 9
ready "${1-}" && exit

# Every line of the fragment must have come true: a symbol that has gone, or whose
# dependencies fail, would leave a kernel that watches less than it is believed to.
check_config()
{
	bad=$(grep -E '^(CONFIG_|# CONFIG_.* is not set)' "$fragment" | while IFS= read -r line; do
		name=$(echo "$line" | grep -o 'CONFIG_[A-Z0-9_]*')
		case $line in
		\#*)	! grep -q "^$name=" .config || echo "$line" ;;
		*)	grep -qxF "$line" .config || echo "$line" ;;
		esac
	done)
	[ -z "$bad" ] || die "the configuration does not take:
$bad"
}

configure()
{
	make -s x86_64_defconfig kvm_guest.config >/dev/null
	scripts/kconfig/merge_config.sh -m .config "$fragment" >"$log" 2>&1 ||
		{ tail -n 30 "$log" >&2; die "the configuration cannot be made"; }
	# debug.config: -debug
	name=${fragment##*/}
	scripts/config --set-str LOCALVERSION "-${name%.config}"
	make -s olddefconfig
	check_config
}

# KCSAN looks at what is instrumented only: our module, for others' races are not ours.
kbuild()
{
	if grep -qx CONFIG_KCSAN=y .config; then
		set -- KCSAN_SANITIZE=n "$@"
	fi
	nice make -s -j"${JOBS:-$(nproc)}" "$@"
}

# What is needed to build modules against it: what Debian's headers packages hold.
copy_headers()
{
	find . \( -name 'Makefile*' -o -name 'Kconfig*' -o -name 'Kbuild*' \) \
		-not -path './Documentation/*' -not -path './tools/*' -print >"$1.files"
	find include scripts arch/x86/include arch/x86/entry/syscalls tools/objtool -type f \
		-print >>"$1.files"
	printf '%s\n' .config Module.symvers System.map modules.builtin modules.order >>"$1.files"
	mkdir -p "$1"
	tar -cf - --no-recursion -T "$1.files" | tar -xf - -C "$1"
	rm "$1.files"
}

source=$dir/debug-$hash-source
rm -rf "$source"
"$top/scripts/linux-source.sh" --unpack "$source" --exclude='*/Documentation/[a-zA-JL-Z]*'
version=$(cat "$source/.version")
final=$dir/debug-$(echo "$version" | tr -c 'A-Za-z0-9.\n' _)-$hash
if [ ! -e "$final/release" ]; then
	echo "debug-kernel: building $version; this takes some ten minutes" >&2
	cd "$source"
	unset MAKEFLAGS MFLAGS MAKELEVEL
	configure
	kbuild bzImage modules >"$log" 2>&1 ||
		{ tail -n 30 "$log" >&2; die "the kernel does not build"; }
	rm -rf "$final"
	mkdir -p "$final/root"
	release=$(cat include/config/kernel.release)
	make -s INSTALL_MOD_PATH="$final/root" modules_install >>"$log" 2>&1 ||
		{ tail -n 30 "$log" >&2; die "its modules cannot be installed"; }
	rm -f "$final/root/lib/modules/$release/build" "$final/root/lib/modules/$release/source"
	cp arch/x86/boot/bzImage "$final/vmlinuz"
	copy_headers "$final/kdir"
	echo "$release" >"$final/release"
fi
cd /
rm -rf "$source"
ln -sfn "${final##*/}" "$link"
readlink -f "$link"
