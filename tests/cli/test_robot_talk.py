#!/usr/bin/env python3
"""Words that drive a robot, with a model that says what the test wants. usage: test_robot_talk.py RAGA ROOT"""
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from scripted_model import make  # noqa: E402

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
CALL, END = "<tool_call>", "</tool_call>"


def call(text):
    return [CALL, text, END]


# one script for all: what was said last names the answer; results of tools are answered by what they hold
ANSWERS = {
    "ball": call('{"name": "approach", "arguments": {"object": "red ball"}}'),
    "moon": call('{"name": "approach", "arguments": {"object": "moon"}}'),
    "away": call('{"name": "walk", "arguments": {"distance": 9}}'),
    "again": call('{"name": "stand", "arguments": {}}'),
    "plain": ["Hello there."],
    "well": ["All done."],
    "badly": ["Sorry, that failed."],
    "broken": call('{"name": "fly", "arguments": {}}'),
    "long": [f"word{i} " for i in range(150)],
}
SCRIPT = """
{%- if last.role == 'tool' -%}
{%- if '"ok": false' in last.content -%}badly
{%- elif 'again' in messages[-3].content or 'again' in messages[1].content -%}again
{%- else -%}well{%- endif -%}
{%- elif 'count' in last.content -%}
{%- if messages|selectattr('role', 'equalto', 'user')|list|length == 2 -%}well{%- else -%}plain{%- endif -%}
{%- else -%}
{%- set found = namespace(key='') -%}
{%- for key in KEYS -%}
{%- if key in last.content and not found.key -%}{%- set found.key = key -%}{{- key -}}{%- endif -%}
{%- endfor -%}
{%- if not found.key -%}plain{%- endif -%}
{%- endif -%}"""


def raga(*args, stdin="", timeout=120):
    out = subprocess.run([RAGA, *args], input=stdin.encode(), capture_output=True, timeout=timeout)
    return out.returncode, out.stdout.decode(), out.stderr.decode()


class WithModels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        # the markers of calls have one successor each, so each call has a model of its own
        cls.model = {}
        for name in ("ball", "moon", "away", "again", "broken"):
            cls.model[name] = os.path.join(cls.folder.name, name)
            answers = {key: ANSWERS[key] for key in ("plain", "well", "badly", "long")}
            answers[name] = ANSWERS[name]
            make(cls.model[name], answers, SCRIPT.replace("KEYS", json.dumps([name, "long"])))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()


class Talk(WithModels):
    def talk(self, model, *args, **kw):
        return raga("robot", "sim:flat", *args, "--model", self.model[model], **kw)

    def test_words_become_calls_and_an_answer(self):
        code, out, err = self.talk("ball", "go to", "the ball")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.splitlines(), ['approach {"object": "red ball"}',
                                            '  -> {"ok": true, "object": "red ball", "distance": 0.5}', "All done."])

    def test_an_answer_without_calls(self):
        code, out, _ = self.talk("ball", "good morning")
        self.assertEqual((code, out), (0, "Hello there.\n"))

    def test_a_failed_call_is_told_to_the_model(self):
        code, out, _ = self.talk("moon", "to the moon")
        self.assertEqual((code, out.splitlines()[1:]), (0, ['  -> {"ok": false, "error": "moon not found"}',
                                                            "Sorry, that failed."]))

    def test_machines_get_json(self):
        code, out, err = self.talk("ball", "--chat", "--json", stdin="to the ball\n\nhello\n")
        self.assertEqual((code, err), (0, ""))
        first, second = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(list(first), ["said", "calls", "reply", "answered", "time_s", "x", "y", "heading"])
        self.assertEqual((first["said"], first["reply"], first["answered"]), ("to the ball", "All done.", True))
        self.assertEqual(first["calls"], [{"name": "approach", "arguments": {"object": "red ball"},
                                           "result": {"ok": True, "object": "red ball", "distance": 0.5}}])
        self.assertEqual((second["said"], second["calls"], second["reply"]), ("hello", [], "Hello there."))
        self.assertEqual(second["x"], first["x"])  # the robot is where it was left

    def test_calls_are_held_to_the_skills(self):
        code, out, _ = self.talk("broken", "broken please", "--json")
        self.assertEqual(code, 0)
        self.assertNotIn("fly", [c["name"] for c in json.loads(out)["calls"]])

    def test_words_after_failed_calls_hide_no_failure(self):
        calls = '{"name":"approach","arguments":{"object":"moon"}}\n'
        for words in ((), ("hello",)):
            code, _, err = self.talk("ball", *words, "--calls", "-", "--keep-going", "--json", stdin=calls)
            self.assertEqual(code, 1, (words, err))

    def test_rounds_are_bounded(self):
        code, out, err = self.talk("again", "again and again", "--json")
        line = json.loads(out)
        self.assertEqual((code, len(line["calls"]), line["answered"]), (0, 8, False))
        self.assertIn("8 rounds", err)

    def test_a_full_context_drops_the_oldest_turns(self):
        code, out, err = self.talk("ball", "--chat", "--json", "--ctx", "1024", stdin="hello\n" + "a long one\n" * 6 + "ball\n")
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual((code, len(lines)), (0, 8))
        self.assertTrue(all(line["answered"] for line in lines))
        self.assertEqual(len({line["reply"] for line in lines[1:7]}), 1)
        self.assertEqual(lines[7]["reply"], "All done.")
        self.assertRegex(err, r"the context of 1024 tokens is full: 1 earlier turn dropped")

    def test_the_model_is_told_of_as_many_turns_as_wanted(self):
        for words, replies in ((("--turns", "1"), ["Hello there.", "All done.", "All done.", "All done."]),
                               (("--turns", "0"), ["Hello there."] * 4),
                               ((), ["Hello there.", "All done.", "Hello there.", "Hello there."])):
            code, out, err = self.talk("ball", "--chat", "--json", *words, stdin="count\n" * 4)
            self.assertEqual((code, [json.loads(line)["reply"] for line in out.splitlines()]), (0, replies), err)

    def test_what_does_not_fit_at_all_is_an_error(self):
        code, _, err = self.talk("ball", "hello " * 400, "--ctx", "1024")
        self.assertEqual(code, 1)
        self.assertIn("1024", err)

    def test_a_map_is_drawn_once_where_there_is_no_terminal(self):
        code, out, _ = self.talk("ball", "to the ball", "--map")
        self.assertEqual((code, out.count("a red ball"), out.count("at (")), (0, 1, 1))

    def test_wrong_usage_is_said(self):
        code, _, err = self.talk("ball", "walk", "--call", "walk", '{"distance":1}')
        self.assertEqual(code, 2)
        self.assertIn("--call", err)
        code, _, err = raga("robot", "sim:flat", "hello", "--model", "/no/model")
        self.assertEqual(code, 1)
        self.assertIn("/no/model", err)


