#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2086 # options in one variable
#
# fqaccel-train from the command line, on drawn pictures: through all stages to an image that does as
# well as the network; interrupted, in pieces and from other trainings' checkpoints to the same bits; each
# refusal with its status and its text. What is quick runs with sanitizers.
. "$(dirname "$0")/cli.sh"

fast=$PWD/$build/fqaccel-train
shapes=$PWD/$build/tests/make_shapes
forge=$PWD/$build/tests/forge_checkpoint
cd "$tmp" || exit 1
"$shapes" train.bin 1500 1 && "$shapes" held.bin 400 2 || exit 1
cat >tiny.net <<'END'
input 3 32 32
conv c1 out=8 kernel=3 stride=2 pad=1 relu
conv c2 out=16 kernel=3 stride=2 pad=1 relu
conv c3 out=16 kernel=3 stride=2 pad=1 relu
globalpool p
fc classes out=10
END
sed 's/classes out=10/classes out=7/' tiny.net >seven.net

data='--data train.bin --validate held.bin'
common="tiny.net $data --no-flip --crop 2 --batch 50 --threads 1 --sparsity 0.6 --sparsity c1=0.25"
rates='--rate 0.05,quantize=0.01,activate=0.005,integer=0.002'
epochs='--epochs float=9,prune=5,quantize=1:2,activate=1,integer=2'
options="$common $rates $epochs"

# The log without what differs from run to run.
timeless()
{
	sed 's/"seconds": *[^,}]*//; s/"pictures_per_second": *[^,}]*//' "$1"
}

# field NAME: of the last line of the log in $1
field()
{
	tail -n 1 "$2" | sed "s/.*\"$1\": *\([^,}]*\).*/\1/"
}

at_least()
{
	awk "BEGIN { exit !($1 >= $2) }" || unexpected "$1 is less than $2"
}

same()
{
	cmp "$1" "$2"
}

same_log()
{
	timeless "$1" >one
	timeless "$2" >two
	diff one two
}

# Usage.
fails 2 'what is to be trained?' 'no network' fqaccel-train
fails 2 'one network at a time' 'two networks' fqaccel-train a.net b.net
fails 2 'no pictures; add --data' 'no pictures' fqaccel-train tiny.net -o a.fqz
fails 2 'no output; add -o' 'no output' fqaccel-train tiny.net $data --checkpoint c
fails 2 'nothing is written' 'neither output nor checkpoint' fqaccel-train tiny.net $data --stages float
fails 2 'no image without stage integer' 'an output of float' \
	fqaccel-train tiny.net $data --stages float -o a.fqz
fails 2 'in this order' 'stages out of order' fqaccel-train tiny.net $data --stages prune,float -o a.fqz
fails 2 'integer needs quantize and activate' 'integer alone' \
	fqaccel-train tiny.net $data --stages float,integer -o a.fqz
fails 2 'random weights needs stage float' 'nothing learned' \
	fqaccel-train tiny.net $data --stages quantize,activate,integer -o a.fqz
fails 2 'names a stage that is not' 'to stop after what is not there' \
	fqaccel-train tiny.net $data --stages float,quantize --stop-after prune --checkpoint c
fails 2 '--epochs swim=3: STAGE is one of' 'an unknown stage' fqaccel-train tiny.net --epochs swim=3
fails 2 '--epochs float=3:4: ' 'two numbers for float' fqaccel-train tiny.net --epochs float=3:4
fails 2 '--epochs -1: ' 'less than no epochs' fqaccel-train tiny.net --epochs -1
fails 2 '--rate prune=0: ' 'a rate of 0' fqaccel-train tiny.net --rate prune=0
fails 2 '--decay slow: ' 'an unknown decay' fqaccel-train tiny.net --decay slow
fails 2 '--sparsity c1=1: ' 'nothing left' fqaccel-train tiny.net --sparsity c1=1
fails 2 '--mode some: ' 'an unknown mode' fqaccel-train tiny.net --mode some
fails 2 '--bits 9: 3 to 8' 'too many bits' fqaccel-train tiny.net --bits 9
fails 2 '--type f64: ' 'an unknown type' fqaccel-train tiny.net --type f64
fails 2 '--wsep decides only' 'wsep without auto' fqaccel-train tiny.net $data -o a.fqz --mode shift --wsep 3
fails 2 'would take the place of --data' 'output over data' fqaccel-train tiny.net --data train.bin -o train.bin
fails 2 'would take the place of the network' 'checkpoint over network' \
	fqaccel-train tiny.net $data -o a.fqz --checkpoint tiny.net
