#!/usr/bin/env python3
"""Anthropic's interface: messages, their events, counting. usage: test_anthropic.py RAGA ROOT"""
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
MESSAGES = "/v1/messages"
WALK = {"name": "walk", "description": "Walk.", "input_schema": {
    "type": "object", "properties": {"distance": {"type": "number"}}, "required": ["distance"], "additionalProperties": False}}
SCRIPT = """
{%- if last.role == 'tool' -%}
  {%- set call = messages[-2].tool_calls[0].function -%}
  {%- if call.arguments.distance == 2 and last.content == 'walked 2 m' and last.name == 'walk' -%}done{%- else -%}plain{%- endif -%}
{%- elif messages[0].role == 'system' and messages[0].content == 'one two' -%}done
{%- elif 'walk' in last.content -%}walk
{%- elif 'think' in last.content and enable_thinking is not false -%}thought
{%- else -%}plain{%- endif -%}"""


class Case(unittest.TestCase):
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

    @staticmethod
    def body(content="hi", **more):
        messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
        return {"model": "model", "max_tokens": 100, "temperature": 0, "messages": messages, **more}

    def ask(self, content="hi", **more):
        return self.server.good(MESSAGES, self.body(content, **more))

    def events(self, content="hi", **more):
        """(event, data) of a stream, in order; checks what every stream has."""
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        connection.request("POST", MESSAGES, json.dumps(self.body(content, stream=True, **more)))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        self.assertEqual(answer.status, 200, text)
        self.assertEqual(answer.getheader("Content-Type"), "text/event-stream")
        events = []
        for block in text.split("\n\n")[:-1]:
            event, data = block.split("\n")
            self.assertTrue(event.startswith("event: ") and data.startswith("data: "), block)
            data = json.loads(data[6:])
            self.assertEqual(event[7:], data["type"])
            events.append(data)
        self.assertEqual((events[0]["type"], events[-2]["type"], events[-1]["type"]), ("message_start", "message_delta", "message_stop"))
        self.assertEqual(events[0]["message"]["content"], [])
        return events

    @staticmethod
    def blocks(events):
        """The content that a client puts together."""
        blocks, is_open = [], False
        for e in events[1:-2]:
            if e["type"] == "content_block_start":
                assert not is_open and e["index"] == len(blocks)
                blocks.append(dict(e["content_block"]))
                is_open = True
                partial = ""
            elif e["type"] == "content_block_delta":
                assert is_open and e["index"] == len(blocks) - 1
                delta = e["delta"]
                kind = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature", "input_json_delta": "partial_json"}[delta["type"]]
                if kind == "partial_json":
                    partial += delta[kind]
                else:
                    blocks[-1][kind] += delta[kind]
            else:
                assert e["type"] == "content_block_stop" and is_open and e["index"] == len(blocks) - 1
                is_open = False
                if blocks[-1]["type"] == "tool_use":
                    blocks[-1]["input"] = json.loads(partial or "{}")
        assert not is_open
        return blocks


class Messages(Case):
    def test_an_answer(self):
        answer = self.ask()
        self.assertRegex(answer["id"], "^msg_[A-Za-z0-9]{24}$")
        self.assertEqual((answer["type"], answer["role"], answer["model"]), ("message", "assistant", "model"))
        self.assertEqual([b["text"] for b in answer["content"]], ["Hello there."])
        self.assertEqual((answer["stop_reason"], answer["stop_sequence"]), ("end_turn", None))
        usage = answer["usage"]
        self.assertEqual(usage["output_tokens"], 4)
        count = self.server.good("/v1/messages/count_tokens", {"model": "model", "messages": [{"role": "user", "content": "hi"}]})
        self.assertEqual(count, {"input_tokens": usage["input_tokens"] + usage["cache_read_input_tokens"]})
        again = self.ask()["usage"]
        self.assertEqual(again["input_tokens"] + again["cache_read_input_tokens"], count["input_tokens"])
        self.assertGreater(again["cache_read_input_tokens"], 0)

    def test_a_stream(self):
        events = self.events()
        self.assertEqual([(b["type"], b["text"]) for b in self.blocks(events)], [("text", "Hello there.")])
        self.assertEqual(events[-2]["delta"], {"stop_reason": "end_turn", "stop_sequence": None})
        self.assertEqual(events[-2]["usage"]["output_tokens"], 4)
        self.assertIn("input_tokens", events[0]["message"]["usage"])

    def test_why_it_stops(self):
        answer = self.ask(max_tokens=2)
        self.assertEqual(answer["stop_reason"], "max_tokens")
        answer = self.ask(stop_sequences=["nothing", " the"])
        self.assertEqual((answer["content"][0]["text"], answer["stop_reason"], answer["stop_sequence"]), ("Hello", "stop_sequence", " the"))
        self.assertEqual(self.events(stop_sequences=[" the"])[-2]["delta"], {"stop_reason": "stop_sequence", "stop_sequence": " the"})

    def test_the_system_speaks_in_three_places(self):
        for more in ({"system": "one two"}, {"system": [{"type": "text", "text": "one ", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "two"}]}):
            self.assertEqual(self.ask(**more)["content"][0]["text"], "I walked 2 m.")
        said = [{"role": "system", "content": "one two"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]
        self.assertEqual(self.ask(said)["content"][0]["text"], "I walked 2 m.")

    def test_fields_that_do_not_matter(self):
        self.ask(metadata={"user_id": "x"}, service_tier="auto", container=None, mcp_servers=[], x_of_tomorrow=1)
        for version in ("2023-06-01", "2026-10-21"):
            self.server.good(MESSAGES, self.body(), headers={"anthropic-version": version, "anthropic-beta": "a,b"})

    def test_thoughts(self):
        answer = self.ask("think", thinking={"type": "enabled", "budget_tokens": 1024})
        self.assertEqual([(b["type"], b.get("thinking", b.get("text"))) for b in answer["content"]], [("thinking", "He says hi."), ("text", "Well met.")])
        blocks = self.blocks(self.events("think"))
        self.assertEqual([(b["type"], b.get("thinking", b.get("text"))) for b in blocks], [("thinking", "He says hi."), ("text", "Well met.")])
        self.assertTrue(blocks[0]["signature"])
        self.assertEqual(self.ask("think", thinking={"type": "disabled"})["content"][0]["text"], "Hello there.")
        # and back again
        said = [{"role": "user", "content": "think"}, {"role": "assistant", "content": answer["content"] + [{"type": "redacted_thinking", "data": "x"}]}, {"role": "user", "content": "hi"}]
        self.assertEqual(self.ask(said)["content"][0]["text"], "Hello there.")

    def test_a_schema(self):
        schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["n"], "additionalProperties": False}
        answer = self.ask(max_tokens=2000, output_config={"format": {"type": "json_schema", "schema": schema}})
        self.assertIn(json.loads(answer["content"][0]["text"])["n"], range(10))


