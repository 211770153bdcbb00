#!/usr/bin/env python3
"""Is a training file free of a measuring set?

    check.py TRAIN.jsonl... --items dev.jsonl

After folding case, digits and number words no training user turn may equal an item's, and none may share 60 % or more of its
word 4-grams (Chinese: character 6-grams) with an item longer than 8 words. Exit status 1 when one does. Reads the items
themselves, not the list of hashes that the generator was given.
"""
import argparse
import collections
import json
import sys

import fold

LONG, SHARE, SHOWN = 8, 0.6, 20


def read(path):
    with open(path, encoding="utf-8") as file:
        yield from file


def users(line):
    return [m["content"] for m in json.loads(line)["messages"] if m["role"] == "user"]


def grams(text):
    parts = fold.words(text)
    n = 6 if fold.is_chinese(text) else 4
    return {tuple(parts[i:i + n]) for i in range(len(parts) - n + 1)}


def check(items, files):
    """(problems, figures)"""
    exact, long_items, by_gram = {}, [], collections.defaultdict(list)
    for line in read(items):
        if line.strip():
            for text in users(line):
                exact[fold.fold(text)] = text
                if len(fold.words(text)) > LONG:
                    for gram in grams(text):
                        by_gram[gram].append(len(long_items))
                    long_items.append((text, grams(text)))
    problems, worst, folded, turns = [], 0.0, set(), 0
    near = collections.Counter()
    for path in files:
        for number, line in enumerate(read(path), 1):
            for text in users(line):
                turns += 1
                key = fold.fold(text)
                if key in exact:
                    problems.append(f"{path}:{number}: {text!r} is the item {exact[key]!r}")
                if key in folded:
                    continue
                folded.add(key)
                own, hits = grams(text), collections.Counter()
                for gram in own:
                    hits.update(by_gram.get(gram, ()))
                for item, n in hits.items():
                    share = n / len(own)
                    near["0.4" if share >= 0.4 else "0.2" if share >= 0.2 else "less"] += 1
                    worst = max(worst, share)
                    if share >= SHARE:
                        problems.append(f"{path}:{number}: {text!r} shares {100 * share:.0f} % with the item {long_items[item][0]!r}")
    return problems, {"turns": turns, "distinct folded turns": len(folded), "greatest share of n-grams": round(worst, 3),
        "turns and items that share 40 to 60 %": near["0.4"], "20 to 40 %": near["0.2"]}


def main():
    parser = argparse.ArgumentParser(description="Is a training file free of a measuring set?")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--items", required=True)
    options = parser.parse_args()
    problems, figures = check(options.items, options.files)
    for problem in problems[:SHOWN]:
        print(problem)
    for name, value in figures.items():
        print(f"{name}: {value}")
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
