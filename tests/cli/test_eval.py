#!/usr/bin/env python3
"""`raga eval` against numbers worked out by hand from `raga logits --exact`. usage: test_eval.py RAGA ROOT"""
import json
import math
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
TINY = os.path.join(ROOT, "tests/data/tiny")
N_VOCAB = 281
TEXT = ("The quick brown fox jumps over the lazy dog, and then it sleeps for a while under the old tree. "
        "Nobody knows why; some say that it was tired of jumping. ") * 4
Z = 1.959963984540054


def raga(*args, stdin=None, timeout=120):
    out = subprocess.run([RAGA, *args], capture_output=True, timeout=timeout, input=stdin)
    return out.returncode, out.stdout.decode("utf-8", "replace"), out.stderr.decode("utf-8", "replace")


def tokenize(text, *more):
    return json.loads(raga("tokenize", TINY, "--jsonl", *more, stdin=json.dumps({"text": text}).encode() + b"\n")[1])["ids"]


def logprobs(ids, model=TINY, *more):
    """log p of every token by position: rows of log-softmax, in double."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "logits")
        code, _, err = raga("logits", model, "--ids", ",".join(map(str, ids)), "--exact", "-o", path, *more)
        assert code == 0, err
        with open(path, "rb") as file:
            data = file.read()
    flat = struct.unpack(f"<{len(data) // 4}f", data)
    rows = []
    for i in range(len(ids)):
        row = flat[i * N_VOCAB:(i + 1) * N_VOCAB]
        most = max(row)
        total = most + math.log(sum(math.exp(v - most) for v in row))
        rows.append([v - total for v in row])
    return rows


def nll(ids, start, model=TINY):
    """-log p of tokens `start` and on."""
    rows = logprobs(ids, model)
    return [-rows[t - 1][ids[t]] for t in range(start, len(ids))]


class Base(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.dir = self.temp.name
        os.environ["RAGA_DATA_DIR"] = self.path("records")
        self.write("t.txt", TEXT)

    def tearDown(self):
        self.temp.cleanup()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text if isinstance(text, str) else "".join(json.dumps(line) + "\n" for line in text))
        return self.path(name)

    def eval(self, *args):
        code, out, err = raga("eval", *args, "--json")
        self.assertEqual(code, 0, err)
        return json.loads(out.splitlines()[-1])

    def sql(self, query):
        db = sqlite3.connect(self.path("records/runs.db"))
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()

    def check(self, out, values, n_bytes=None):
        mean = sum(values) / len(values)
        error = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
        self.assertEqual(out["perplexity"]["n"], len(values))
        self.assertAlmostEqual(out["nats_per_token"]["value"], mean, delta=2e-5)
        self.assertAlmostEqual(out["nats_per_token"]["std_error"], error, delta=2e-5)
        self.assertAlmostEqual(out["perplexity"]["value"] / math.exp(mean), 1, delta=2e-5)
        self.assertAlmostEqual(out["perplexity"]["std_error"] / math.exp(mean), error, delta=2e-5)
        if n_bytes:
            self.assertAlmostEqual(out["bits_per_byte"]["value"], sum(values) / math.log(2) / n_bytes, delta=2e-5)


class Perplexity(Base):
    def test_windows_side_by_side_count_their_second_half(self):
        ids = tokenize(TEXT)
        values = []
        n_bytes = 0
        for begin in range(0, len(ids) - 31, 32):
            values += nll(ids[begin:begin + 32], 17)
            hexes = json.loads(raga("tokenize", TINY, "--jsonl", stdin=json.dumps({"ids": ids[begin + 17:begin + 32]}).encode() + b"\n")[1])
            n_bytes += len(hexes["bytes_hex"]) // 2
        self.check(self.eval(TINY, self.path("t.txt"), "--ctx", "32", "--exact"), values, n_bytes)

    def test_a_stride_counts_every_token_once(self):
        ids = tokenize(TEXT)
        values = nll(ids[:64], 1)
        done, begin = 64, 24
        while done < len(ids):
            window = ids[begin:begin + 64]
            values += nll(window, done - begin)
            done = begin + len(window)
            begin += 24
        self.assertEqual(len(values), len(ids) - 1)
        self.check(self.eval(TINY, self.path("t.txt"), "--ctx", "64", "--stride", "24", "--exact"), values)

    def test_a_short_text_is_one_window(self):
        ids = tokenize(TEXT)
        self.check(self.eval(TINY, self.path("t.txt"), "--exact", "--ctx", "2000"), nll(ids, 1), len(TEXT) - 1)

    def test_of_lines_only_what_is_learnt_counts(self):
        template = "<|im_start|>user\nhi there<|im_end|>\n<|im_start|>assistant\n"
        chat = tokenize(template)
        reply = tokenize("I am here<|im_end|>")
        prompt, completion = tokenize("one two"), tokenize(" three four") + [280]
        text = tokenize("some running text") + [280]
        values = nll(chat + reply, len(chat)) + nll(prompt + completion, len(prompt)) + nll(text, 1)
        data = self.write("d.jsonl", [{"messages": [{"role": "user", "content": "hi there"}, {"role": "assistant", "content": "I am here"}]},
                                      {"prompt": "one two", "completion": " three four"}, {"text": "some running text"}])
        out = self.eval(TINY, data, "--exact")
        self.check(out, values)

    def test_a_sample_longer_than_a_window_counts_whole(self):
        ids = tokenize(TEXT) + [280]
        values = nll(ids[:64], 1)
        for begin in range(32, len(ids), 32):
            values += nll(ids[begin:begin + 64], 32)
            if begin + 64 >= len(ids):
                break
        self.assertEqual(len(values), len(ids) - 1)
        self.check(self.eval(TINY, self.write("d.jsonl", [{"text": TEXT}]), "--ctx", "64", "--exact"), values)

    def test_bad_lines_are_named_and_counted(self):
        data = self.write("d.jsonl", "{\"text\": \"abc def\"}\nnot json\n\n{\"text\": 5}\n")
        code, out, err = raga("eval", TINY, data, "--json")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["bad_lines"], 2)
        self.assertIn("d.jsonl:2 is left out", err)
        self.assertIn("d.jsonl:4 is left out", err)
        code, _, err = raga("eval", TINY, self.write("e.jsonl", "x\n"))
        self.assertEqual(code, 1)
        self.assertIn("nothing to count in " + self.path("e.jsonl"), err)

    def test_threads_change_no_digit(self):
        runs = [self.eval(TINY, self.path("t.txt"), "--ctx", "64", "--quant", "q8_0", "--reference", TINY, "-t", n) for n in "123"]
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(runs[0], runs[2])

    def test_results_are_recorded(self):
        out = self.eval(TINY, self.path("t.txt"), "--ctx", "64", "--name", "a measure")
        self.assertEqual(self.sql("SELECT kind, name, state, model FROM runs"), [("eval", "a measure", "done", TINY)])
        rows = {m: (v, e, n) for m, v, e, n in self.sql("SELECT metric, value, std_error, n FROM evaluations WHERE name = 't.txt'")}
        self.assertAlmostEqual(rows["perplexity"][0], out["perplexity"]["value"], delta=1e-4)
        self.assertAlmostEqual(rows["perplexity"][1], out["perplexity"]["std_error"], delta=1e-4)
        self.assertEqual(rows["perplexity"][2], out["perplexity"]["n"])
        self.assertEqual(json.loads(self.sql("SELECT recipe FROM runs")[0][0]), {"ctx": 64, "data": [self.path("t.txt")]})
        self.eval(TINY, self.path("t.txt"), "--no-record")
        self.assertEqual(self.sql("SELECT count(*) FROM runs"), [(1,)])


class Reference(Base):
    def test_a_model_does_not_differ_from_itself(self):
        out = self.eval(TINY, self.path("t.txt"), "--ctx", "64", "--reference", TINY)
        for name in ("kl", "kl_median", "kl_99", "kl_most", "nats_more", "rms_dp"):
            self.assertEqual(out[name]["value"], 0, name)
        self.assertEqual(out["same_top"]["value"], 1)
        n = out["same_top"]["n"]
        self.assertAlmostEqual(out["same_top"]["low"], 1 / (1 + Z * Z / n), delta=1e-6)
        self.assertEqual(out["same_top"]["high"], 1)

    def test_numbers_beside_a_reference_are_those_of_the_logits(self):
        ids = tokenize(TEXT)
        kls, tops, dps, more = [], [], [], []
        for begin in range(0, len(ids) - 63, 64):
            window = ids[begin:begin + 64]
            p, q = logprobs(window), logprobs(window, TINY, "--quant", "q4_k")
            for t in range(32, 63):
                kls.append(sum(math.exp(a) * (a - b) for a, b in zip(p[t], q[t])))
                tops.append(max(range(N_VOCAB), key=p[t].__getitem__) == max(range(N_VOCAB), key=q[t].__getitem__))
                dps.append((math.exp(q[t][window[t + 1]]) - math.exp(p[t][window[t + 1]])) ** 2)
                more.append(p[t][window[t + 1]] - q[t][window[t + 1]])
        n = len(kls)
        out = self.eval(TINY, self.path("t.txt"), "--ctx", "64", "--exact", "--quant", "q4_k", "--reference", TINY)
        self.assertGreater(out["kl"]["value"], 0)
        self.assertEqual(out["kl"]["n"], n)
        mean = sum(kls) / n
        self.assertAlmostEqual(out["kl"]["value"] / mean, 1, delta=2e-3)
        self.assertAlmostEqual(out["kl"]["std_error"] / math.sqrt(sum((k - mean) ** 2 for k in kls) / (n - 1) / n), 1, delta=2e-3)
        self.assertAlmostEqual(out["kl_most"]["value"] / max(kls), 1, delta=2e-3)
        self.assertAlmostEqual(out["kl_median"]["value"], sorted(kls)[n // 2] if n % 2 else sum(sorted(kls)[n // 2 - 1:n // 2 + 1]) / 2,
                               delta=2e-3 * max(kls))
        self.assertAlmostEqual(out["same_top"]["value"], sum(tops) / n, delta=1.5 / n)
        self.assertAlmostEqual(out["rms_dp"]["value"] / math.sqrt(sum(dps) / n), 1, delta=2e-3)
        self.assertAlmostEqual(out["nats_more"]["value"], sum(more) / n, delta=2e-5)
        self.assertAlmostEqual(out["nats_per_token"]["value"] - math.log(out["reference_perplexity"]["value"]),
                               out["nats_more"]["value"], delta=1e-6)

    def test_other_vocabularies_are_refused(self):
        other = self.path("other")
        shutil.copytree(TINY, other)
        with open(os.path.join(other, "tokenizer.json"), encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(other, "tokenizer.json"), "w", encoding="utf-8") as file:
            file.write(text.replace("<|endoftext|>", "<|another|>"))
        code, _, err = raga("eval", TINY, self.path("t.txt"), "--reference", other)
        self.assertEqual(code, 1)
        self.assertIn("vocabularies differ: token 278", err)
        self.assertEqual(self.sql("SELECT state FROM runs"), [("failed",)])


class Broken(Base):
    def test_logits_that_are_no_numbers_are_said(self):
        broken = self.path("broken")
        shutil.copytree(TINY, broken)
        path = os.path.join(broken, "model.safetensors")
        with open(path, "rb") as file:
            data = bytearray(file.read())
        size, = struct.unpack("<Q", data[:8])
        header = json.loads(data[8:8 + size])
        at = 8 + size + header["model.norm.weight"]["data_offsets"][0]
        data[at:at + 2] = b"\xc0\x7f"  # NaN in bf16
        with open(path, "wb") as file:
            file.write(data)
        code, _, err = raga("eval", broken, self.path("t.txt"))
        self.assertEqual(code, 1)
        self.assertIn("not finite", err)
        choice = self.write("c.jsonl", [{"prompt": "a", "choices": ["b", "c"], "answer": 0}])
        code, _, err = raga("eval", broken, choice, "--task", "choice")
        self.assertEqual(code, 1)
        self.assertIn("c.jsonl:1", err)
        self.assertIn("not finite", err)

    def test_mistakes_are_said(self):
        text = self.path("t.txt")
        items = self.write("c.jsonl", [{"prompt": "a", "choices": ["b", "c"], "answer": 0}])
        for args, code, words in (((TINY,), 2, "missing"), ((TINY, "no.txt"), 1, "no.txt"), (("no-model", text), 1, "no-model"),
                                  ((TINY, text, "--stride", "900"), 1, "stride"), ((TINY, text, "--reference", "none"), 1, "none"),
                                  ((TINY, self.write("empty.txt", "")), 1, "nothing to count"), ((TINY, text, "--ctx", "1"), 1, "1 tokens"),
                                  ((TINY, text, "--task", "jump"), 1, "jump"), ((TINY, text, "--task", "exact"), 1, "no item"),
                                  ((TINY, items, "--task", "choice", "--reference", TINY), 2, "--reference"),
                                  ((TINY, items, "--task", "json", "--tools", "no.json"), 1, "no.json")):
            got, _, err = raga("eval", *args)
            self.assertEqual(got, code, (args, err))
            self.assertIn(words, err, args)


class Stopped(Base):
    def stop(self, *args):
        """Interrupt a run as soon as it is in the records; the exit status."""
        run = subprocess.Popen([RAGA, "eval", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(1000):
            try:
                if self.sql("SELECT state FROM runs") == [("running",)]:
                    break
            except sqlite3.OperationalError:
                pass
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
        self.assertIn(b"stopped", err)
        return run.returncode

    def test_a_measure_can_be_stopped(self):
        self.assertEqual(self.stop(TINY, self.write("long.txt", TEXT * 4000)), 130)
        self.assertEqual(self.sql("SELECT state FROM runs"), [("stopped",)])

    def test_a_task_can_be_stopped(self):
        items = [{"prompt": TEXT, "choices": [TEXT, "c"], "answer": 0}] * 20000
        self.assertEqual(self.stop(TINY, self.write("c.jsonl", items), "--task", "choice"), 130)
        self.assertEqual(self.sql("SELECT state FROM runs"), [("stopped",)])


class Tasks(Base):
    def test_choices_are_weighed_by_their_logits(self):
        items = [{"prompt": "The fox", "choices": ["sleeps", "jumps over", "is"], "answer": 0},
                 {"question": "Why?", "choices": [" because", " x", " it was tired"], "answer": " x"},
                 {"prompt": "a b c ", "choices": ["d", "ef"], "answer": "ef"},
                 {"messages": [{"role": "user", "content": "hi"}], "choices": ["yes", "no, never"], "answer": 1}]
        right = by_length = 0
        for item in items:
            if "messages" in item:
                prompt, space = tokenize("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"), ""
            else:
                text = item.get("prompt", "Question: Why?\nAnswer:")
                prompt = tokenize(text)
                space = "" if text.endswith(" ") or item["choices"][0].startswith(" ") else " "
            answer = item["answer"] if isinstance(item["answer"], int) else item["choices"].index(item["answer"])
            sums = []
            for choice in item["choices"]:
                ids = tokenize(space + choice)
                sums.append(-sum(nll(prompt + ids, len(prompt))))
            lengths = [s / len(c) for s, c in zip(sums, item["choices"])]
            right += sums.index(max(sums)) == answer
            by_length += lengths.index(max(lengths)) == answer
        out = self.eval(TINY, self.write("c.jsonl", items), "--task", "choice", "--exact")
        self.assertEqual(out["accuracy"]["n"], 4)
        self.assertAlmostEqual(out["accuracy"]["value"], right / 4)
        self.assertAlmostEqual(out["accuracy_by_length"]["value"], by_length / 4)

    def test_a_tokenizer_that_adds_a_space_adds_none_before_a_choice(self):
        vocab = ["<unk>"] + [f"<0x{b:02X}>" for b in range(256)] + ["\u2581"] + list("abcdefghijklmnopqrstuv")
        model = self.path("spm")
        shutil.copytree(TINY, model)
        with open(os.path.join(model, "tokenizer.json"), "w", encoding="utf-8") as file:
            json.dump({"version": "1.0", "added_tokens": [{"id": 280, "content": "<|im_end|>", "special": True}],
                       "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"},
                                      {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
                       "pre_tokenizer": None, "decoder": None,
                       "model": {"type": "BPE", "vocab": {text: i for i, text in enumerate(vocab)}, "merges": [],
                                 "unk_token": "<unk>", "byte_fallback": True}}, file)

        def encode(text):
            return json.loads(raga("tokenize", model, "--jsonl", stdin=json.dumps({"text": text}).encode() + b"\n")[1])["ids"]

        letters = "defghijk"
        space, ids = [257], [[258 + ord(c) - ord("a")] for c in letters]
        self.assertEqual(encode("abc"), [257, 258, 259, 260])
        items = []
        for text in ("abc", "bca", "cab", "q", "tuv", "onm", "a", "r", "lll", "pq"):
            prompt = encode(text)
            rows = logprobs(prompt + space + space, model)
            first = max(range(len(ids)), key=lambda i: rows[len(prompt)][ids[i][0]])
            twice = max(range(len(ids)), key=lambda i: rows[len(prompt) + 1][ids[i][0]])
            if first != twice:
                items.append({"prompt": text, "choices": list(letters), "answer": first})
        self.assertGreater(len(items), 0, "the two ways must be told apart")
        out = self.eval(model, self.write("c.jsonl", items), "--task", "choice", "--exact")
        self.assertEqual((out["accuracy"]["value"], out["accuracy"]["n"]), (1, len(items)))

    def answer(self, item):
        """What the model says to a line's messages."""
        return json.loads(raga("run", TINY, "--jsonl", "-n", "8", stdin=json.dumps(item).encode() + b"\n")[1])

    def test_exact_answers_are_compared(self):
        ask = [{"role": "user", "content": "say something"}]
        said = self.answer({"messages": ask})["reply"]
        self.assertTrue(said)
        items = [{"messages": ask, "answer": said}, {"messages": ask, "answer": ["no", "  " + said.swapcase() + "\n"]},
                 {"messages": ask, "answer": said + "!"}]
        data = self.write("x.jsonl", items)
        out = self.eval(TINY, data, "--task", "exact", "-n", "8")
        self.assertEqual((out["accuracy"]["n"], round(out["accuracy"]["value"] * 3)), (3, 2))
        code, text, err = raga("eval", TINY, data, "--task", "exact", "-n", "8", "--wrong")
        self.assertEqual(code, 0, err)
        self.assertIn("x.jsonl:3", text)
        self.assertNotIn("x.jsonl:1", text)
        self.assertEqual(self.eval(TINY, data, "--task", "exact", "-n", "8", "--limit", "1")["accuracy"]["n"], 1)

    def test_a_raw_prompt_is_answered_to_the_end_of_the_line(self):
        out = self.eval(TINY, self.write("x.jsonl", [{"prompt": "The fox", "answer": "certainly not this"}]), "--task", "exact", "-n", "4")
        self.assertEqual((out["accuracy"]["value"], out["accuracy"]["n"]), (0, 1))

    def test_json_is_compared_by_value(self):
        ask = [{"role": "user", "content": "hi"}]
        only = {"type": "object", "properties": {"a": {"enum": [2]}, "b": {"const": "x"}}, "required": ["a", "b"]}
        data = self.write("j.jsonl", [{"messages": ask, "schema": only, "answer": {"b": "x", "a": 2.0}},
                                      {"prompt": "x", "schema": only, "answer": {"b": "x", "a": 3}},
                                      {"messages": ask, "answer": {"a": 2}}])
        out = self.eval(TINY, data, "--task", "json", "-n", "60")
        self.assertEqual((out["accuracy"]["n"], round(out["accuracy"]["value"] * 3)), (3, 1))

    def test_calls_are_compared(self):
        ask = [{"role": "user", "content": "hi"}]
        tools = [{"type": "function", "function": {"name": "go", "parameters": {"type": "object", "properties": {}}}}]
        said = json.loads(raga("run", TINY, "--jsonl", "-n", "8", stdin=json.dumps({"messages": ask, "tools": tools}).encode() + b"\n")[1])
        data = self.write("j.jsonl", [{"messages": ask, "tools": tools, "calls": said["calls"]},
                                      {"messages": ask, "tools": tools, "calls": said["calls"] + [{"name": "go", "arguments": {"x": 1}}]},
                                      {"prompt": "hi", "calls": []}, {"messages": ask, "calls": {}}])
        out = self.eval(TINY, data, "--task", "json", "-n", "8")
        self.assertEqual((out["accuracy"]["n"], out["accuracy"]["value"], out["bad_lines"]), (2, 0.5, 2))

    def test_bad_items_are_named(self):
        good = {"prompt": "a", "choices": ["b", "c"], "answer": 0}
        bad = [{**good, "answer": 2}, {**good, "answer": "x"}, {**good, "choices": ["b"]}, {**good, "choices": [1, 2]},
               {"choices": ["b", "c"], "answer": 0}, {**good, "answer": -1}, [1], {**good, "prompt": "long " * 900},
               {**good, "messages": "x"}, {**good, "choices": "bc"}, {"prompt": "", "choices": ["b", "c"], "answer": 0}]
        data = self.write("c.jsonl", [good, *bad])
        code, out, err = raga("eval", TINY, data, "--task", "choice", "--json")
        self.assertEqual(code, 0, err)
        out = json.loads(out)
        self.assertEqual((out["accuracy"]["n"], out["bad_lines"]), (1, len(bad)))
        self.assertIn("c.jsonl:2 is left out: \"answer\"", err)
        self.assertIn("they are counted", err)

    def test_results_are_recorded(self):
        items = [{"prompt": "a", "choices": ["b", "c"], "answer": i % 2} for i in range(10)]
        out = self.eval(TINY, self.write("c.jsonl", items), "--task", "choice")
        rows = self.sql("SELECT name, metric, value, std_error, n FROM evaluations ORDER BY id")
        self.assertEqual([row[:2] for row in rows], [("choice", "accuracy"), ("choice", "accuracy_by_length")])
        self.assertEqual(rows[0][2], out["accuracy"]["value"])
        self.assertAlmostEqual(rows[0][3], math.sqrt(0.25 / 10))
        self.assertEqual(rows[0][4], 10)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