fails 2 '--save-onnx is of' 'no float network' \
	fqaccel-train tiny.net $data --start c --stages quantize --checkpoint d --save-onnx a.onnx

# Refusals.
fails 1 'nothere.net: ' 'no such network' fqaccel-train nothere.net $data -o a.fqz
fails 1 'train.bin:7: ' 'a label out of range' fqaccel-train seven.net $data -o a.fqz
fails 1 'nowhere/a.fqz: cannot be' 'an output without a folder' \
	fqaccel-train tiny.net $data -o nowhere/a.fqz --checkpoint c
fails 1 'nowhere/c: cannot be' 'a checkpoint without a folder' \
	fqaccel-train tiny.net $data -o a.fqz --checkpoint nowhere/c
head -c 10000 train.bin >cut.bin
fails 1 'cut.bin: ' 'a batch that is cut off' fqaccel-train tiny.net --data cut.bin -o a.fqz
fails 1 "has no layer 'c9'" 'a layer that is not there' fqaccel-train tiny.net $data -o a.fqz --mode c9=shift
fails 1 'the loss is ' 'a rate that is too high' \
	fqaccel-train tiny.net $data --batch 100 -o a.fqz --rate 1e3 --norm keep --crop 0 --threads 1 -q
ok 'no image is left of it' test ! -e a.fqz

# All stages.
run "$fast" $options -o all.fqz --per-picture all.pictures --log all.jsonl --curves all.svg --save-onnx all.onnx
ok 'through all stages' exits 0
ok 'a table of them' prints 'integer '
run fqaccel-eval all.fqz held.bin --json --per-picture card.pictures
accuracy=$(sed -n 's/.*"top1": *\([0-9.]*\).*/\1/p' out | head -n 1)
ok "the card's accuracy: $accuracy %" at_least "$accuracy" 85
is "$(printf '%.2f' "$(field held_accuracy all.jsonl)")" "$(printf '%.2f' "$accuracy")" \
	'it is that of the last epoch'
cut -d ' ' -f 1,2 all.pictures >one
cut -d ' ' -f 1,2 card.pictures >two
ok 'and so is the class of every picture' same one two
is "$(cut -d ' ' -f 3 all.pictures | tail -n 1)" 399 'they are numbered'
run fqaccel-info --json all.fqz
ok 'it is in the image' prints "\"accuracy.top1\": \"$(printf '%.2f' "$accuracy")\""
ok 'the image says how it was made' prints '--sparsity 0.6 --sparsity c1=0.25'
ok 'an SVG picture' grep -q '</svg>' all.svg
is "$(wc -l <all.jsonl)" 23 'a line for each epoch'
sparsities=$(sed -n '/"stage": *"prune"/d; /"stage": *"float"/d; s/.*"sparsity": *\([0-9.]*\).*/\1/p' all.jsonl | sort -u | wc -l)
is "$sparsities" 1 'what is pruned stays so'
# all.onnx has that sparsity, and what was rounded to 0.
run "$fast" all.onnx $data --no-flip --batch 50 --threads 1 --stages quantize,activate,integer \
	--epochs quantize=0:1,activate=1,integer=1 --rate 0.001 -o again.fqz --log again.jsonl
ok 'a network that was pruned elsewhere' exits 0
ok 'keeps its zeros' at_least "$(field sparsity again.jsonl)" "$(field sparsity all.jsonl)"
pruned=$(sed -n '/"stage": *"prune"/s/.*"sparsity": *\([0-9.]*\).*/\1/p' all.jsonl | tail -n 1)
at_least "$pruned" 57.9 && at_least 58.1 "$pruned"
result $? "all layers together are pruned as asked: $pruned %"
run fqaccel-info all.fqz
zeros=$(awk '$NF == "c1" { print $9 }' out)
at_least "$zeros" 24.5 && at_least 30 "$zeros"
result $? "a layer of its own, too: $zeros %"