class Terminal(WithModels):

    def start(self, *args):
        main, side = pty.openpty()
        process = subprocess.Popen([RAGA, "robot", "sim:flat", *args], stdin=side, stdout=side, stderr=side, close_fds=True,
                                   start_new_session=True, env={**os.environ, "TERM": "dumb", "XDG_STATE_HOME": self.folder.name})
        os.close(side)
        self.addCleanup(os.close, main)
        self.addCleanup(process.kill)
        return main, process

    def read_until(self, main, words, timeout=20):
        text, end = b"", time.time() + timeout
        while words.encode() not in text:
            ready, _, _ = select.select([main], [], [], max(0, end - time.time()))
            self.assertTrue(ready, (words, text))
            try:
                part = os.read(main, 65536)
            except OSError:
                part = b""
            self.assertTrue(part, (words, text))
            text += part
        return text.decode("utf-8", "replace")

    def test_a_chat_with_a_map(self):
        main, process = self.start("--model", self.model["ball"], "--map", "--pace", "50")
        self.read_until(main, "> ")
        os.write(main, b"to the ball\n")
        out = self.read_until(main, "All done.")
        self.assertIn("a red ball (3.0, 1.0)", out)
        self.assertLess(out.index("approach {"), out.index("a red ball"))
        self.assertLess(out.rindex("heading"), out.index('-> {"ok": true'))
        os.write(main, b"hello\n")
        self.read_until(main, "Hello there.")
        os.write(main, b"/quit\n")
        self.assertEqual(process.wait(20), 0)

    def test_ctrl_c_stops_the_robot_and_the_chat_goes_on(self):
        main, process = self.start("--model", self.model["away"], "--map", "--pace", "1")
        self.read_until(main, "> ")
        os.write(main, b"away\n")
        self.read_until(main, "at (0.1")  # it walks
        process.send_signal(signal.SIGINT)
        out = self.read_until(main, "Sorry, that failed.")
        self.assertIn('"error": "interrupted', out)
        os.write(main, b"hello\n")
        self.read_until(main, "Hello there.")
        os.write(main, b"/quit\n")
        self.assertEqual(process.wait(20), 0)

    def test_ctrl_c_ends_one_thing_said(self):
        main, process = self.start("away", "--model", self.model["away"], "--map", "--pace", "1")
        self.read_until(main, "at (0.1")
        process.send_signal(signal.SIGINT)
        self.read_until(main, "Sorry, that failed.")
        self.assertEqual(process.wait(20), 130)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
