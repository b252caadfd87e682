#!/bin/sh
# SPDX-License-Identifier: MIT
# What fqaccel-compress tells of an image: table, JSON and page hold the same numbers, which
# fqaccel-info confirms; the page looks as it should in a browser.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${O:-build}
compress=$build/fqaccel-compress
check=tests/unit/report_check.py
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
. tests/tap.sh
tap_log=$tmp/log

# browse NAME WIDTH HEIGHT URL OPTION...: what the browser says, in $tmp/NAME.out and .err
browse() {
	name=$1 window=$2,$3 url=$4
	shift 4
	mkdir "$tmp/$name"
	HOME=$tmp/$name timeout 300 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync \
		--disable-dev-shm-usage --hide-scrollbars --enable-logging=stderr \
		--user-data-dir="$tmp/$name/data" --window-size="$window" "$@" "$url" \
		>"$tmp/$name.out" 2>"$tmp/$name.err"
}

hostile='<script>alert("1")</script>&'"'x'"
long=/features/features.1/conv/conv.0/conv.0.0/a_rather_long_name_of_a_layer/Conv
ok 'names of layers that mean harm' python3 $check name tests/golden/onnx/small.onnx "$tmp/m.onnx" \
	"c2=$hostile" "c3=$long"
options="--calibrate demo --mean 0.49,0.48,0.45 --std 0.25,0.24,0.26 --sparsity 0.4"

# XML has no U+FFFE.
about=$hostile$(printf '\357\277\276')

"$compress" "$tmp/m.onnx" -o "$tmp/a.fqz" $options --description "$about" --report "$tmp/a.html" --json >"$tmp/a.json" 2>"$tmp/log"
result $? 'page and JSON at once'
"$build/fqaccel-info" --json "$tmp/a.fqz" >"$tmp/info.json"
ok 'fqaccel-info and the file confirm what the JSON says' python3 $check numbers "$tmp/a.json" "$tmp/info.json"
ok 'the page draws what the JSON says' python3 $check page "$tmp/a.json" "$tmp/a.html"
"$build/san/fqaccel-compress" "$tmp/m.onnx" -o "$tmp/a.fqz" $options --threads 1 \
	--description "$about" --report "$tmp/b.html" --json --quiet >"$tmp/b.json" 2>"$tmp/log" &&
	cmp "$tmp/a.html" "$tmp/b.html" && cmp "$tmp/a.json" "$tmp/b.json"
result $? 'both are the same once more, with sanitizers, one thread and --quiet'
"$compress" "$tmp/m.onnx" -o "$tmp/a.fqz" $options --description "$about" >"$tmp/a.txt" 2>"$tmp/log"
ok 'the table says what the JSON says' python3 $check table "$tmp/a.json" "$tmp/a.txt"
grep -q '^features.*\.\..*/Conv  *[0-9]' "$tmp/a.txt"
result $? 'a long name is shortened in the middle'

# One scale for all channels, shift mode, no pictures.
"$build/san/fqaccel-compress" "$tmp/m.onnx" -o "$tmp/n.fqz" --rounding nearest --mode shift \
	--report "$tmp/n.html" --json >"$tmp/n.json" 2>"$tmp/log" &&
	"$build/fqaccel-info" --json "$tmp/n.fqz" >"$tmp/info.json" &&
	python3 $check numbers "$tmp/n.json" "$tmp/info.json" >"$tmp/log" 2>&1 &&
	python3 $check page "$tmp/n.json" "$tmp/n.html" >"$tmp/log" 2>&1
result $? 'nearest rounding to shift values: JSON and page'
"$compress" "$tmp/m.onnx" -o "$tmp/n.fqz" --rounding nearest --mode shift >"$tmp/n.txt" 2>"$tmp/log"
ok 'and table' python3 $check table "$tmp/n.json" "$tmp/n.txt"

# A layer of zeros and one without negative weights, to which no mixture is fitted.
python3 $check bend "$tmp/m.onnx" "$tmp/z.onnx" w2=zero w4=positive >"$tmp/log" 2>&1
"$build/san/fqaccel-compress" "$tmp/z.onnx" -o "$tmp/z.fqz" $options --report "$tmp/z.html" --json \
	>"$tmp/z.json" 2>>"$tmp/log" && [ "$(grep -c '"mixture": null' "$tmp/z.json")" -eq 2 ] &&
	"$build/fqaccel-info" --json "$tmp/z.fqz" >"$tmp/info.json" &&
	python3 $check numbers "$tmp/z.json" "$tmp/info.json" >>"$tmp/log" 2>&1 &&
	python3 $check page "$tmp/z.json" "$tmp/z.html" >>"$tmp/log" 2>&1