# The report on layers, from the checkpoint.
run "$fast" $options -o all.fqz --resume --json
ok 'a finished training tells its layers' json '@{$j->{layers}} == 4 && $j->{layers}[0]{name} eq "c1" &&
	$j->{layers}[0]{weights} == 216 && $j->{layers}[0]{zeros} == 54 && $j->{layers}[0]{separation} > 0 &&
	$j->{layers}[1]{bits} == 5 && $j->{layers}[3]{mode} =~ /^(shift|recentralized)$/'

# Interrupted.

# lines FILE N PID: wait until a log has N lines
lines()
{
	while [ "$(cat "$1" 2>/dev/null | wc -l)" -lt "$2" ] && kill -0 "$3" 2>/dev/null; do
		sleep 0.01
	done
}

rm -f one two
for line in 1 8 11 15 16 20 22; do
	"$fast" $options -o k.fqz --log k.jsonl --resume -q 2>err &
	lines k.jsonl $line $!
	kill -9 $!
	wait $! 2>err
done
run "$fast" $options -o k.fqz --log k.jsonl --resume
ok 'killed seven times, it ends' exits 0
ok 'with the same image' same all.fqz k.fqz
ok 'and log' same_log all.jsonl k.jsonl
run "$fast" $options -o k.fqz --log k.jsonl --resume
ok 'when it is over, --resume writes the image again' same all.fqz k.fqz
run "$fast" $options -o k.fqz --resume --per-picture k.pictures -q
ok 'and what was not asked for before' same all.pictures k.pictures
fails 1 'float and prune are over' 'but not a network that is gone' \
	"$fast" $options -o k.fqz --resume --save-onnx late.onnx
run "$fast" $options --checkpoint s --stop-after prune -q
run "$fast" $options --checkpoint s --stop-after prune --resume --save-onnx late.onnx -q
ok 'while it is the last one it is written' same all.onnx late.onnx

