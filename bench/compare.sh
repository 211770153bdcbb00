#!/bin/sh
# Two programs on one model, interleaved: bench/compare.sh RAGA_A RAGA_B MODEL [ROUNDS]. Prints medians of both, and fails
# when B is slower than A by more than a tenth.
set -eu
a=$1
b=$2
model=$3
rounds=${4:-5}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
i=0
while [ "$i" -lt "$rounds" ]; do
    for which in a b; do
        program=$a
        [ "$which" = b ] && program=$b
        printf '%s ' "$which" >>"$out"
        "$program" bench "$model" -r 1 -n 64 --depth 0 --json >>"$out"
    done
    i=$((i + 1))
done
python3 - "$out" <<'PY'
import json
import statistics
import sys

runs = {"a": [], "b": []}
for line in open(sys.argv[1], encoding="utf-8"):
    runs[line[0]].append(json.loads(line[2:]))
slower = False
for key in ("prefill_tok_s", "decode_tok_s"):
    a, b = (statistics.median(run[key] for run in runs[which]) for which in "ab")
    print(f"{key}: A {a:.2f}, B {b:.2f}, B/A {b / a:.3f}")
    slower = slower or b < 0.9 * a
sys.exit(1 if slower else 0)
PY
