#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `make results`: the trainings and measurements of doc/results.md, piece by piece. A piece is one
# command; its files are named after it. A piece that is done, by this command from these inputs with
# this version, is not done again, and one that was interrupted goes on from its checkpoint: stop it
# when you like. Commands run in the results' folder, where data/, demo/, nets/ and tools/ lead to
# what they need, so that what they are does not depend on where that is.
#
# Environment: FQACCEL_DATA     folder with cifar10/, fashion-mnist/ and models/
#              FQACCEL_RESULTS  results (build/results)
#              FQACCEL_PROGRAMS folder of the programs (build)
#              LIST=1           say which pieces there are, their states and hours; do nothing
#              ONLY=PATTERN     those whose names match; what they need must be done

set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
out=${FQACCEL_RESULTS:-$top/build/results}
LIST=${LIST-}
ONLY=${ONLY:-*}
left=0
missing=0

fail()
{
	echo "results: $*" >&2
	exit 1
}

# missed WHAT: a piece was not done, others may be
missed()
{
	echo "results: $*" >&2
	missing=$((missing + 1))
}

hours()
{
	awk -v s="$1" 'BEGIN { printf "%.2f", s / 3600 }'
}

# key INPUTS COMMAND...: what a piece is; of an input that is a piece, that piece's
key()
{
	inputs=$1
	shift
	{
		printf '%s\n' "$version" "$@"
		for input in $inputs; do
			if [ -e "$input" ]; then
				sha256sum <"$input"
			else
				sed -n 's/^key //p' "$input.done" 2>/dev/null || echo none
			fi
		done
	} | sha256sum | cut -c 1-64
}

# What is there of a piece with that key: done, old, begun or none.
state()
{
	if [ -e "$1.done" ]; then
		grep -qx "key $2" "$1.done" && echo "done" || echo old
	elif [ -e "$1.begun" ]; then
		grep -qx "$2" "$1.begun" && echo begun || echo old
	else
		echo none
	fi
}

# Files of another command under this name would be gone on with, or counted.
forget()
{
	find . -maxdepth 1 \( -name "$1.*" \) -type f -exec rm -f {} +
}

# wanted NAME: whether ONLY takes it
wanted()
{
	# shellcheck disable=SC2254 # a pattern is what is meant
	case $1 in
	$ONLY)	return 0 ;;
	*)	return 1 ;;
	esac
}

# piece NAME SECONDS INPUTS COMMAND...: its standard output becomes NAME.json
piece()
{
	name=$1 seconds=$2 inputs=$3
	shift 3
	wanted "$name" || return 0
	key=$(key "$inputs" "$@")
	state=$(state "$name" "$key")
	[ "$state" = "done" ] || left=$((left + seconds))
	if [ -n "$LIST" ]; then
		printf '%-5s %6s h  %s\n' "$state" "$(hours "$seconds")" "$name"
		return 0
	fi
	[ "$state" != "done" ] || return 0
	for input in $inputs; do
		[ -e "$input" ] || [ -e "$input.done" ] || {
			missed "$name needs $input, which is not done"
			return 0
		}
	done
	[ "$state" != old ] || forget "$name"
	echo "$key" >"$name.begun"
	echo "results: $name, some $(hours "$seconds") hours: $*" >&2
	begin=$(date +%s)
	"$@" >"$name.part" || {
		rc=$?
		rm -f "$name.part"
		# What was interrupted ends all; of what failed the rest does not know.
		[ "$rc" -lt 128 ] || exit "$rc"
		missed "$name ended with status $rc"
		return 0
	}
	mv "$name.part" "$name.json"
	{
		echo "key $key"
		echo "seconds $(($(date +%s) - begin))"
		echo "date $(date -u +%Y-%m-%d)"
		echo "command $*"
	} >"$name.stamp"
	rm "$name.begun"
	mv "$name.stamp" "$name.done"
}

# train NAME SECONDS INPUTS ARGUMENTS...: a training, or some stages of one
train()
{
	name=$1 seconds=$2 inputs=$3
	shift 3
	piece "$name" "$seconds" "$inputs" fqaccel-train "$@" --checkpoint "$name.ckpt" --resume \
		--log "$name.log" --curves "$name.svg" --per-picture "$name.pictures" --json
}

# card NAME SECONDS TRAINING DATA: an image on the soft card
card()
{
	piece "$1" "$2" "$3" fqaccel-eval --card soft --json --per-picture "$1.pictures" "$3.fqz" "$4"
}

# compress NAME SECONDS INPUTS ARGUMENTS...: without training
compress()
{
	name=$1 seconds=$2 inputs=$3
	shift 3
	piece "$name" "$seconds" "$inputs" fqaccel-compress "$@" -o "$name.fqz" --json
}

# cr_of TRAINING: the compression rate of its image
cr_of()
{
	if [ -e "$1.fqz" ]; then
		fqaccel-info --json "$1.fqz" | sed -n 's/.*"cr": \([0-9.]*\),.*/\1/p'
	else
		echo unknown
	fi
}

prepare()
{
	[ -n "${FQACCEL_DATA-}" ] || fail "set FQACCEL_DATA to the folder that holds cifar10/, fashion-mnist/ and models/"
	for path in cifar10/data_batch_5.bin cifar10/test_batch_1000.bin \
		    fashion-mnist/t10k-images-idx3-ubyte models/resnet20-cifar10.onnx; do
		[ -e "$FQACCEL_DATA/$path" ] || fail "$FQACCEL_DATA/$path is not there"
	done
	mkdir -p "$out"
	cd "$out"
	exec 9>lock
	[ -n "$LIST" ] || flock -n 9 || fail "another make results works in $out"
	ln -sfn "$(cd "$top" && cd "$FQACCEL_DATA" && pwd)" data
	ln -sfn "$top/tools/train/nets" nets
	ln -sfn "$top/tests/results" tools
	ln -sfn "$top/demo" demo
	# The pictures of CIFAR-10 that are trained on, all of them, and those that are measured on.
	mkdir -p cifar-train cifar-all cifar-held
	for i in 1 2 3 4 5; do
		ln -sfn "../data/cifar10/data_batch_$i.bin" cifar-all/
		[ "$i" = 5 ] || ln -sfn "../data/cifar10/data_batch_$i.bin" cifar-train/
	done
	ln -sfn ../data/cifar10/data_batch_5.bin cifar-held/
	ln -sfn ../data/cifar10/test_batch_1000.bin cifar-held/
	PATH=${FQACCEL_PROGRAMS:-$top/${O:-build}}:$PATH
	version=$(fqaccel-train --version)
	{
		sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1
		nproc
	} >machine
}

prepare
# shellcheck source=tests/results/pieces.sh
. "$top/tests/results/pieces.sh"
if [ -n "$LIST" ]; then
	echo "left: $(hours "$left") hours"
elif [ "$missing" -gt 0 ]; then
	fail "$missing pieces were not done; make results tries them again"
else
	echo "results: all of it is in $out; make results-doc writes doc/results.md" >&2
fi
