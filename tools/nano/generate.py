#!/usr/bin/env python3
"""Write the dialogues that raga-nano learns from.

    generate.py --seed 1 --n 400000 -o DIR [--exclude FILE] [--jobs 2]

DIR/train.jsonl, valid.jsonl, heldout.jsonl and heldout-foreign.jsonl (functions that are not the robot's). A line of train
and valid: {"messages": [...], "tools"?: [...]}; a line of heldout also has id, lang, kind, expect, tolerance, and its messages
end before the turn that is expected. The same seed and number give the same bytes on every machine.
"""
import argparse
import collections
import json
import multiprocessing
import os
import sys

import corrections
import exclude
import fold
import foreign
import orders
import quiz
import scenes
import talk
import unrelated
from rng import Rng

LANGS = [(45, "en"), (30, "id"), (25, "zh")]
KINDS = [(12, orders.single), (20, orders.sequence), (11, orders.units), (12, corrections.correction), (12, scenes.objects_kind), (5,
    scenes.state_kind), (10, talk.refusal), (5, talk.chat), (14, scenes.multi_turn), (7, foreign.foreign), (12, quiz.quiz), (8, unrelated.unrelated)]
HELDOUT_SHARE, VALID_SHARE = 0.006, 0.004
HELDOUT_MAX = 3000
TRIES = 40                    # until a dialogue is not excluded
SAME_MAX = 12                 # dialogues whose user turns are the same to the letter
MANY_TURNS, MANY_KEPT = 3, 0.3    # of dialogues of more turns, the share of those held out that is written: each turn is a chance to be held out
SHORT = 4                     # turns of fewer folded words are never held out alone: stop, again, turn left
CHUNK = 2000
SYSTEM = {"en": ("You are a helpful robot.", "You are a robot dog.", "You control a quadruped robot.", "Answer briefly."),
    "id": ("Kamu robot yang membantu.", "Jawab dengan singkat."), "zh": ("你是一个有用的机器人。", "请简短回答。")}


def dialogue(seed, index, ban):
    rng = Rng((seed << 32) + index)
    for _ in range(TRIES):
        lang = rng.weighted(LANGS)
        d = rng.weighted(KINDS)(rng, lang)
        if not any(ban.hits(text) for text in d.users()):
            return d, rng
    raise SystemExit(f"generate.py: dialogue {index}: everything is excluded")


def share(text, salt):
    return int(fold.short_hash(salt + text), 16) / 2**64


def bucket(d):
    """heldout, valid or train, by the folded user turns: a long turn that is held out is in no line of train."""
    turns = [fold.words(text) for text in d.users()]
    keys = [" ".join(t) for t in turns if len(t) >= SHORT]
    keys.append(" / ".join(" ".join(t) for t in turns))
    if len(turns) == 1 and len(turns[0]) < SHORT:
        return "train"
    if any(share(key, "heldout ") < HELDOUT_SHARE for key in keys):
        return "heldout"
    return "valid" if share(keys[-1], "valid ") < VALID_SHARE else "train"


def line_of(d, rng, index, where):
    if where != "heldout":
        out = {"messages": d.messages}
        if d.kind != "foreign" and rng.chance(0.01):
            out["messages"] = [{"role": "system", "content": rng.pick(SYSTEM[d.lang])}] + d.messages
    else:
        out = {"id": f"gen-{index}", "lang": d.lang, "kind": d.kind, "messages": d.messages[:-1], "expect": d.expect, "tolerance": {"distance": 0.01,
            "angle": 0.5}}
    if d.tools:
        out["tools"] = d.tools
    return json.dumps(out, ensure_ascii=False)


BAN = None


def prepare(path):
    global BAN
    BAN = exclude.Ban(path)


def chunk(job):
    seed, start, stop = job
    out = []
    for index in range(start, stop):
        d, rng = dialogue(seed, index, BAN)
        where = bucket(d)
        key = fold.short_hash("\n".join(d.users()))
        if where == "heldout" and len(d.users()) > MANY_TURNS and share(key, "kept ") > MANY_KEPT:
            continue
        line = line_of(d, rng, index, where)
        out.append((where if not (where == "heldout" and d.tools) else "heldout-foreign", d.kind, d.lang, key, line))
    return out


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="Write the dialogues that raga-nano learns from.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--n", type=int, required=True, help="dialogues to make (repetitions are left out of the files)")
    parser.add_argument("-o", dest="folder", required=True)
    parser.add_argument("--exclude", default=os.path.join(here, "exclude.txt"), help="hashes of turns that must not occur (exclude.py makes it)")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if options.n < 1 or options.jobs < 1 or options.seed < 0:
        parser.error("--n and --jobs must be at least 1, --seed at least 0")
    os.makedirs(options.folder, exist_ok=True)
    names = ("train", "valid", "heldout", "heldout-foreign")
    files = {name: open(os.path.join(options.folder, name + ".jsonl.part"), "w", encoding="utf-8", newline="\n") for name in names}
    counts, seen = collections.Counter(), collections.Counter()
    jobs = [(options.seed, start, min(start + CHUNK, options.n)) for start in range(0, options.n, CHUNK)]
    with multiprocessing.Pool(options.jobs, prepare, (options.exclude,)) as pool:
        for part in pool.imap(chunk, jobs):
            for where, kind, lang, key, line in part:
                seen[key] += 1
                if seen[key] > (1 if where.startswith("heldout") else SAME_MAX) or where.startswith("heldout") and counts[where] >= HELDOUT_MAX:
                    counts["repeated"] += 1
                    continue
                files[where].write(line + "\n")
                counts[where] += 1
                if where == "train":
                    counts["kind " + kind] += 1
                    counts["lang " + lang] += 1
    for name, file in files.items():
        file.flush()
        os.fsync(file.fileno())
        file.close()
        os.replace(os.path.join(options.folder, name + ".jsonl.part"), os.path.join(options.folder, name + ".jsonl"))
    for key in sorted(counts):
        print(f"{key:20} {counts[key]}", file=sys.stderr)


if __name__ == "__main__":
    main()