class Tools(Case):
    def test_two_turns(self):
        answer = self.ask("walk", tools=[WALK])
        self.assertEqual(answer["stop_reason"], "tool_use")
        call = answer["content"][0]
        self.assertRegex(call["id"], "^toolu_")
        self.assertEqual((call["type"], call["name"], call["input"]), ("tool_use", "walk", {"distance": 2}))
        for content in ("walked 2 m", [{"type": "text", "text": "walked 2 m"}]):
            said = [{"role": "user", "content": "walk"}, {"role": "assistant", "content": answer["content"]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": content, "is_error": False}]}]
            self.assertEqual(self.ask(said, tools=[WALK])["content"][0]["text"], "I walked 2 m.")
        said[2]["content"].append({"type": "text", "text": "and hi"})
        self.assertEqual(self.ask(said, tools=[WALK])["content"][0]["text"], "Hello there.")

    def test_events_of_a_call(self):
        events = self.events("walk", tools=[WALK])
        blocks = self.blocks(events)
        self.assertEqual([(b["type"], b["name"], b["input"]) for b in blocks], [("tool_use", "walk", {"distance": 2})])
        self.assertEqual(events[-2]["delta"]["stop_reason"], "tool_use")

    def test_tool_choice(self):
        for choice in ({"type": "any"}, {"type": "tool", "name": "walk", "disable_parallel_tool_use": True}):
            self.assertEqual(self.ask("walk", tools=[WALK], tool_choice=choice)["content"][0]["name"], "walk")
        for choice in ({"type": "none"}, {"type": "auto"}):
            self.assertEqual(self.ask(tools=[WALK], tool_choice=choice)["content"][0]["text"], "Hello there.")


class Faults(Case):
    def refused(self, said, body, status=400, path=MESSAGES):
        got, _, answer = self.server.post(path, body)
        self.assertEqual(got, status, answer)
        self.assertEqual((answer["type"], set(answer["error"])), ("error", {"type", "message"}))
        self.assertRegex(answer["request_id"], "^req_")
        self.assertIn(said, answer["error"]["message"])
        return answer["error"]["type"]

    def test_what_is_wrong_is_named(self):
        hi = self.body()
        for said, more in (("max_tokens", {"max_tokens": None}), ("max_tokens", {"max_tokens": 0}), ("temperature", {"temperature": -1}), ("messages", {"messages": []}),
                           ("messages", {"messages": "hi"}), ("role", {"messages": [{"role": "pope", "content": "x"}]}), ("content", {"messages": [{"role": "user"}]}),
                           ("content", {"messages": [{"role": "user", "content": 1}]}), ("neither text", {"messages": [{"role": "user", "content": [{"type": "video"}]}]}),
                           ("tool_use_id", {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}), ("system", {"system": 1}),
                           ("web_search", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}), ("name", {"tools": [{}]}), ("tool_choice", {"tool_choice": {"type": "some"}, "tools": [WALK]}),
                           ("mcp_servers", {"mcp_servers": [{"url": "x"}]}), ("not fetched", {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://127.0.0.1/"}}]}]}),
                           ("does not see", {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]}]}),
                           ("stop", {"stop_sequences": [1]}), ("thinking", {"thinking": True})):
            self.assertEqual(self.refused(said, {**hi, **more}), "invalid_request_error")
        self.assertEqual(self.refused("model", {**hi, "model": "claude"}, 404), "not_found_error")
        self.refused("JSON", "{")
        self.refused("4096", self.body("x" * 5000))
        self.refused("messages", {"model": "model"}, path="/v1/messages/count_tokens")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
