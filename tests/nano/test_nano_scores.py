#!/usr/bin/env python3
"""What the built-in model can do. usage: test_nano_scores.py RAGA ROOT"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
NANO = os.path.join(ROOT, "tools", "nano")
COMMANDS = os.path.join(os.environ.get("RAGA_SHARED", os.path.join(ROOT, "..", "shared")), "commands")
IS_LONG = bool(os.environ.get("RAGA_TEST_LONG"))
HELD_OUT, HELD_OUT_LONG = 200, 3000   # dialogues that are scored
DIALOGUES = 25000                     # made to get them
MEASURED_MIN = 0.95                   # of commands/dev.jsonl; these weights: 80 of 80
HELD_OUT_MIN = 0.97 if IS_LONG else 0.95  # of the held-out dialogues; these weights: 0.978 of 3,000
LADDER = ["q8_0", "q6_k", "q5_k_s", "q4_k_s", "q3_k_s", "q2_k_s"]
sys.dont_write_bytecode = True
sys.path.insert(0, NANO)

import score  # noqa: E402


def raga(*args):
    out = subprocess.run([RAGA, *args], capture_output=True)
    return out.returncode, out.stdout.decode(), out.stderr.decode()


class Scores(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temp.cleanup)
        cls.folder = temp.name
        subprocess.run([sys.executable, "-B", os.path.join(NANO, "generate.py"), "--seed", "2", "--n", str(DIALOGUES * (12 if IS_LONG else 1)), "-o",
            cls.folder], check=True, stderr=subprocess.DEVNULL)

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_held_out_dialogues_get_the_right_calls(self):
        with open(self.path("heldout.jsonl"), encoding="utf-8") as file:
            items = [json.loads(line) for line in file][:HELD_OUT_LONG if IS_LONG else HELD_OUT]
        self.assertGreater(len(items), 150)
        rows = score.score(RAGA, "builtin", items)
        share = sum(row[2] for row in rows) / len(rows)
        print(f"held out: {100 * share:.1f} % of {len(rows)} get the right calls, {100 * sum(row[3] for row in rows) / len(rows):.1f} % the right words too")
        self.assertGreaterEqual(share, HELD_OUT_MIN)

    def test_items_written_by_hand_are_understood(self):
        dev = os.path.join(COMMANDS, "dev.jsonl")
        if not os.path.exists(dev):
            self.skipTest("commands/dev.jsonl is absent")
        with open(dev, "rb") as file, open(self.path("answers"), "wb") as answers:
            subprocess.run([RAGA, "run", "builtin", "--jsonl"], stdin=file, stdout=answers, check=True)
        out = subprocess.run([sys.executable, os.path.join(COMMANDS, "score.py"), dev, self.path("answers"), "--json"], capture_output=True, check=True)
        right, total = (json.loads(out.stdout)["overall"]["all"][k] for k in ("right", "total"))
        print(f"written by hand: {right} of {total}")
        self.assertGreaterEqual(right / total, MEASURED_MIN)

    def test_fewer_bits_do_not_understand_better(self):
        """Perplexity does not fall on the way down, but for chance: two standard errors."""
        with open(self.path("valid.jsonl"), encoding="utf-8") as file, open(self.path("text.jsonl"), "w", encoding="utf-8") as out:
            out.writelines(file.readlines()[:60])
        before = 0
        for kind in LADDER:
            model = "builtin" if kind == "q8_0" else self.path(kind + ".gguf")
            if kind != "q8_0":
                code, _, err = raga("quantize", "builtin", kind, "--requantize", "-o", model)
                self.assertEqual(code, 0, err)
            code, out, err = raga("eval", model, self.path("text.jsonl"), "--json", "--no-record")
            self.assertEqual(code, 0, err)
            perplexity, error = (json.loads(out)["perplexity"][k] for k in ("value", "std_error"))
            print(f"{kind}: perplexity {perplexity:.4f} +- {error:.4f}")
            self.assertGreaterEqual(perplexity, before - 2 * error, kind)
            before = perplexity


if __name__ == "__main__":
    if raga("show", "builtin")[0] != 0:
        print("skipped: this build has no built-in model")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
