#!/usr/bin/env python3
"""The list of turns that must not occur in training, as hashes.

    exclude.py ITEMS.jsonl -o exclude.txt

The generator never sees the items: it is given this list, which holds hashes only. A row "turn HASH" is a folded user turn
(fold.py); a row "grams HASH HASH ..." the 4-grams of words (Chinese: 6-grams of characters) of a turn longer than 8 words. A turn is
dropped when it equals the former, or shares 60 % of its or of the item's grams with the latter.
"""
import argparse
import json
import sys

import fold

LONG = 8                # words
SHARE = 0.6


class Ban:
    def __init__(self, path):
        self.turns, self.items, self.by_gram = set(), [], {}
        with open(path, encoding="ascii") as file:
            for number, line in enumerate(file, 1):
                words = line.split()
                if not words or words[0] == "#":
                    continue
                if words[0] == "turn" and len(words) == 2:
                    self.turns.add(words[1])
                elif words[0] == "grams" and len(words) > 1:
                    for gram in set(words[1:]):
                        self.by_gram.setdefault(gram, []).append(len(self.items))
                    self.items.append(set(words[1:]))
                else:
                    raise SystemExit(f"{path}:{number}: neither a turn nor grams")

    def overlap(self, text):
        """The greatest share of grams with an item, of the turn's or of the item's."""
        own = set(fold.grams(text))
        hits = {}
        for gram in own:
            for item in self.by_gram.get(gram, ()):
                hits[item] = hits.get(item, 0) + 1
        return max((max(n / len(own), n / len(self.items[item])) for item, n in hits.items()), default=0.0)

    def equals(self, text):
        return fold.short_hash(fold.fold(text)) in self.turns

    def hits(self, text):
        return self.equals(text) or self.overlap(text) >= SHARE


def main():
    parser = argparse.ArgumentParser(description="Hash the user turns of a measuring set.")
    parser.add_argument("items")
    parser.add_argument("-o", dest="out", required=True)
    options = parser.parse_args()
    rows = set()
    with open(options.items, encoding="utf-8") as file:
        for line in file:
            if not line.strip():
                continue
            for message in json.loads(line)["messages"]:
                if message["role"] == "user":
                    text = message["content"]
                    rows.add("turn " + fold.short_hash(fold.fold(text)))
                    if len(fold.words(text)) > LONG:
                        grams = fold.grams(text)
                        if grams:
                            rows.add("grams " + " ".join(sorted(set(grams))))
    with open(options.out, "w", encoding="ascii", newline="\n") as file:
        file.write("# made by exclude.py: hashes of folded turns that must not occur in training\n")
        file.writelines(row + "\n" for row in sorted(rows))
    print(f"{len(rows)} rows", file=sys.stderr)


if __name__ == "__main__":
    main()
