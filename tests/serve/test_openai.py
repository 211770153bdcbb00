#!/usr/bin/env python3
"""OpenAI's interface, field by field. usage: test_openai.py RAGA ROOT"""
import base64
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from scripted_model import make  # noqa: E402
from serving import Server  # noqa: E402

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
SHARED = os.environ.get("RAGA_SHARED", os.path.join(ROOT, "..", "shared"))
CHAT = "/v1/chat/completions"
WALK = {"type": "function", "function": {"name": "walk", "description": "Walk.", "parameters": {
    "type": "object", "properties": {"distance": {"type": "number"}}, "required": ["distance"], "additionalProperties": False}}}
SIT = {"type": "function", "function": {"name": "sit", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}}}
ANSWERS = {"walk": ["<tool_call>", '\n{"name": "walk", "arguments": {"distance": 2}}', "\n", "</tool_call>"],
           "plain": ["Hel", "lo ", "the", "re."],
           "done": ["I walked ", "2 m."],
           "thought": ["<think>", "He says", " hi.", "</think>", "Well met."],
           "begun": [" go on"]}
# what the conversation looks like to the template decides
SCRIPT = """
{%- if last.role == 'tool' -%}
  {%- set call = messages[-2].tool_calls[0].function -%}
  {%- if call.arguments.distance == 2 and last.content == 'walked 2 m' and last.name == 'walk' -%}done{%- else -%}plain{%- endif -%}
{%- elif 'walk' in last.content -%}walk
{%- elif 'think' in last.content and enable_thinking is not false -%}thought
{%- elif messages[0].role == 'system' and messages[0].content == 'one two' -%}done
{%- else -%}plain{%- endif -%}"""


def deltas(events):
    """The chunks of a stream; checks what every stream has."""
    assert events[-1] == "[DONE]", events[-1]
    chunks = [json.loads(e) for e in events[:-1]]
    assert len({c["id"] for c in chunks}) == 1
    assert all(c["object"] == "chat.completion.chunk" for c in chunks)
    return chunks


