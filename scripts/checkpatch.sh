#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the kernel's checkpatch.pl --strict over the driver, its headers and its
# kselftest. The exceptions are named in .checkpatch.conf.
#
# Usage: scripts/checkpatch.sh [FILE...]

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
source=$("$top/scripts/linux-source.sh")
cd "$top"
if [ $# -eq 0 ]; then
	set -- kernel/*.[ch] kernel/kunit/*.[ch] kernel/uapi/*.h firmware-format/fqaccel_hw.h tests/kselftest/*.c
fi

failed=0
for file; do
	# User space has the types of stdint.h, registers that it maps, and kernels without a call.
	case $file in
	tests/*)	types="--ignore PREFER_KERNEL_TYPES,ENOSYS,VOLATILE" ;;
	# TRACE_EVENT() is laid out as everywhere in the kernel, and so are its parts that events share.
	*/trace.h)
		types="--ignore PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE"
		types="$types,COMPLEX_MACRO,MULTISTATEMENT_MACRO_USE_DO_WHILE"
		;;
	# What the driver's other builds do not export is not exported beside its definition.
	*/exports.c)	types="--ignore EXPORT_SYMBOL" ;;
	*)		types= ;;
	esac
	# It stands right behind its function, as EXPORT_SYMBOL() does, which checkpatch.pl knows.
	if grep -q '^ALLOW_ERROR_INJECTION(' "$file"; then
		types="$types --ignore LINE_SPACING"
	fi
	# checkpatch.pl reads .checkpatch.conf from the current folder.
	if ! said=$(perl "$source/scripts/checkpatch.pl" $types --file "$file"); then
		printf '%s\n' "$said" | grep -v '^total:' >&2
		failed=1
	fi
done
if [ $failed -ne 0 ]; then
	echo "checkpatch: see above" >&2
	exit 1
fi
echo "checkpatch: $# files are clean"
