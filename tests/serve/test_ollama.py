#!/usr/bin/env python3
"""Ollama's interface: lines of JSON. usage: test_ollama.py RAGA ROOT"""
import http.client
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from scripted_model import make  # noqa: E402
from serving import Server  # noqa: E402

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
WALK = {"type": "function", "function": {"name": "walk", "description": "Walk.", "parameters": {
    "type": "object", "properties": {"distance": {"type": "number"}}, "required": ["distance"]}}}
SCRIPT = """
{%- if last.role == 'tool' and last.content == 'ok' and last.name == 'walk' and messages[-2].tool_calls[0].function.arguments.distance == 2 -%}done
{%- elif messages[0].role == 'system' -%}done
{%- elif 'walk' in last.content -%}walk
{%- elif 'think' in last.content and enable_thinking is not false -%}thought
{%- else -%}plain{%- endif -%}"""


class Ollama(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        model = os.path.join(cls.folder.name, "model")
        make(model, {"walk": ["<tool_call>", '\n{"name": "walk", "arguments": {"distance": 2}}', "\n", "</tool_call>"], "plain": ["Hel", "lo ", "the", "re."],
                     "done": ["I walked ", "2 m."], "thought": ["<think>", "He says", " hi.", "</think>", "Well met."]}, SCRIPT)
        cls.server = Server(RAGA, model)

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        cls.folder.cleanup()
        assert status == 0, status

    def ask(self, path, **body):
        return self.server.good(path, {"model": "model", "stream": False, "options": {"temperature": 0}, **body})

    def chat(self, content, **more):
        messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
        return self.ask("/api/chat", messages=messages, **more)

    def lines(self, path, **body):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        connection.request("POST", path, json.dumps({"model": "model", "options": {"temperature": 0}, **body}))
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.getheader("Content-Type")), (200, "application/x-ndjson"))
        lines = [json.loads(line) for line in answer.read().decode().splitlines()]
        connection.close()
        self.assertEqual([line["done"] for line in lines], [False] * (len(lines) - 1) + [True])
        self.assertTrue(all(line["model"] == "model" for line in lines))
        return lines

    def check_end(self, end, reason="stop"):
        self.assertEqual(end["done_reason"], reason)
        self.assertGreater(end["eval_count"], 0)
        self.assertGreater(end["prompt_eval_count"], 0)
        for name in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"):
            self.assertIsInstance(end[name], int)
        self.assertRegex(end["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

    def test_a_chat(self):
        answer = self.chat("hi")
        self.assertEqual(answer["message"], {"role": "assistant", "content": "Hello there."})
        self.assertTrue(answer["done"])
        self.check_end(answer)

    def test_a_stream_is_the_default(self):
        lines = self.lines("/api/chat", messages=[{"role": "user", "content": "hi"}])
        self.assertEqual("".join(line["message"]["content"] for line in lines), "Hello there.")
        self.check_end(lines[-1])

    def test_a_prompt(self):
        self.assertEqual(self.ask("/api/generate", prompt="hi")["response"], "Hello there.")
        self.assertEqual(self.ask("/api/generate", prompt="hi", system="x")["response"], "I walked 2 m.")
        self.assertEqual(self.ask("/api/generate", prompt="<|plain|>", raw=True)["response"], "Hello there.")
        lines = self.lines("/api/generate", prompt="hi")
        self.assertEqual("".join(line["response"] for line in lines), "Hello there.")

    def test_options(self):
        answer = self.chat("hi", options={"temperature": 0, "num_predict": 2, "num_ctx": 100000})
        self.assertEqual(answer["message"]["content"], "Hello ")
        self.check_end(answer, "length")
        self.assertEqual(self.chat("hi", options={"temperature": 0, "stop": [" the"], "num_predict": -1})["message"]["content"], "Hello")

    def test_thoughts(self):
        message = self.chat("think", think=True)["message"]
        self.assertEqual((message["thinking"], message["content"]), ("He says hi.", "Well met."))
        self.assertEqual(self.chat("think", think=False)["message"]["content"], "Hello there.")
        lines = self.lines("/api/chat", messages=[{"role": "user", "content": "think"}])
        self.assertEqual("".join(line["message"].get("thinking", "") for line in lines), "He says hi.")

    def test_tools_over_two_turns(self):
        for answers in ([self.chat("walk", tools=[WALK])], self.lines("/api/chat", messages=[{"role": "user", "content": "walk"}], tools=[WALK])):
            calls = [c for a in answers for c in a["message"].get("tool_calls", [])]
            self.assertEqual(calls, [{"function": {"name": "walk", "arguments": {"distance": 2}}}])
        said = [{"role": "user", "content": "walk"}, {"role": "assistant", "content": "", "tool_calls": calls}, {"role": "tool", "tool_name": "walk", "content": "ok"}]
        self.assertEqual(self.chat(said, tools=[WALK])["message"]["content"], "I walked 2 m.")

    def test_formats(self):
        schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["n"]}
        self.assertIn(json.loads(self.chat("hi", format=schema)["message"]["content"])["n"], range(10))
        text = self.chat("hi", format="json", options={"temperature": 0, "num_predict": 20})["message"]["content"]
        self.assertTrue(text.startswith("{"))

    def test_what_there_is(self):
        models = self.server.get("/api/tags")[2]["models"]
        self.assertEqual((models[0]["name"], models[0]["details"]["family"]), ("model", "qwen3"))
        self.assertEqual(self.server.get("/api/ps")[2]["models"][0]["model"], "model")
        for name in ("model", "model:latest"):
            shown = self.server.good("/api/show", {"model": name})
            self.assertEqual(shown["model_info"]["qwen3.context_length"], 4096)
            self.assertIn("tools", shown["capabilities"])
        self.assertIn("version", self.server.get("/api/version")[2])
        self.assertEqual(self.server.ask("HEAD", "/")[0], 200)

    def test_what_is_wrong_is_named(self):
        for said, path, body in (("model", "/api/chat", {"model": "other", "messages": []}), ("messages", "/api/chat", {"messages": []}),
                                 ("messages", "/api/chat", {"messages": [1]}), ("content", "/api/chat", {"messages": [{"role": "user", "content": 1}]}),
                                 ("stream", "/api/chat", {"stream": 1}), ("options", "/api/chat", {"messages": [], "options": 1}), ("temperature", "/api/generate", {"prompt": "x", "options": {"temperature": "x"}}),
                                 ("think", "/api/generate", {"prompt": "x", "think": 1}), ("format", "/api/generate", {"prompt": "x", "format": "xml"}), ("suffix", "/api/generate", {"prompt": "x", "suffix": "y"}),
                                 ("template", "/api/generate", {"prompt": "x", "template": "y"}), ("does not see", "/api/generate", {"prompt": "x", "images": ["AAAA"]}), ("images", "/api/generate", {"prompt": "x", "images": [1]}),
                                 ("4096", "/api/generate", {"prompt": "x" * 5000})):
            status, _, answer = self.server.post(path, body)
            self.assertEqual((status, list(answer)), (404 if "other" in str(body) else 400, ["error"]), (body, answer))
            self.assertIn(said, answer["error"])
        status, _, answer = self.server.post("/api/pull", {"model": "x"})
        self.assertEqual((status, "not built" in answer["error"]), (501, True))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