def joined(chunks, index=0):
    """What a client makes of the deltas of one choice."""
    message, finish = {}, None
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice["index"] != index:
                continue
            for key, value in choice["delta"].items():
                if key == "tool_calls":
                    for part in value:
                        calls = message.setdefault("tool_calls", {})
                        call = calls.setdefault(part["index"], {"arguments": ""})
                        if "id" in part:
                            assert part["type"] == "function" and part["function"]["arguments"] == ""
                            call.update(id=part["id"], name=part["function"]["name"])
                        else:
                            call["arguments"] += part["function"]["arguments"]
                else:
                    message[key] = message.get(key, "") + value
            finish = choice["finish_reason"] or finish
    return message, finish


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = os.path.join(cls.folder.name, "model")
        make(cls.model, ANSWERS, SCRIPT)
        cls.server = Server(RAGA, cls.model, "--alias", "some/name:Q4")

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        cls.folder.cleanup()
        assert status == 0, status

    def stream(self, content="hi", **more):
        messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
        status, headers, events = self.server.events(CHAT, {"messages": messages, "temperature": 0, "stream": True, **more})
        self.assertEqual(status, 200, events)
        self.assertIn("text/event-stream", headers["Content-Type"])
        return deltas(events)

    def refused(self, param, body, status=400, path=CHAT):
        got, headers, answer = self.server.post(path, body)
        self.assertEqual(got, status, answer)
        error = answer["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        self.assertEqual(error["param"], param, error)
        self.assertIn("application/json", headers["Content-Type"])
        self.assertEqual(headers["X-Should-Retry"], "false")
        return error


class Plain(Case):
    def test_an_answer_is_whole(self):
        answer = self.server.chat()
        self.assertRegex(answer["id"], "^chatcmpl-[A-Za-z0-9]{24}$")
        self.assertEqual(answer["object"], "chat.completion")
        self.assertEqual(answer["model"], "model")
        self.assertEqual(answer["choices"], [{"index": 0, "message": {"role": "assistant", "content": "Hello there.", "refusal": None},
                                              "logprobs": None, "finish_reason": "stop"}])
        usage = answer["usage"]
        self.assertEqual(usage["completion_tokens"], 4)
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + 4)
        self.assertIn("cached_tokens", usage["prompt_tokens_details"])
        self.assertEqual(usage["completion_tokens_details"], {"reasoning_tokens": 0})

    def test_a_stream_says_the_same_in_order(self):
        chunks = self.stream()
        self.assertEqual(chunks[0]["choices"][0]["delta"], {"role": "assistant", "content": ""})
        self.assertEqual(joined(chunks), ({"role": "assistant", "content": "Hello there."}, "stop"))
        self.assertEqual(chunks[-1]["choices"][0]["delta"], {})
        self.assertNotIn("usage", chunks[0])

    def test_usage_in_a_stream(self):
        chunks = self.stream(stream_options={"include_usage": True})
        self.assertTrue(all(c["usage"] is None for c in chunks[:-1]))
        self.assertEqual(chunks[-1]["choices"], [])
        self.assertEqual(chunks[-1]["usage"]["completion_tokens"], 4)

    def test_a_name_of_the_model_is_any_that_it_has(self):
        for name in ("model", "some/name:Q4", None):
            self.assertEqual(self.server.chat(model=name)["model"], "model")
        error = self.refused("model", {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}, 404)
        self.assertEqual(error["code"], "model_not_found")
        self.assertEqual(error["type"], "not_found_error")

    def test_the_list_of_models(self):
        status, _, models = self.server.get("/v1/models")
        self.assertEqual((status, models["object"], models["has_more"]), (200, "list", False))
        model = models["data"][0]
        self.assertEqual((model["id"], model["object"], model["type"], model["max_context_length"]), ("model", "model", "model", 4096))
        for path in ("model", "some%2Fname%3AQ4", "some/name:Q4"):
            self.assertEqual(self.server.get("/v1/models/" + path)[2]["id"], "model")
        for path in ("other", "..%2F..%2Fetc%2Fpasswd", "%2e%2e/x", "x" * 10000, "a\\b", "sha256:..%2Fx"):
            status, _, answer = self.server.get("/v1/models/" + path)
            self.assertEqual((status, answer["error"]["code"]), (404, "model_not_found"), path)

    def test_null_is_absent(self):
        fields = ("model", "max_tokens", "temperature", "top_p", "n", "seed", "stop", "tools", "tool_choice", "response_format",
                  "logprobs", "logit_bias", "stream", "stream_options", "frequency_penalty", "user", "reasoning_effort", "functions")
        answer = self.server.good(CHAT, {"messages": [{"role": "user", "content": "hi", "name": None}], **dict.fromkeys(fields), "top_k": 1})
        self.assertEqual(answer["choices"][0]["message"]["content"], "Hello there.")

    def test_unknown_fields_are_ignored(self):
        self.server.chat(store=True, metadata={"a": "b"}, service_tier="auto", x_of_tomorrow=[1], verbosity="low", modalities=["text"],
                         prediction={"type": "content", "content": "x"})

    def test_content_in_parts(self):
        answer = self.server.chat([{"role": "developer", "content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]},
                                   {"role": "user", "content": [{"type": "text", "text": "hi"}]}])
        self.assertEqual(answer["choices"][0]["message"]["content"], "I walked 2 m.")

    def test_max_tokens(self):
        choice = self.server.chat(max_tokens=2)["choices"][0]
        self.assertEqual((choice["message"]["content"], choice["finish_reason"]), ("Hello ", "length"))
        choice = self.server.chat(max_tokens=1, max_completion_tokens=3)["choices"][0]
        self.assertEqual(choice["message"]["content"], "Hello the")

    def test_stop_strings_span_tokens_and_never_show(self):
        for stop in ("o th", ["nothing", "o th"]):
            self.assertEqual(self.server.chat(stop=stop)["choices"][0]["message"]["content"], "Hell")
            message, finish = joined(self.stream(stop=stop))
            self.assertEqual((message["content"], finish), ("Hell", "stop"))

    def test_several_choices(self):
        answer = self.server.chat(n=3)
        self.assertEqual([c["index"] for c in answer["choices"]], [0, 1, 2])
        self.assertEqual({c["message"]["content"] for c in answer["choices"]}, {"Hello there."})
        self.assertEqual(answer["usage"]["completion_tokens"], 12)
        chunks = self.stream(n=2)
        for index in (0, 1):
            self.assertEqual(joined(chunks, index), ({"role": "assistant", "content": "Hello there."}, "stop"))

    def test_a_seed_repeats_an_answer(self):
        def answers(**more):
            return [c["message"]["content"] for c in self.server.chat(temperature=3, top_k=0, top_p=1, min_p=0, max_tokens=12, n=2, **more)["choices"]]
        first = answers(seed=5)
        self.assertEqual(first, answers(seed=5))
        self.assertNotEqual(first[0], first[1])
        self.assertNotEqual(first, answers(seed=6))

    def test_logprobs(self):
        choice = self.server.chat(logprobs=True, top_logprobs=2)["choices"][0]
        content = choice["logprobs"]["content"]
        self.assertEqual("".join(t["token"] for t in content), "Hello there.")
        for token in content:
            self.assertEqual(bytes(token["bytes"]).decode(), token["token"])
            self.assertEqual(len(token["top_logprobs"]), 2)
            self.assertEqual(token["top_logprobs"][0]["token"], token["token"])
            self.assertAlmostEqual(token["top_logprobs"][0]["logprob"], token["logprob"], places=5)
            self.assertLessEqual(token["logprob"], 0)
        streamed = [t for c in self.stream(logprobs=True, top_logprobs=2) for t in (c["choices"][0]["logprobs"] or {"content": []})["content"]]
        self.assertEqual(streamed, content)
        self.assertEqual([t["top_logprobs"] for t in self.server.chat(logprobs=True)["choices"][0]["logprobs"]["content"]], [[]] * 4)

    def test_logit_bias(self):
        plain = self.server.chat(logprobs=True)["choices"][0]["logprobs"]["content"][0]["token"]
        token = self.server.good("/tokenize", {"content": plain})["tokens"]
        self.assertEqual(len(token), 1)
        barred = self.server.chat(logit_bias={str(token[0]): -100}, max_tokens=1)
        self.assertNotEqual(barred["choices"][0]["message"]["content"], plain)

    def test_an_answer_that_the_client_began(self):
        said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hel"}]
        # its words are the end of the prompt, not a turn of their own
        more = len(self.server.good("/tokenize", {"content": "Hel", "parse_special": False})["tokens"])
        bare = self.server.chat(said[:1], max_tokens=1)["usage"]["prompt_tokens"]
        self.assertEqual(self.server.chat(said, max_tokens=1)["usage"]["prompt_tokens"], bare + more)


class Thinking(Case):
    def test_reasoning_is_apart(self):
        answer = self.server.chat("think")
        message = answer["choices"][0]["message"]
        self.assertEqual((message["reasoning_content"], message["content"]), ("He says hi.", "Well met."))
        self.assertGreaterEqual(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 2)
        message, finish = joined(self.stream("think"))
        self.assertEqual((message["reasoning_content"], message["content"], finish), ("He says hi.", "Well met.", "stop"))

    def test_reasoning_can_be_left_out(self):
        for more in ({"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False}},
                     {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": False}}):
            self.assertEqual(self.server.chat("think", **more)["choices"][0]["message"]["content"], "Hello there.")

    def test_logprobs_are_those_of_the_reply(self):
        content = self.server.chat("think", logprobs=True)["choices"][0]["logprobs"]["content"]
        self.assertEqual("".join(t["token"] for t in content), "Well met.")


class Tools(Case):
    def check_call(self, call):
        self.assertRegex(call["id"], "^call_[A-Za-z0-9]{24}$")
        self.assertEqual((call["name"], json.loads(call["arguments"])), ("walk", {"distance": 2}))

    def test_two_turns(self):
        answer = self.server.chat("walk", tools=[WALK, SIT])
        choice = answer["choices"][0]
        self.assertEqual(choice["finish_reason"], "tool_calls")
        self.assertIsNone(choice["message"]["content"])
        call = choice["message"]["tool_calls"][0]
        self.assertEqual(call["type"], "function")
        self.check_call({"id": call["id"], **call["function"]})
        second = self.server.chat([{"role": "user", "content": "walk"}, choice["message"],
                                   {"role": "tool", "tool_call_id": call["id"], "content": "walked 2 m"}], tools=[WALK, SIT])
        self.assertEqual(second["choices"][0]["message"]["content"], "I walked 2 m.")
        self.assertEqual(second["choices"][0]["finish_reason"], "stop")

    def test_arguments_come_as_they_are_written(self):
        chunks = self.stream("walk", tools=[WALK])
        message, finish = joined(chunks)
        self.assertEqual(finish, "tool_calls")
        self.assertEqual(list(message["tool_calls"]), [0])
        self.check_call(message["tool_calls"][0])
        parts = [c["choices"][0]["delta"]["tool_calls"] for c in chunks if c["choices"][0]["delta"].get("tool_calls")]
        self.assertGreaterEqual(len(parts), 2)
        self.assertEqual(message["content"], "")

    def test_calls_without_tools_named_are_calls_too(self):
        message, finish = joined(self.stream("walk"))
        self.assertEqual(finish, "tool_calls")
        self.check_call(message["tool_calls"][0])

    def test_tool_choice(self):
        hi = {"tools": [WALK, SIT], "max_tokens": 2000}
        self.assertEqual(self.server.chat("hi", tool_choice="auto", **hi)["choices"][0]["message"]["content"], "Hello there.")
        none = self.server.chat("hi", tool_choice="none", **hi)["choices"][0]
        self.assertEqual(none["message"]["content"], "Hello there.")
        forced = self.server.chat("walk", tool_choice={"type": "function", "function": {"name": "sit"}}, **hi)["choices"][0]
        sat = forced["message"]["tool_calls"][0]["function"]
        self.assertEqual((sat["name"], json.loads(sat["arguments"])), ("sit", {}))
        allowed = self.server.chat("walk", tool_choice={"type": "allowed_tools", "allowed_tools": {
            "mode": "required", "tools": [{"type": "function", "function": {"name": "sit"}}]}}, **hi)["choices"][0]
        self.assertEqual(allowed["message"]["tool_calls"][0]["function"]["name"], "sit")
        body = {"messages": [{"role": "user", "content": "hi"}]}
        self.refused("tool_choice", {**body, "tool_choice": "required"})
        self.refused("tool_choice", {**body, "tools": [WALK], "tool_choice": 7})
        self.refused("tools", {**body, "tools": [WALK], "tool_choice": {"type": "function", "function": {"name": "fly"}}})

    def test_a_call_that_is_cut_off_is_told_as_far_as_it_went(self):
        message, finish = joined(self.stream("walk", tools=[WALK], max_tokens=2))
        self.assertEqual(finish, "length")
        self.assertEqual(message["content"], "")
        self.assertEqual(message["tool_calls"][0]["name"], "walk")

    def test_tools_that_are_none(self):
        body = {"messages": [{"role": "user", "content": "hi"}]}
        for tools in ([1], [{}], [{"type": "function"}], [{"type": "function", "function": {"name": 1}}], {"a": 1}, [WALK, WALK],
                      [{"type": "web_search"}], [{"type": "function", "function": {"name": "a\n\"b"}}], [SIT] * 1025):
            self.refused("tools", {**body, "tools": tools})
        # a schema that cannot be enforced is a wish unless it is strict
        odd = {"type": "function", "function": {"name": "walk", "parameters": {"type": "object", "not": {}}}}
        self.assertEqual(self.server.chat("hi", tools=[odd])["choices"][0]["message"]["content"], "Hello there.")
        odd["function"]["strict"] = True
        self.assertIn("not", self.refused("tools", {**body, "tools": [odd]})["message"])


class Schemas(Case):
    SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}, "age": {"type": "integer", "minimum": 0, "maximum": 150}},
              "required": ["name", "age"], "additionalProperties": False}

    def test_the_three_shapes(self):
        for shape in ({"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": self.SCHEMA}},
                      {"type": "json_object", "schema": self.SCHEMA}, {"type": "json_schema", "schema": self.SCHEMA}):
            for seed in range(3):
                choice = self.server.chat(response_format=shape, temperature=2, seed=seed)["choices"][0]
                self.assertEqual(choice["finish_reason"], "stop")
                value = json.loads(choice["message"]["content"])
                self.assertEqual(list(value), ["name", "age"])
                self.assertTrue(0 <= value["age"] <= 150 and len(value["name"]) <= 3)

    def test_any_object(self):
        text = self.server.chat(response_format={"type": "json_object"}, max_tokens=50)["choices"][0]["message"]["content"]
        self.assertTrue(text.startswith("{"))

    def test_grammars(self):
        self.assertEqual(self.server.chat(grammar='root ::= "yes" | "no"', max_tokens=5)["choices"][0]["message"]["content"] in ("yes", "no"), True)
        self.assertRegex(self.server.chat(guided_regex="[ab]{3}")["choices"][0]["message"]["content"], "^[ab]{3}$")

    def test_what_cannot_be_enforced_is_named(self):
        body = {"messages": [{"role": "user", "content": "hi"}]}
        error = self.refused("response_format", {**body, "response_format": {"type": "json_schema", "json_schema": {
            "schema": {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}}}})
        self.assertIn("not", error["message"])
        for odd in ({"type": "xml"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"schema": False}}, {}, {"type": 1}, "json_object"):
            self.refused("response_format", {**body, "response_format": odd})
        self.refused("response_format", {**body, "response_format": {"type": "json_object"}, "tools": [WALK]})