result $? 'zeros and weights of one sign: JSON and page'
"$compress" "$tmp/z.onnx" -o "$tmp/z.fqz" $options >"$tmp/z.txt" 2>"$tmp/log"
ok 'and table' python3 $check table "$tmp/z.json" "$tmp/z.txt"

for columns in 40 80; do
	python3 $check terminal $columns "$compress" "$tmp/m.onnx" -o "$tmp/t.fqz" \
		>"$tmp/t.txt" 2>"$tmp/log" &&
		sed -n '/^layer/,/^farthest/p' "$tmp/t.txt" | grep -v ^farthest >"$tmp/rows" &&
		[ "$(wc -l <"$tmp/rows")" -eq 6 ] && awk -v most=$columns 'length > most { exit 1 }' "$tmp/rows" &&
		grep -q '^layer .*bytes$' "$tmp/rows"
	result $? "a terminal of $columns columns gets a table that fits"
done

"$compress" "$tmp/m.onnx" -o "$tmp/e.fqz" --report "$tmp/absent/e.html" >"$tmp/log" 2>&1
[ $? -eq 1 ] && grep -q 'absent/e.html' "$tmp/log" && [ -s "$tmp/e.fqz" ]
result $? 'a page that cannot be written: status 1 and its name, the image stays'
"$compress" "$tmp/m.onnx" -o "$tmp/e.fqz" --report /dev/full >"$tmp/log" 2>&1
[ $? -eq 1 ] && grep -q '/dev/full' "$tmp/log"
result $? 'nor into a full disk'

# In a browser.
python3 $check probe "$tmp/a.html" "$tmp/probe.html" "$tmp/frame.html" 400 >"$tmp/log" 2>&1
result $? 'the page forbids to fetch anything'
browse wide 1200 2400 "file://$tmp/a.html" --screenshot="$tmp/wide.png" &
browse dom 1200 2400 "file://$tmp/probe.html" --dump-dom
wait
browse narrow 400 2400 "file://$tmp/a.html" --screenshot="$tmp/narrow.png" \
	--blink-settings=preferredColorScheme=0 &
browse small 600 2400 "file://$tmp/frame.html" --dump-dom
wait
for name in dom small; do
	sed -n 's/.*data-layout="\([^"]*\)".*/layout: \1/p' "$tmp/$name.out" >"$tmp/log"
	[ -s "$tmp/log" ] || tail -n 5 "$tmp/$name.err" >"$tmp/log"
	grep -q '^layout: sound at' "$tmp/log"
	result $? "layout ($name): nothing is cut off or overlaps"
done
is "$(sed -n 's/.*data-layout="sound at \([0-9]*\)".*/\1/p' "$tmp/dom.out" "$tmp/small.out" | tr '\n' ' ')" \
	'1200 400 ' 'in windows of 1200 and 400 pixels'
is "$(grep -o '<svg' "$tmp/dom.out" | wc -l)" 15 'the browser reads three figures of each of five layers'
grep -q '<h3>&lt;script&gt;alert("1")&lt;/script&gt;&amp;.x.</h3>' "$tmp/dom.out" &&
	grep -qF "<h3>$long</h3>" "$tmp/dom.out" &&
	grep -q '<p>&lt;script&gt;alert("1")&lt;/script&gt;&amp;.x.'"$(printf '\357\277\275')</p>" "$tmp/dom.out"
result $? 'and names and description as text'
grep -h CONSOLE "$tmp/wide.err" "$tmp/narrow.err" "$tmp/dom.err" "$tmp/small.err" >"$tmp/log"
[ $? -eq 1 ]
result $? 'without complaint'
# width height, brightness of the ground, per cent of other pixels, colors
set -- $("$build/tests/page_pixels" "$tmp/wide.png") 0 0 0 0 0
echo "wide: $*" >"$tmp/log"
[ "$1 $2" = '1200 2400' ] && [ "$3" -gt 240 ] && [ "${4%.*}" -ge 30 ] && [ "$5" -ge 200 ]
result $? "a screenshot shows a light page with figures: $1 x $2 pixels, $4 % of them drawn, $5 colors"
set -- $("$build/tests/page_pixels" "$tmp/narrow.png") 0 0 0 0 0
echo "narrow: $*" >"$tmp/log"
[ "$1 $2" = '400 2400' ] && [ "$3" -lt 40 ] && [ "${4%.*}" -ge 30 ] && [ "$5" -ge 200 ]
result $? "and a dark one where the system is dark: $1 x $2 pixels, $4 % of them drawn, $5 colors"

tap_done
