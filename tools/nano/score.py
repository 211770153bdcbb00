#!/usr/bin/env python3
"""Score a model on held-out dialogues: does each get exactly the right calls, and the right words where words are due?

    score.py build/nano/heldout.jsonl [MORE.jsonl] [--model builtin] [--wrong] [--limit N]

Calls are right when names, order and arguments are, numbers within an item's tolerance; an argument left out counts as its
default. Words are right when one of the phrases looked for is in them (and none of those that must not be), numbers by value.
"""
import argparse
import collections
import json
import re
import subprocess
import sys

DEFAULTS = {"walk": {"speed": 0.5}, "approach": {"distance": 0.5}}
NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same_value(name, got, want, tolerance):
    if is_number(want):
        near = tolerance["angle"] if name == "angle" else 0.01 if name == "seconds" else tolerance["distance"]
        return is_number(got) and abs(got - want) <= near + 1e-9
    return type(got) is type(want) and got == want


def same_call(got, want, tolerance):
    if got.get("name") != want["name"] or not isinstance(got.get("arguments"), dict):
        return False
    left = {**DEFAULTS.get(want["name"], {}), **got["arguments"]}
    right = {**DEFAULTS.get(want["name"], {}), **want["arguments"]}
    return left.keys() == right.keys() and all(same_value(k, left[k], right[k], tolerance) for k in right)


def contains(reply, phrase):
    reply, phrase = reply.lower(), phrase.lower()
    if NUMBER.fullmatch(phrase):
        return any(abs(float(n.replace(",", ".")) - float(phrase.replace(",", "."))) < 1e-6 for n in NUMBER.findall(reply))
    return phrase in reply


def judge(item, got):
    """(are the calls right, is everything right)"""
    expect, calls = item["expect"], got.get("calls", [])
    if "calls" in expect:
        right = len(calls) == len(expect["calls"]) and all(same_call(g, w, item["tolerance"]) for g, w in zip(calls, expect["calls"]))
        return right, right
    rule, reply = expect["reply"], got.get("reply", "")
    said = any(contains(reply, p) for p in rule["must_contain_any"]) and not any(contains(reply, p)
        for p in rule.get("must_not_contain_any", ()))
    return not calls, not calls and said


def answers(raga, model, items):
    text = "".join(json.dumps({k: item[k] for k in ("id", "messages", "tools") if k in item}, ensure_ascii=False) + "\n" for item in items)
    out = subprocess.run([raga, "run", model, "--jsonl"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
    return [json.loads(line) for line in out.splitlines()]


def score(raga, model, items):
    """[(item, answer, are the calls right, is everything right)]"""
    got = answers(raga, model, items)
    if len(got) != len(items):
        raise SystemExit(f"score.py: {len(items)} lines gave {len(got)} answers")
    return [(item, answer, *judge(item, answer)) for item, answer in zip(items, got)]


def main():
    parser = argparse.ArgumentParser(description="Score a model on held-out dialogues.")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--raga", default="build/release/raga")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--wrong", action="store_true", help="list what is wrong")
    options = parser.parse_args()
    for path in options.files:
        with open(path, encoding="utf-8") as file:
            items = [json.loads(line) for line in file][:options.limit]
        table = collections.defaultdict(lambda: [0, 0, 0])
        for item, answer, calls, everything in score(options.raga, options.model, items):
            for key in ("all", "lang " + item["lang"], "kind " + item["kind"]):
                table[key] = [a + b for a, b in zip(table[key], (calls, everything, 1))]
            if options.wrong and not everything:
                print(json.dumps({"id": item["id"], "kind": item["kind"], "said": item["messages"][-1]["content"], "want": item["expect"],
                    "got": {k: answer.get(k) for k in ("calls", "reply")}}, ensure_ascii=False))
        print(f"{path}: calls right, everything right")
        for key in sorted(table):
            calls, everything, n = table[key]
            print(f"  {key:18} {100 * calls / n:6.1f} % {100 * everything / n:6.1f} %  of {n}")


if __name__ == "__main__":
    sys.exit(main())