class Faults(Case):
    BODY = {"messages": [{"role": "user", "content": "hi"}]}

    def test_each_field_with_values_that_are_none(self):
        numbers = {"temperature": (-1, 101, 1e999), "top_p": (-0.1, 1.1), "min_p": (-1, 2), "top_k": (-2, 1.5, 2 ** 40),
                   "max_tokens": (0, -1, 1.5, 1e300), "max_completion_tokens": (0,), "n": (0, 129, 1e9), "seed": (1.5, 1e300),
                   "presence_penalty": (-3, 3), "frequency_penalty": (-3, 3), "top_logprobs": (-1, 21)}
        for name, values in numbers.items():
            for value in (*values, "1", [1], {"a": 1}, True):
                raw = json.dumps({**self.BODY, name: value}).replace("Infinity", "1e999")
                self.refused(name, raw)
        for name in ("stream", "logprobs", "parallel_tool_calls", "ignore_eos"):
            for value in (1, "true", [], {}):
                self.refused(name, {**self.BODY, name: value})
        for name in ("model", "reasoning_effort"):
            for value in (1, True, [], {}):
                self.refused(name, {**self.BODY, name: value})
        for value in ([1], {"1": "x"}, {"x": 1}, {"-1": 1}, {"100000000": 1}, {"1": 101}, {str(i): 1 for i in range(100000)}):
            self.refused("logit_bias", {**self.BODY, "logit_bias": value})
        for value in (1, [1], "", [""], {"a": 1}, ["x"] * 17):
            self.refused("stop", {**self.BODY, "stop": value})
        self.refused("top_logprobs", {**self.BODY, "top_logprobs": 2})
        for name, value in (("functions", [1]), ("function_call", "auto"), ("audio", {"a": 1}), ("lora", [1]), ("mirostat", 2)):
            self.refused(name, {**self.BODY, name: value})
        self.refused("modalities", {**self.BODY, "modalities": ["text", "audio"]})

    def test_messages_that_are_none(self):
        for messages in (None, [], {}, "hi", 1, [1], [{}], [{"role": "user", "content": 1}], [{"role": 1, "content": "x"}], [{"role": "pope", "content": "x"}],
                         [{"role": "user", "content": [1]}], [{"role": "user", "content": [{"type": "text"}]}],
                         [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}],
                         [{"role": "assistant", "content": "x", "tool_calls": 1}, {"role": "user", "content": "x"}],
                         [{"role": "assistant", "tool_calls": [{"id": "x"}]}, {"role": "user", "content": "x"}]):
            self.refused("messages", {"messages": messages})

    def test_a_prompt_that_does_not_fit_is_said_with_both_sizes(self):
        error = self.refused("messages", {"messages": [{"role": "user", "content": "x" * 5000}]})
        self.assertEqual(error["code"], "context_length_exceeded")
        self.assertIn("4096", error["message"])
        status, _, error = self.server.events(CHAT, {"messages": [{"role": "user", "content": "x" * 5000}], "stream": True})
        self.assertEqual((status, error["error"]["code"]), (400, "context_length_exceeded"))

    def test_json_that_is_none(self):
        for raw in ("", "{", "[]", "1", "null", '{"messages": NaN}', '{"a":1}x', '{"a":1,"a":2}', "\ufeff{}", '{"messages":[' * 200, "[" * 1000000,
                    '{"seed":' + "9" * 100000 + "}", '{"a":"\x00"}', b'{"a":"\xff"}', '{"messages":[{"role":"user","content":"hi"}]}'.encode("utf-16")):
            self.refused("seed" if "seed" in str(raw)[:9] else None, raw)

    def test_a_picture_for_a_model_that_does_not_see(self):
        error = self.refused("messages", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]})
        self.assertIn("does not see", error["message"])

    def test_what_is_not_built_says_so(self):
        for path in ("/v1/embeddings", "/v1/responses", "/v1/audio/speech", "/v1/images/generations", "/v1/rerank"):
            status, _, answer = self.server.post(path, {"input": "x"})
            self.assertEqual((status, answer["error"]["type"]), (501, "not_supported_error"), path)


