#!/bin/sh
# Make the built-in model again from the seed: dialogues, weights, Q8_0, scores. About two hours on two cores; a run
# that was interrupted goes on. usage: tools/nano/make.sh [RAGA]
set -eu
cd "$(dirname "$0")/../.."
raga=${1:-build/release/raga}

if [ ! -f build/nano/train.jsonl ]; then
    python3 tools/nano/generate.py --seed 1 --n 640000 -o build/nano
fi
if [ ! -f build/nano/model/checkpoint.safetensors ]; then
    "$raga" train tools/nano/recipe.json -o build/nano/model
else
    "$raga" train tools/nano/recipe.json -o build/nano/model --resume
fi
"$raga" quantize build/nano/model q8_0 -o models/raga-nano.gguf
python3 tools/nano/score.py --raga "$raga" --model models/raga-nano.gguf build/nano/heldout.jsonl build/nano/heldout-foreign.jsonl
