#!/bin/sh
# SPDX-License-Identifier: MIT
# experiments/emoji.sh [-o DIR] [FIT OPTION ...] - what two vendors' drawings of an emoji and its words have in common:
# two image views through MobileNetV1 0.25, a text view through the Universal Sentence Encoder lite, split by
# subcategory. Fits, scores the held-out subcategories, explains a few samples, checks gradients.
# Data: the folder MUCMM_SHARED (default ../shared beside the checkout) with data/emoji and data/encoders. Expects build/cli/mucmm.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
data=${MUCMM_SHARED:-$root/../shared}/data
out=$root/build/emoji
if [ "${1-}" = -o ]; then
    out=$2
    shift 2
fi
if [ ! -f "$data/emoji/emoji.tsv" ] || [ ! -f "$data/encoders/use_lite_T32.onnx" ]; then
    echo "experiments/emoji.sh: $data has no emoji/emoji.tsv and encoders/use_lite_T32.onnx; set MUCMM_SHARED" >&2
    exit 1
fi
data=$(cd "$data" && pwd)
mkdir -p "$out"

image() {
    printf '{"kind": "image", "column": "file", "folder": "%s/emoji/%s", "suffix": ".png",
    "encoder": "%s/encoders/mobilenetv1_025_224.onnx", "tensor": "Conv2d_13_pointwise_relu6", "pool": "1x1",
    "size": 224, "normalize": "signed"}' "$data" "$1" "$data"
}
cat > "$out/study.json" << EOF
{"table": "$data/emoji/emoji.tsv",
 "split": {"column": "subcategory", "test": 0.2, "seed": 1},
 "views": {
  "google": $(image google),
  "twitter": $(image twitter),
  "words": {"kind": "text", "column": ["label", "tags"], "tokenizer": "sentencepiece",
    "vocabulary": "$data/encoders/use_lite_vocab.tsv", "length": 32, "truncate": true,
    "encoder": "$data/encoders/use_lite_T32.onnx", "tensor": "embedding", "wrt": "token_embeddings"}}}
EOF

mucmm=$root/build/cli/mucmm
[ $# -gt 0 ] || set -- --head linear --ridge 0.1
echo "\$ mucmm fit study.json --common 20 --individual 20 $* -o emoji.mucmm"
"$mucmm" fit "$out/study.json" --common 20 --individual 20 "$@" -o "$out/emoji.mucmm" > "$out/fit.txt"
echo '$ mucmm score emoji.mucmm study.json'
"$mucmm" score "$out/emoji.mucmm" "$out/study.json"
echo '$ mucmm explain emoji.mucmm study.json --samples 0,40,100 -o maps'
"$mucmm" explain "$out/emoji.mucmm" "$out/study.json" --samples 0,40,100 -o "$out/maps"
echo '$ mucmm check-gradient emoji.mucmm study.json --samples 0'
"$mucmm" check-gradient "$out/emoji.mucmm" "$out/study.json" --samples 0
echo "Maps: $out/maps"