class Text(Case):
    def ask(self, prompt, **more):
        return self.server.good("/v1/completions", {"prompt": prompt, "temperature": 0, **more})

    def test_a_text_goes_on(self):
        answer = self.ask("<|plain|>")
        self.assertRegex(answer["id"], "^cmpl-")
        self.assertEqual(answer["object"], "text_completion")
        self.assertEqual(answer["choices"], [{"text": "Hello there.", "index": 0, "logprobs": None, "finish_reason": "stop"}])
        ids = self.server.good("/tokenize", {"content": "<|plain|>"})["tokens"]
        for prompt in (ids, [ids], ["<|plain|>"]):
            self.assertEqual(self.ask(prompt)["choices"][0]["text"], "Hello there.")

    def test_a_stream(self):
        _, _, events = self.server.events("/v1/completions", {"prompt": "<|plain|>", "temperature": 0, "stream": True, "stream_options": {"include_usage": True}})
        self.assertEqual(events[-1], "[DONE]")
        chunks = [json.loads(e) for e in events[:-1]]
        self.assertEqual("".join(c["choices"][0]["text"] for c in chunks[:-1]), "Hello there.")
        self.assertEqual(chunks[-2]["choices"][0]["finish_reason"], "stop")
        self.assertEqual(chunks[-1]["usage"]["completion_tokens"], 4)

    def test_logprobs(self):
        logprobs = self.ask("<|plain|>", logprobs=3)["choices"][0]["logprobs"]
        self.assertEqual(logprobs["tokens"], ["Hel", "lo ", "the", "re."])
        self.assertEqual(logprobs["text_offset"], [0, 3, 6, 9])
        self.assertEqual([len(t) for t in logprobs["top_logprobs"]], [3] * 4)
        self.assertEqual([t[w] for t, w in zip(logprobs["top_logprobs"], logprobs["tokens"])], logprobs["token_logprobs"])

    def test_faults(self):
        self.assertEqual(self.refused("prompt", {"prompt": [1] * 4096}, path="/v1/completions")["code"], "context_length_exceeded")
        for body in ({}, {"prompt": None}, {"prompt": 1}, {"prompt": []}, {"prompt": ""}, {"prompt": ["a", "b"]}, {"prompt": [-1]},
                     {"prompt": [1 << 31]}, {"prompt": [1.5]}, {"prompt": [[1], [2]]}, {"prompt": {"a": 1}}):
            self.refused("prompt", body, path="/v1/completions")
        for name, value in (("echo", True), ("best_of", 3), ("suffix", "x"), ("logprobs", 6), ("logprobs", True)):
            self.refused(name, {"prompt": "x", name: value}, path="/v1/completions")


