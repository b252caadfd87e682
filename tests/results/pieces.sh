# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# The pieces of `make results` (run.sh), in an order in which they can be done. Seconds are those of
# the machine of doc/results.md, two cores.

# --- CIFAR-10, nine convolutions: batches 1 to 4 for training, 5 and the test pictures held out ---
c9_epoch=45
c9_fast=30	# in bfloat16
c9="nets/cifar9.net --data cifar-train --validate cifar-held --mean 0.4914,0.4822,0.4465
	--std 0.247,0.2435,0.2616 --label-smoothing 0.1"

# Lists of arguments are meant to be split.
# shellcheck disable=SC2086
{
train c9-float $((24 * c9_epoch)) nets/cifar9.net $c9 --stages float --epochs 24 --rate 0.25 --warmup 4 \
	--save-onnx c9-float.onnx
# The first layers and the last hold few of the weights, and much hangs on each: they keep more, and
# the other layers, which have 95 % of the weights, lose that much more that it is 80 % of all.
train c9-prune $((30 * c9_fast)) c9-float $c9 --start c9-float.ckpt --stages prune --epochs 30 \
	--rate 0.1 --sparsity 0.8075 --sparsity conv1=0.4 --sparsity conv2=0.6 --sparsity conv3=0.7 \
	--sparsity classes=0.5 --type bf16 --save-onnx c9-prune.onnx
for bits in 5 3 7; do
	train c9-q$bits $((14 * c9_fast)) c9-prune $c9 --start c9-prune.ckpt --stages quantize \
		--epochs quantize=2:6 --rate 0.01 --bits $bits --type bf16
	train c9-a$bits $((2 * c9_fast)) c9-q$bits $c9 --start c9-q$bits.ckpt --stages activate \
		--epochs 2 --rate 0.002 --bits $bits --type bf16
	train c9-i$bits $((2 * c9_fast)) c9-a$bits $c9 --start c9-a$bits.ckpt --stages integer \
		--epochs 2 --rate 0.001 --bits $bits --type bf16 --classes demo/cifar10.classes \
		--description "CIFAR-10, trained on batches 1 to 4, measured on batch 5 and 1,000 test pictures" \
		-o c9-i$bits.fqz
	card c9-card$bits 120 c9-i$bits cifar-held
done

# Without training: the same sparsity and bits, then the trained image's size.
# The files of --save-onnx have the pictures' normalization in them.
compress c9-post 120 c9-float c9-float.onnx --calibrate cifar-train --sparsity 0.8 --bits 5
card c9-post-card 120 c9-post cifar-held
compress c9-post-pruned 120 c9-prune c9-prune.onnx --calibrate cifar-train --bits 5
card c9-post-pruned-card 120 c9-post-pruned cifar-held
compress c9-post-size 120 "c9-float c9-i5" c9-float.onnx --calibrate cifar-train --target-cr "$(cr_of c9-i5)"
card c9-post-size-card 120 c9-post-size cifar-held

# --- ResNet-20, trained by others on all five batches: only the test pictures count ---
r20_epoch=30
r20="data/models/resnet20-cifar10.onnx --data cifar-all
	--validate data/cifar10/test_batch_1000.bin --mean 0.485,0.456,0.406
	--std 0.229,0.224,0.225 --type bf16"
for seed in 1 2 3; do
	# As many epochs as the stages below, at the rate of the first.
	train r20-float-$seed $((13 * r20_epoch)) data/models/resnet20-cifar10.onnx $r20 \
		--stages float --epochs 13 --rate 0.02 --warmup 1 --seed $seed
	# The first layer and the last keep more, the others that much less.
	train r20-prune-$seed $((4 * r20_epoch)) data/models/resnet20-cifar10.onnx $r20 \
		--stages prune --epochs 4 --rate 0.02 --sparsity 0.602 \
		--sparsity /conv1/Conv=0.3 --sparsity /linear/Gemm=0.3 --seed $seed
	train r20-q-$seed $((7 * r20_epoch)) r20-prune-$seed $r20 --start r20-prune-$seed.ckpt \
		--stages quantize --epochs quantize=1:3 --rate 0.01 --bits 5 --seed $seed
	train r20-i-$seed $((2 * r20_epoch)) r20-q-$seed $r20 --start r20-q-$seed.ckpt \
		--stages activate,integer --epochs 1 --rate 0.001 --bits 5 --seed $seed \
		-o r20-i-$seed.fqz
	card r20-card-$seed 30 r20-i-$seed data/cifar10/test_batch_1000.bin
done
r20_mean='--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --calibrate cifar-train'
compress r20-post 120 data/models/resnet20-cifar10.onnx data/models/resnet20-cifar10.onnx \
	$r20_mean --sparsity 0.6 --bits 5
card r20-post-card 30 r20-post data/cifar10/test_batch_1000.bin
compress r20-post-size 120 "data/models/resnet20-cifar10.onnx r20-i-1" \
	data/models/resnet20-cifar10.onnx $r20_mean --target-cr "$(cr_of r20-i-1)"
card r20-post-size-card 30 r20-post-size data/cifar10/test_batch_1000.bin

# --- Fashion-MNIST, a small network: 60,000 pictures, the official 10,000 held out ---
fm_epoch=9
fm="nets/fashion.net --data data/fashion-mnist/train-images-idx3-ubyte
	--validate data/fashion-mnist/t10k-images-idx3-ubyte --mean 0.286 --std 0.353 --crop 2"
train fm-float $((20 * fm_epoch)) nets/fashion.net $fm --stages float --epochs 20 --rate 0.1 \
	--save-onnx fm-float.onnx
train fm-prune $((8 * fm_epoch)) fm-float $fm --start fm-float.ckpt --stages prune --epochs 8 \
	--rate 0.02 --sparsity 0.5
train fm-i $((18 * fm_epoch)) fm-prune $fm --start fm-prune.ckpt \
	--stages quantize,activate,integer --epochs quantize=2:6,activate=2,integer=2 \
	--rate quantize=0.01,activate=0.002,integer=0.001 --bits 5 -o fm-i.fqz
card fm-card 60 fm-i data/fashion-mnist/t10k-images-idx3-ubyte
compress fm-post 60 fm-float fm-float.onnx --sparsity 0.5 --bits 5 \
	--calibrate data/fashion-mnist/train-images-idx3-ubyte
card fm-post-card 60 fm-post data/fashion-mnist/t10k-images-idx3-ubyte

# --- Figure 5: a small network with its first layer left single-peaked ---
f5_epoch=5
f5="nets/small9.net --data cifar-train --validate data/cifar10/data_batch_5.bin
	--mean 0.4914,0.4822,0.4465 --std 0.247,0.2435,0.2616"
train f5-float $((20 * f5_epoch)) nets/small9.net $f5 --stages float --epochs 20 --rate 0.1
train f5-prune $((12 * f5_epoch)) f5-float $f5 --start f5-float.ckpt --stages prune --epochs 12 \
	--rate 0.05 --sparsity 0.8 --sparsity conv1=0.15
if [ -e f5-prune.done ]; then
	# A line for each distinct assignment: its number and the layers that take shift.
	python3 tools/results.py assignments f5-prune.json >f5.assignments
	while read -r number layers <&3; do
		modes=
		for layer in $layers; do
			modes="$modes --mode $layer=shift"
		done
		for seed in 1 2 3 4 5; do
			train f5-$number-$seed $((7 * f5_epoch)) f5-prune $f5 \
				--start f5-prune.ckpt --stages quantize --epochs quantize=1:3 --rate 0.01 \
				--bits 5 --mode recentralized $modes --seed $seed
		done
	done 3<f5.assignments
elif [ -n "$LIST" ] && wanted f5-0-1; then
	echo "none  $(printf %6s "$(hours $((6 * 5 * 7 * f5_epoch)))") h  f5-N-SEED: about so much; f5-prune tells how many"
	left=$((left + 6 * 5 * 7 * f5_epoch))
fi
}