"$fast" $options -o t.fqz --log t.jsonl -q 2>err &
lines t.jsonl 3 $!
kill -TERM $!
wait $!
is $? 143 'SIGTERM ends it'
ok 'it says how to go on' grep -q 'the same command with --resume' err
fails 1 'add --resume to go on, or remove it' 'what is not finished is not begun anew' "$fast" $options -o t.fqz
fails 1 'made with another --bits' 'other bits' "$fast" $options --bits 4 -o t.fqz --resume
fails 1 'made with another --rate' 'another rate' "$fast" $common $epochs -o t.fqz --resume
fails 1 'with other pictures' 'other pictures' "$fast" $options --validate train.bin -o t.fqz --resume
sed 's/out=16/out=12/' tiny.net >other.net
fails 1 'from another network' 'another network' "$fast" other.net ${options#tiny.net} -o t.fqz --resume
cp t.fqz.ckpt cut.ckpt
truncate -s -100 cut.ckpt
fails 1 'cut.ckpt' 'a checkpoint that is cut off' \
	"$fast" $options -o t.fqz --checkpoint cut.ckpt --resume
cp t.fqz.ckpt two.ckpt
run "$fast" $options --threads 2 -o u.fqz --checkpoint two.ckpt --resume -q
ok 'other threads go on' exits 0
ok 'and it is said' says 'two.ckpt was made with 1 threads, '
run "$fast" $options -o t.fqz --log t.jsonl --resume -q
ok 'the right one goes on' same all.fqz t.fqz

# In pieces.
for stage in float prune quantize activate; do
	"$fast" $options -o p.fqz --log p.jsonl --resume -q --stop-after $stage >out 2>err ||
		unexpected "--stop-after $stage"
	ok "stopped after $stage: no image" test ! -e p.fqz
done
run "$fast" $options -o p.fqz --log p.jsonl --resume
ok 'stage by stage it is the same image' same all.fqz p.fqz
ok 'and log' same_log all.jsonl p.jsonl

# Other trainings go on from a checkpoint: numbered from 1, but alike otherwise.
run "$fast" $options --stages float,prune --checkpoint f.ckpt -q
ok 'float and prune alone' exits 0
run "$fast" $options --start f.ckpt --stages quantize,activate,integer -o s.fqz --log s.jsonl
ok 'the other stages from there' exits 0
tail -n 9 all.jsonl | sed 's/"epoch": *[0-9]*//' >a.jsonl
sed 's/"epoch": *[0-9]*//' s.jsonl >b.jsonl
ok 'learn the same' same_log a.jsonl b.jsonl
ok 'the table knows the stages before' prints 'float '
run fqaccel-info --json s.fqz
ok 'so does the image' prints '; then --stages quantize,activate,integer'
ok 'each with the options of its stages alone' sh -c "grep -q -e '--sparsity.*; then.*--bits' out &&
	! grep -q -e '--bits.*; then' -e '; then.*--sparsity' out"
run "$fast" $options --start f.ckpt --stages quantize,activate,integer -o s3.fqz --bits 3 --mode shift \
	--epochs quantize=0:1,activate=0,integer=0 -q
ok 'other bits from the same weights' exits 0
run fqaccel-info s3.fqz
ok 'are in the image' test "$(grep -c ' shift  *3 ' out)" -eq 4
fails 1 'f.ckpt: stage integer goes on' 'nothing quantized' \
	"$fast" $options --start f.ckpt --stages integer -o n.fqz
fails 1 'f.ckpt: ' 'weights of another network' \
	"$fast" other.net ${options#tiny.net} --start f.ckpt --stages quantize --checkpoint n.ckpt

fails 1 'f.ckpt: it was made with another --norm' 'weights of a network with normalizations, without them' \
	"$fast" $options --start f.ckpt --stages quantize --checkpoint n.ckpt --norm keep
fails 1 'f.ckpt: it was made with another --mean' 'weights for other pixels' \
	"$fast" $options --start f.ckpt --stages quantize --checkpoint n.ckpt --mean 0.5,0.5,0.5

# Checkpoints with right CRCs that no training wrote. "place" begins with stage, epoch, begun.
# forged WHAT RECORD OFFSET TEXT ARGUMENT...
forged()
{
	forged_what=$1
	cp s.fqz.ckpt forged.ckpt
	"$forge" forged.ckpt "$2" "$3" "$4" || unexpected 'not forged'
	shift 4
	fails 1 'forged.ckpt: it is not a checkpoint of fqaccel-train' "$forged_what" \
		fqaccel-train $options -q "$@"
}
whole='--stages quantize,activate,integer --checkpoint forged.ckpt --start f.ckpt --resume -o forged.fqz'
from='--start forged.ckpt --checkpoint n.ckpt'
forged 'the end, where nothing has begun' place 8 '\x00' $whole
forged 'the end in the middle' place 0 '\x03\x00\x00\x00\x00' $whole
forged "the card's arithmetic without quantization" place 8 '\x10' $from --stages float
forged 'a stage that there is not' place 8 '\xff' $from --stages float
forged 'options without a name' options 0 '--\x0a-' $from --stages float
forged 'text with control characters' history 0 '\x1b' $from --stages float
forged 'text that is not UTF-8' history 0 '\xff' $from --stages float
ok 'no image of them' test ! -e forged.fqz

# A trained network.
run "$fast" all.onnx $data --no-flip --batch 50 --threads 1 --sparsity 0.6 --epochs 0 --checkpoint o.ckpt -o o.fqz \
	--json
ok 'an ONNX network, only changed' exits 0
ok 'reports JSON' json '$j->{image_bytes} > 1000 && $j->{stages}[-1]{stage} eq "integer"'
ok 'as it is, it is the network that was saved' json \
	'abs($j->{stages}[0]{accuracy} - '"$(sed -n '/"prune"/s/.*"held_accuracy": *\([0-9.]*\).*/\1/p' all.jsonl | tail -n 1)"') < 0.6'
run fqaccel-train all.onnx $data --no-flip --batch 50 --threads 1 --epochs prune=1,quantize=0:1,activate=1,integer=1 \
	-o san.fqz --sparsity 0.7 --cutout 4 --label-smoothing 0.1 --decay step --norm keep -q
ok 'with sanitizers' exits 0
run fqaccel-train tiny.net --data train.bin --batch 64 --threads 2 --epochs 1,quantize=0:1 -o bf.fqz --type bf16 \
	--per-picture bf.pictures --json
ok 'in bfloat16, a tenth held out' exits 0
ok 'so it is' json '$j->{pictures} == 1350 && $j->{held_out} == 150'
# train.bin has them in turn.
is "$(cut -d ' ' -f 1 bf.pictures | sort -u | wc -l)" 10 'pictures of all classes'
tap_done