class Tokens(Case):
    def test_there_and_back(self):
        ids = self.server.good("/tokenize", {"content": "Hi \u00e9\u4f60"})["tokens"]
        self.assertEqual(self.server.good("/detokenize", {"tokens": ids})["content"], "Hi \u00e9\u4f60")
        one = self.server.good("/tokenize", {"content": "<|end|>"})["tokens"]
        many = self.server.good("/tokenize", {"content": "<|end|>", "parse_special": False})["tokens"]
        self.assertEqual(len(one), 1)
        self.assertGreater(len(many), 1)
        self.refused("content", {}, path="/tokenize")
        for tokens in (None, 1, [-1], ["a"], [1 << 40]):
            self.refused("tokens", {"tokens": tokens}, path="/detokenize")

    def test_the_template(self):
        prompt = self.server.good("/apply-template", {"messages": [{"role": "user", "content": "hi"}]})["prompt"]
        self.assertEqual(prompt, "user: hi<|turn|><|plain|>")


class Opened(unittest.TestCase):
    """A template that opens the reasoning itself."""

    def test_a_schema_holds_what_comes_behind_the_reasoning(self):
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, "model")
            make(model, {"thought": ANSWERS["thought"]}, "thought")
            path = os.path.join(model, "tokenizer_config.json")
            with open(path, encoding="utf-8") as f:
                config = json.load(f)
            config["chat_template"] = "{%- for m in messages -%}{{- m.content -}}{%- endfor -%}{{- '<think>' -}}"
            with open(path, "w", encoding="utf-8") as f:
                json.dump(config, f)
            server = Server(RAGA, model)
            try:
                message = server.chat("x")["choices"][0]["message"]
                self.assertEqual((message["reasoning_content"], message["content"]), ("He says hi.", "Well met."))
                shape = {"type": "json_schema", "json_schema": {"schema": Schemas.SCHEMA}}
                message = server.chat("x", response_format=shape, max_tokens=2000)["choices"][0]["message"]
                self.assertEqual(message["reasoning_content"], "He says hi.")
                self.assertEqual(list(json.loads(message["content"])), ["name", "age"])
            finally:
                self.assertEqual(server.stop(), 0)


