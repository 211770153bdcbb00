#!/usr/bin/env python3
"""The built-in model as a user meets it; a build without one says so. usage: test_builtin.py RAGA ROOT"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
SKILLS = ["walk", "sidestep", "turn", "go_to", "approach", "look", "wait", "stand", "sit", "stop", "status"]


def raga(*args, stdin="", timeout=120):
    out = subprocess.run([RAGA, *args], input=stdin.encode(), capture_output=True, timeout=timeout)
    return out.returncode, out.stdout.decode(), out.stderr.decode()


HAS_ONE = raga("show", "builtin")[0] == 0


class Command(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = temp.name


@unittest.skipIf(HAS_ONE, "this build has a built-in model")
class Without(Command):
    def test_each_command_says_that_there_is_none(self):
        for command in (["run", "builtin", "x"], ["run", "--jsonl"], ["show", "builtin"], ["tokenize", "builtin", "x"],
                        ["bench", "builtin"], ["template", "builtin", "--jsonl"], ["robot", "sim:flat", "sit"],
                        ["inspect", "builtin", "-p", "x"], ["eval", "builtin", __file__], ["quantize", "builtin", "q4_0", "--dry-run"], ["logits", "builtin", "--ids", "1", "-o", os.path.join(self.folder, "l")]):
            code, out, err = raga(*command)
            self.assertNotEqual(code, 0, command)
            self.assertEqual(out, "", command)
            self.assertRegex(err, "no built-in model|none is built in", command)

    def test_no_model_says_how_to_name_one(self):
        code, _, err = raga("run")
        self.assertEqual(code, 2)
        self.assertIn("raga run MODEL", err)


@unittest.skipUnless(HAS_ONE, "this build has no built-in model: models/raga-nano.gguf was absent")
class With(Command):
    def test_it_is_small_and_of_one_type(self):
        facts = json.loads(raga("show", "builtin", "--json")[1])
        text = json.dumps(facts)
        self.assertIn("Q8_0", text)
        path = os.path.join(ROOT, "models/raga-nano.gguf")
        if not os.path.exists(path):
            self.skipTest("built from another file than models/raga-nano.gguf")
        self.assertLess(os.path.getsize(path), 12_000_000)

    def test_every_command_takes_its_name(self):
        said = '{"messages":[{"role":"user","content":"hi"}]}'
        for command, stdin in ((["run", "builtin", "hi", "-n", "4"], ""), (["run", "-n", "4"], "hi"),
                               (["tokenize", "builtin", "hi"], ""), (["template", "builtin", "--jsonl"], said),
                               (["inspect", "builtin", "-p", "hi"], ""), (["eval", "builtin", __file__, "--no-record"], ""),
                               (["quantize", "builtin", "q4_k_m", "--requantize", "--dry-run"], ""), (["bench", "builtin", "-p", "8", "-n", "4", "-r", "1"], ""),
                               (["logits", "builtin", "--ids", "1,2", "-o", os.path.join(self.folder, "l")], "")):
            code, out, err = raga(*command, stdin=stdin)
            self.assertEqual(code, 0, (command, err))

    def test_a_line_without_tools_gets_the_skills(self):
        lines = [{"id": i, "messages": [{"role": "user", "content": text}]} for i, text in
                 enumerate(("walk forward two metres", "maju dua meter", "前进两米", "sit down"))]
        code, out, err = raga("run", "--jsonl", stdin="".join(json.dumps(line) + "\n" for line in lines))
        self.assertEqual((code, err), (0, ""))
        answers = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([a["id"] for a in answers], [0, 1, 2, 3])
        for answer in answers:
            self.assertNotIn("error", answer)
            self.assertTrue(all(c["name"] in SKILLS for c in answer["calls"]), answer)
        named = raga("run", "builtin", "--jsonl", stdin="".join(json.dumps(line) + "\n" for line in lines))
        self.assertEqual(named, (code, out, err))

    def test_it_drives_the_robot(self):
        code, out, err = raga("robot", "sim:flat", "walk forward two metres, then sit", "--json")
        self.assertEqual((code, err), (0, ""))
        self.assertTrue(all(c["name"] in SKILLS and "ok" in c["result"] for c in json.loads(out)["calls"]))

    def test_the_demonstration_ends_well(self):
        with open(os.path.join(ROOT, "examples/talk.txt"), encoding="utf-8") as file:
            text = file.read()
        code, out, err = raga("robot", "sim:flat", "--map", "--chat", stdin=text)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.count("\n> ") + out.startswith("> "), len(text.splitlines()))
        self.assertIn("at (", out.splitlines()[-1])


if __name__ == "__main__":
    program = unittest.main(argv=sys.argv[:1], verbosity=1, exit=False)
    if not HAS_ONE:
        print("skipped: no built-in model in this build, models/raga-nano.gguf was absent")
    sys.exit(0 if program.result.wasSuccessful() else 1)
