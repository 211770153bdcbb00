#!/usr/bin/env python3
"""raga run --jsonl: one line for each line, whatever it holds. usage: test_run_lines.py RAGA ROOT"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from scripted_model import make  # noqa: E402

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
TOOL = {"type": "function", "function": {"name": "walk", "description": "Walk.", "parameters": {
    "type": "object", "properties": {"distance": {"type": "number"}}, "required": ["distance"], "additionalProperties": False}}}
# the template answers what it sees: whether calls and results came in the form that templates read
SCRIPT = """
{%- set call = messages[1].tool_calls[0] if messages | length > 1 and messages[1].tool_calls else none -%}
{%- if call -%}
{%- if call.function.name == 'walk' and call.function.arguments.distance == 2
       and messages[2].content == '{"ok": true, "distance": 2}' -%}fine{%- else -%}bad{%- endif -%}
{%- elif last.content == 'one text' -%}fine
{%- elif 'walk' in last.content and tools -%}walk
{%- else -%}plain{%- endif -%}"""


class Lines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = os.path.join(cls.folder.name, "model")
        make(cls.model, {"walk": ["<tool_call>", '{"name": "walk", "arguments": {"distance": 2}}', "</tool_call>"],
                         "plain": ["Hello there."], "fine": ["fine"], "bad": ["bad"]}, SCRIPT)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_lines(self, lines, *args):
        text = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
        out = subprocess.run([RAGA, "run", self.model, "--jsonl", *args], input=text, capture_output=True, timeout=120)
        self.assertEqual((out.returncode, out.stderr), (0, b""))
        answers = [json.loads(line) for line in out.stdout.decode().splitlines()]
        self.assertEqual(len(answers), len(lines))
        return answers

    def test_calls_and_replies(self):
        walk, plain = self.run_lines([
            {"id": "a", "messages": [{"role": "user", "content": "walk"}], "tools": [TOOL], "seed": 7, "lang": "en"},
            {"id": 2, "messages": [{"role": "user", "content": "hi"}], "tools": [TOOL], "expect": {"calls": []}}])
        self.assertEqual(walk, {"id": "a", "calls": [{"name": "walk", "arguments": {"distance": 2}}], "reply": ""})
        self.assertEqual(plain, {"id": 2, "calls": [], "reply": "Hello there."})

    def test_tool_choice_is_kept(self):
        sit = {"type": "function", "function": {"name": "sit", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}}}
        hi = {"messages": [{"role": "user", "content": "hi"}], "tools": [TOOL, sit]}
        walk = {"messages": [{"role": "user", "content": "walk"}], "tools": [TOOL, sit]}
        free, needed, named, flat, none, other, odd = self.run_lines([
            {"id": 1, **hi, "tool_choice": "auto"},
            {"id": 2, **hi, "tool_choice": "required"},
            {"id": 3, **walk, "tool_choice": {"type": "function", "function": {"name": "sit"}}},
            {"id": 4, **walk, "tool_choice": {"type": "tool", "name": "sit"}},
            {"id": 5, **walk, "tool_choice": "none"},
            {"id": 6, **walk, "tool_choice": {"function": {"name": "fly"}}},
            {"id": 7, **walk, "tool_choice": 3}])
        self.assertEqual((free["calls"], free["reply"]), ([], "Hello there."))
        # against its script the model goes on without sense, but within the grammar
        self.assertIn(needed["calls"][0]["name"], ("walk", "sit"))
        self.assertEqual(named["calls"][0], {"name": "sit", "arguments": {}})
        self.assertEqual(flat["calls"][0], {"name": "sit", "arguments": {}})
        self.assertEqual((none["calls"], none["reply"]), ([], "Hello there."))
        self.assertIn('no tool "fly"', str(other["error"]))
        self.assertIn("tool_choice", json.dumps(odd["error"]))

    def test_no_tools_in_all_its_forms(self):
        said = {"messages": [{"role": "user", "content": "walk"}]}
        for more in ({}, {"tools": None}, {"tools": []}):
            self.assertEqual(self.run_lines([{"id": 1, **said, **more}]), [{"id": 1, "calls": [], "reply": "Hello there."}])

    def test_a_line_that_cannot_be_answered_gets_one_too(self):
        long = {"id": 9, "messages": [{"role": "user", "content": "x" * 9000}]}
        bad = [b"", b"{", b"nonsense", b"[1]", b"null", b'{"id":1}', b'{"id":2,"messages":7}', b'{"id":3,"messages":[{"role":"user"',
               b'{"id":4,"messages":[7]}', b'{"id":5,"messages":[{"role":"user","content":"\xff"}]}', b"\0",
               {"id": 6, "messages": [{"role": "user", "content": "x"}], "tools": 7},
               {"id": 7, "messages": [{"role": "user", "content": "x"}], "tools": [{"nothing": 1}]}, long, b"[" * 500]
        good = {"id": 8, "messages": [{"role": "user", "content": "hi"}]}
        answers = self.run_lines(bad + [good], "--ctx", "1024")
        for line, answer in zip(bad, answers):
            self.assertEqual((list(answer), answer["calls"], answer["reply"]), (["id", "calls", "reply", "error"], [], ""), line)
            self.assertNotEqual(answer["error"], "", line)
        self.assertEqual([a["id"] for a in answers[-5:]], [6, 7, 9, None, 8])
        self.assertIn("1024", answers[13]["error"])
        self.assertEqual(answers[-1], {"id": 8, "calls": [], "reply": "Hello there."})

    def test_a_huge_line_is_told_apart_from_its_neighbors(self):
        huge = {"id": 1, "note": "y" * (65 << 20), "messages": []}
        large = {"id": 2, "note": "y" * (4 << 20), "messages": [{"role": "user", "content": "hi"}]}
        first, second = self.run_lines([huge, large])
        self.assertIn("limit", first["error"])
        self.assertEqual(second, {"id": 2, "calls": [], "reply": "Hello there."})

    def test_a_last_line_without_its_end(self):
        out = subprocess.run([RAGA, "run", self.model, "--jsonl"], input=b'{"messages":[{"role":"user","content":"hi"}]}',
                             capture_output=True, timeout=60)
        self.assertEqual(json.loads(out.stdout), {"id": None, "calls": [], "reply": "Hello there."})

    def test_calls_and_results_in_every_shape(self):
        for function in ({"name": "walk", "arguments": {"distance": 2}}, {"name": "walk", "arguments": '{"distance":2}'}):
            for call in (function, {"function": function}, {"id": "c1", "type": "function", "function": function},
                         {"id": "c1", **function}):
                for content in ('{"ok": true, "distance": 2}', {"ok": True, "distance": 2},
                                [{"type": "text", "text": '{"ok": true, '}, {"type": "text", "text": '"distance": 2}'}]):
                    line = {"id": 1, "tools": [TOOL], "messages": [
                        {"role": "user", "content": "go"}, {"role": "assistant", "content": None, "tool_calls": [call]},
                        {"role": "tool", "content": content}]}
                    self.assertEqual(self.run_lines([line])[0]["reply"], "fine", line)
        parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "text"}]
        self.assertEqual(self.run_lines([{"messages": [{"role": "user", "content": parts}]}])[0]["reply"], "fine")

    def test_odd_shapes_end_nothing(self):
        for call in (None, 7, [], {}, {"name": 3}, {"function": 3}, {"function": {}}, {"name": "walk", "arguments": "{"},
                     {"name": "walk", "arguments": "[" * 200}, {"name": "walk", "arguments": "7"}, {"name": "walk", "arguments": None}):
            for calls in (call, [call]):
                line = {"id": 1, "messages": [{"role": "user", "content": "go"},
                                              {"role": "assistant", "content": {"a": []}, "tool_calls": calls},
                                              {"role": "tool", "content": [[]]}, {"role": "tool"}, 7 if call is None else {}]}
                self.assertEqual(self.run_lines([line])[0]["id"], 1, line)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