class Nano(unittest.TestCase):
    """The model inside the program, with the tools of the robot."""

    @classmethod
    def setUpClass(cls):
        if subprocess.run([RAGA, "show", "builtin"], capture_output=True, check=False).returncode != 0:
            raise unittest.SkipTest("this build has no built-in model: models/raga-nano.gguf was absent")
        cls.server = Server(RAGA)

    @classmethod
    def tearDownClass(cls):
        if hasattr(cls, "server"):
            assert cls.server.stop() == 0

    def test_a_robot_over_two_turns(self):
        said = [{"role": "user", "content": "walk 2 m"}]
        answer = self.server.chat(said)
        self.assertEqual(answer["model"], "raga-nano")
        message = answer["choices"][0]["message"]
        call = message["tool_calls"][0]
        self.assertEqual((call["function"]["name"], json.loads(call["function"]["arguments"])), ("walk", {"distance": 2}))
        said += [message, {"role": "tool", "tool_call_id": call["id"], "content": '{"ok": true, "distance": 2}'}]
        second = self.server.chat(said)
        self.assertEqual(second["choices"][0]["finish_reason"], "stop")
        self.assertRegex(second["choices"][0]["message"]["content"], r"\w")
        self.assertGreater(second["usage"]["prompt_tokens_details"]["cached_tokens"], answer["usage"]["prompt_tokens"] - 2)

    def test_a_stream_is_what_the_whole_is(self):
        whole = self.server.chat("hello")["choices"][0]["message"]["content"]
        _, _, events = self.server.events(CHAT, {"messages": [{"role": "user", "content": "hello"}], "temperature": 0, "stream": True})
        self.assertEqual(joined(deltas(events))[0]["content"], whole)

    def test_a_schema(self):
        schema = {"type": "object", "properties": {"color": {"enum": ["red", "green"]}}, "required": ["color"], "additionalProperties": False}
        answer = self.server.chat("what color?", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}, max_tokens=60)
        self.assertIn(json.loads(answer["choices"][0]["message"]["content"])["color"], ("red", "green"))


class Pictures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        golden = os.path.join(SHARED, "golden", "qwen3-vl")
        if not os.path.isdir(golden):
            raise unittest.SkipTest("no reference folder at %s (set RAGA_SHARED)" % SHARED)
        cls.folder = tempfile.TemporaryDirectory()
        model = cls.folder.name
        for name in os.listdir(golden):
            if name.endswith((".json", ".safetensors")) and name not in ("tokenizer_config.json", "golden.json"):
                os.symlink(os.path.abspath(os.path.join(golden, name)), os.path.join(model, name))
        with open(os.path.join(model, "preprocessor_config.json"), "w", encoding="utf-8") as f:
            json.dump({"patch_size": 8, "temporal_patch_size": 2, "merge_size": 2, "min_pixels": 256, "max_pixels": 1 << 20,
                       "image_mean": [0.5, 0.25, 0.5], "image_std": [0.5, 0.5, 0.25]}, f)
        # 319 stands for a cell of a picture: this tokenizer calls it <|end|>
        with open(os.path.join(model, "tokenizer_config.json"), "w", encoding="utf-8") as f:
            json.dump({"eos_token": "<|eos|>", "chat_template":
                       "{%- for m in messages -%}{%- if m.content is string -%}{{- m.content -}}{%- else -%}{%- for p in m.content -%}"
                       "{%- if p.type == 'image' -%}{{- '<|user|><|end|><|user|>' -}}{%- else -%}{{- p.text -}}{%- endif -%}"
                       "{%- endfor -%}{%- endif -%}{%- endfor -%}"}, f)
        cls.server = Server(RAGA, model)

    @classmethod
    def tearDownClass(cls):
        if hasattr(cls, "server"):
            cls.server.stop()
            cls.folder.cleanup()

    @staticmethod
    def png(columns, rows, level):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        lines = b"".join(b"\0" + bytes((level + 3 * x * y) % 256 for x in range(columns * 3)) for y in range(rows))
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))

    def look(self, url, **more):
        part = {"type": "image_url", "image_url": url}
        return self.server.post(CHAT, {"messages": [{"role": "user", "content": [part, {"type": "text", "text": "What?"}]}],
                                       "temperature": 0, "max_tokens": 4, "logprobs": True, **more})

    def test_a_picture_takes_its_tokens_and_is_seen(self):
        def url(level):
            return "data:image/png;base64," + base64.b64encode(self.png(64, 48, level)).decode()
        words = self.server.chat("What?", max_tokens=1)["usage"]["prompt_tokens"]
        status, _, dark = self.look({"url": url(0), "detail": "auto"})
        self.assertEqual(status, 200, dark)
        self.assertEqual(dark["usage"]["prompt_tokens"], words + 2 + 12)
        bare = self.look(url(0))[2]
        light = self.look({"url": url(128)})[2]
        logprobs = [[t["logprob"] for t in a["choices"][0]["logprobs"]["content"]] for a in (dark, bare, light)]
        self.assertTrue(all(math.isclose(a, b, abs_tol=1e-3) for a, b in zip(logprobs[0], logprobs[1])))
        self.assertNotEqual(logprobs[0], logprobs[2])

    def test_the_next_turn_goes_on_behind_its_pictures(self):
        url = "data:image/png;base64," + base64.b64encode(self.png(64, 48, 77)).decode()
        first = self.look({"url": url})[2]
        again = self.look({"url": url})[2]
        usage = again["usage"]
        self.assertGreaterEqual(usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"] - 1)
        self.assertEqual([c["message"] for c in first["choices"]], [c["message"] for c in again["choices"]])
        # more of them than are kept
        for i in range(20):
            self.look({"url": "data:image/png;base64," + base64.b64encode(self.png(64, 48, 100 + i)).decode()}, max_tokens=1)
        other = self.look({"url": url})[2]
        self.assertLess(other["usage"]["prompt_tokens_details"]["cached_tokens"], 12)
        self.assertEqual([c["message"] for c in first["choices"]], [c["message"] for c in other["choices"]])

    def test_pictures_that_are_none(self):
        for url, said in (("https://example.org/x.png", "data:"), ({"url": "http://169.254.169.254/"}, "not fetched"), ({"url": "file:///etc/passwd"}, "not fetched"),
                          ({}, "url"), ({"url": 1}, "url"), (1, "url"), ({"url": "data:image/png;base64,!!!!"}, "base64"),
                          ({"url": "data:image/png;base64,"}, ""), ({"url": "data:image/png;base64,AAAA"}, ""), ({"url": "data:image/svg+xml;base64,PHN2Zy8+"}, ""),
                          ({"url": "data:image/png;base64," + base64.b64encode(self.png(64, 48, 0)[:80]).decode()}, "")):
            status, _, answer = self.look(url)
            self.assertEqual(status, 400, answer)
            self.assertEqual(answer["error"]["param"], "messages")
            self.assertIn(said, answer["error"]["message"])
        good = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(self.png(16, 16, 0)).decode()}}
        status, _, answer = self.server.post(CHAT, {"messages": [{"role": "user", "content": [good] * 65}]})
        self.assertEqual((status, "64" in answer["error"]["message"]), (400, True), answer)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
