#!/usr/bin/env python3
"""Training, tuning and merging as a user meets them. usage: test_train.py RAGA ROOT"""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
KILLS = 20 if os.environ.get("RAGA_TEST_LONG") else 3
TEMPLATE = ("{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
RECIPE = {"model": {"family": "qwen3", "layers": 2, "hidden": 64, "heads": 2, "kv_heads": 1, "head_dim": 32, "ffn": 128,
                    "context": 128, "tied": True},
          "tokenizer": {"vocab": 300, "special": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "eos": "<|im_end|>",
                        "chat_template": "t.jinja"},
          "data": ["d.jsonl"], "valid": 0.05, "batch": 4, "seq_len": 64, "steps": 120, "lr": 5e-3, "warmup": 10,
          "valid_every": 40, "checkpoint_every": 10}


def raga(*args, timeout=300, **env):
    out = subprocess.run([RAGA, *args], capture_output=True, timeout=timeout, env={**os.environ, **env})
    return out.returncode, out.stdout.decode("utf-8", "replace"), out.stderr.decode("utf-8", "replace")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def logits(model, *more):
    with tempfile.NamedTemporaryFile() as out:
        code, _, err = raga("logits", model, "--ids", "5,6,7,8", "--exact", "-o", out.name, *more)
        assert code == 0, err
        return read(out.name)


class Base(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.dir = self.temp.name
        os.environ["RAGA_DATA_DIR"] = self.path("records")
        rng = random.Random(1)
        with open(self.path("d.jsonl"), "w") as file:
            for _ in range(300):
                a, b = rng.randint(0, 9), rng.randint(0, 9)
                file.write(json.dumps({"messages": [{"role": "user", "content": f"add {a} and {b}"},
                                                    {"role": "assistant", "content": f"the sum is {a + b}"}]}) + "\n")
        with open(self.path("t.jinja"), "w") as file:
            file.write(TEMPLATE)
        self.recipe()

    def tearDown(self):
        self.temp.cleanup()

    def path(self, name):
        return os.path.join(self.dir, name)

    def recipe(self, **changes):
        with open(self.path("r.json"), "w") as file:
            json.dump({**RECIPE, **changes}, file)

    def train(self, out, *more, **env):
        return raga("train", self.path("r.json"), "-o", self.path(out), *more, **env)

    def losses(self, out, *more):
        """The loss of every step of a run."""
        code, text, err = self.train(out, "--json", *more)
        self.assertEqual(code, 0, err)
        return [e["loss"] for e in map(json.loads, text.splitlines()) if "lr" in e]

    def interrupted(self, out, *command):
        """Stop a run after some steps with Ctrl-C, then let it end."""
        run = subprocess.Popen([RAGA, *command, "-o", self.path(out), "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        for _ in range(25):
            run.stdout.readline()
        run.send_signal(signal.SIGINT)
        run.communicate()
        self.assertIn(run.returncode, (0, 130))
        if run.returncode == 130:
            code, _, err = raga(*command, "-o", self.path(out), "--resume")
            self.assertEqual(code, 0, err)


class Train(Base):
    def test_a_model_is_trained_that_runs(self):
        code, out, err = self.train("m")
        self.assertEqual(code, 0, err)
        self.assertIn("done", out)
        code, out, err = raga("run", self.path("m"), "add 3 and 4", "--temp", "0", "-n", "20")
        self.assertEqual(code, 0, err)
        self.assertIn("the sum is", out)

    def test_the_same_recipe_gives_the_same_bytes_whatever_the_threads(self):
        self.assertEqual(self.train("a", "--threads", "1")[0], 0)
        self.assertEqual(self.train("b", "--threads", "2")[0], 0)
        self.assertEqual(read(self.path("a/model.safetensors")), read(self.path("b/model.safetensors")))

    def test_recompute_changes_no_bit(self):
        self.assertEqual(self.train("a")[0], 0)
        self.recipe(recompute=True)
        self.assertEqual(self.train("b")[0], 0)
        self.assertEqual(read(self.path("a/model.safetensors")), read(self.path("b/model.safetensors")))

    def test_an_interrupted_run_ends_as_if_it_had_not_been(self):
        self.assertEqual(self.train("whole")[0], 0)
        self.interrupted("cut", "train", self.path("r.json"))
        self.assertEqual(read(self.path("whole/model.safetensors")), read(self.path("cut/model.safetensors")))

    def test_bf16_products_end_near_f32_ones(self):
        f32 = self.losses("a")
        self.recipe(compute="bf16")
        bf16 = self.losses("b")
        self.assertNotEqual(f32, bf16)
        self.assertEqual(len(f32), len(bf16))
        self.assertLess(max(abs(x - y) for x, y in zip(f32[:10], bf16)), 0.02)
        self.assertLess(abs(sum(f32[-20:]) - sum(bf16[-20:])) / 20, 0.05)

    def test_bf16_products_give_the_same_bytes_whatever_threads_processor_and_interruptions(self):
        self.recipe(compute="bf16", steps=30)
        self.assertEqual(self.train("a", "--threads", "1")[0], 0)
        whole = read(self.path("a/model.safetensors"))
        for name, more, env in (("b", ("--threads", "2"), {}), ("c", (), {"RAGA_CPU": "avx2"}),
                                ("d", (), {"RAGA_CPU": "scalar"})):
            code, _, err = self.train(name, *more, **env)
            if code != 0 and "RAGA_CPU" in err:
                continue  # this processor has less
            self.assertEqual(code, 0, err)
            self.assertEqual(whole, read(self.path(name + "/model.safetensors")), name)
        self.interrupted("cut", "train", self.path("r.json"))
        self.assertEqual(whole, read(self.path("cut/model.safetensors")))

    def test_kills_lose_nothing_but_steps(self):
        self.recipe(steps=400)
        begin = time.monotonic()
        self.assertEqual(self.train("whole")[0], 0)
        whole_s = time.monotonic() - begin
        rng = random.Random(7)
        out, more = "cut", ()
        for _ in range(KILLS):
            run = subprocess.Popen([RAGA, "train", self.path("r.json"), "-o", self.path(out), *more],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(whole_s * rng.uniform(0.1, 0.6))
            run.kill()
            run.wait()
            more = ("--resume",) if os.path.exists(self.path(out + "/checkpoint.safetensors")) else ()
        code, _, err = self.train(out, *more)
        self.assertEqual(code, 0, err)
        self.assertEqual(read(self.path("whole/model.safetensors")), read(self.path(out + "/model.safetensors")))

    def test_muon_learns_and_is_the_same_whatever_the_threads_or_interruptions(self):
        self.recipe(optimizer="muon")
        self.assertEqual(self.train("a", "--threads", "1")[0], 0)
        run = subprocess.Popen([RAGA, "train", self.path("r.json"), "-o", self.path("b"), "--threads", "2", "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(25):
            run.stdout.readline()
        run.send_signal(signal.SIGINT)
        run.communicate()
        if run.returncode == 130:
            self.assertEqual(self.train("b", "--resume")[0], 0)
        self.assertEqual(read(self.path("a/model.safetensors")), read(self.path("b/model.safetensors")))
        self.assertIn("the sum is", raga("run", self.path("a"), "add 3 and 4", "--temp", "0", "-n", "20")[1])

    def test_mistakes_in_a_recipe_are_named(self):
        for change, word in (({"lrr": 1}, "lrr"), ({"steps": 0}, "steps"), ({"batch": "x"}, "batch"),
                             ({"data": ["no.jsonl"]}, "no.jsonl"), ({"schedule": "up"}, "schedule"), ({"optimizer": "sgd"}, "optimizer"),
                             ({"compute": "f16"}, "compute"), ({"compute": 16}, "compute"),
                             ({"seq_len": 4096}, "seq_len"), ({"model": {**RECIPE["model"], "family": "quen3"}}, "quen3"),
                             ({"model": {**RECIPE["model"], "heads": 3, "kv_heads": 2}}, "heads"), ({"valid": 0.9}, "valid")):
            self.recipe(**change)
            code, _, err = self.train("bad")
            self.assertEqual(code, 1, change)
            self.assertIn(word, err, change)

    def test_recipes_that_cannot_be_read_are_named(self):
        for raw, word in ((b"", "r.json"), (b"{", "r.json"), (b"[]", "object"), (b"{}", "steps"), (b"\xff\xfe", "r.json"),
                          (b'{"steps": 1e999}', "r.json"), (b'{"steps": 5, "model": 3}', "model"),
                          (b'{"steps": 5, "clip": -1}', "clip"), (b'{"steps": 2.5}', "steps"), (b"[" * 100000, "r.json")):
            with open(self.path("r.json"), "wb") as file:
                file.write(raw)
            code, _, err = self.train("bad")
            self.assertEqual(code, 1, raw[:20])
            self.assertIn(word, err, raw[:20])
        for change, word in (({"data": []}, "data"), ({"data": [3]}, "data"), ({"tokenizer": {"vocab": 256}}, "vocab"),
                             ({"tokenizer": {"path": "nowhere"}}, "nowhere"),
                             ({"model": {**RECIPE["model"], "layers": -1}}, "layers"), ({"recompute": 1}, "recompute"),
                             ({"model": {**RECIPE["model"], "depth": 2}}, "depth")):
            self.recipe(**change)
            code, _, err = self.train("bad")
            self.assertEqual(code, 1, change)
            self.assertIn(word, err, change)

    def test_a_validation_that_gets_no_better_stops_the_run(self):
        rng = random.Random(3)
        with open(self.path("d.jsonl"), "w") as file:  # nothing to learn but by heart
            for _ in range(60):
                file.write(json.dumps({"text": "".join(rng.choice("abcdefgh") for _ in range(40))}) + "\n")
        self.recipe(valid=0.3, valid_every=10, patience=2, steps=2000, lr=1e-2)
        code, out, err = self.train("m", "--json")
        self.assertEqual(code, 0, err)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(lines[-1]["end"], "stopped early")
        valid = [e["valid_loss"] for e in lines if "valid_loss" in e]
        self.assertLess(len(valid), 200)
        self.assertGreaterEqual(min(valid[-2:]), min(valid[:-2]))  # two in a row were no better
        self.assertTrue(os.path.exists(self.path("m/checkpoint.safetensors")))

    def test_data_is_streamed(self):
        def peak(name, n_lines):
            with open(self.path("d.jsonl"), "w") as file:
                for i in range(n_lines):
                    file.write('{"text": "' + f"line {i} " * 400 + '"}\n')
            self.recipe(steps=3, valid=0, tokenizer={**RECIPE["tokenizer"], "lines": 50})
            run = subprocess.Popen([RAGA, "train", self.path("r.json"), "-o", self.path(name)], stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
            _, status, use = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(run.returncode, 0)
            return use.ru_maxrss / 1024, os.path.getsize(self.path("d.jsonl")) / 1048576

        small, _ = peak("a", 50)
        large, size = peak("b", 60000)
        self.assertGreater(size, 240)
        self.assertLess(large - small, 130)

    def test_a_run_that_diverges_says_so(self):
        self.recipe(lr=10, warmup=0, clip=0, steps=400)
        code, _, err = self.train("m")
        self.assertEqual(code, 1)
        self.assertRegex(err, "diverges|not finite")

    def test_a_damaged_checkpoint_is_refused(self):
        self.assertEqual(self.train("m")[0], 0)
        path = self.path("m/checkpoint.safetensors")
        data = read(path)
        for damaged in (data[: len(data) // 2], b"", data[:8] + b"\xff" * 64 + data[72:],
                        data[:-4] + struct.pack("<f", float("nan"))):
            with open(path, "wb") as file:
                file.write(damaged)
            code, _, err = self.train("m", "--resume")
            self.assertEqual(code, 1)
            self.assertIn("checkpoint.safetensors", err)


    def test_a_run_goes_on_as_it_began(self):
        self.recipe(steps=4)
        self.assertEqual(self.train("m")[0], 0)
        for change, words in (({"optimizer": "muon"}, ("adamw", "muon")), ({"compute": "bf16"}, ("f32", "bf16"))):
            self.recipe(steps=8, **change)
            code, _, err = self.train("m", "--resume")
            self.assertEqual(code, 1)
            for word in (*words, "checkpoint.safetensors"):
                self.assertIn(word, err)
        self.recipe(steps=8)
        self.assertEqual(self.train("m", "--resume")[0], 0)


class Tune(Base):
    def setUp(self):
        super().setUp()
        self.assertEqual(self.train("m")[0], 0)
        with open(self.path("fact.jsonl"), "w") as file:
            for _ in range(60):
                file.write(json.dumps({"messages": [{"role": "user", "content": "the answer?"},
                                                    {"role": "assistant", "content": "forty-two, of course"}]}) + "\n")

    def answer(self, *more):
        return raga("run", self.path("m"), "the answer?", "--temp", "0", "-n", "30", *more)[1]

    def test_an_adapter_teaches_a_fact_and_leaves_the_model_alone(self):
        before = logits(self.path("m"))
        code, _, err = raga("tune", self.path("m"), self.path("fact.jsonl"), "-o", self.path("ad"), "--steps", "500", "--rank",
                            "32", "--lr", "1e-2")
        self.assertEqual(code, 0, err)
        self.assertNotIn("forty-two", self.answer())
        self.assertIn("forty-two, of course", self.answer("--adapter", self.path("ad")))
        self.assertEqual(before, logits(self.path("m")))
        self.assertEqual(before, logits(self.path("m"), "--adapter", self.path("ad") + ":0"))
        self.assertNotEqual(before, logits(self.path("m"), "--adapter", self.path("ad")))

        code, _, err = raga("merge", self.path("m"), "--adapter", self.path("ad"), "-o", self.path("merged"))
        self.assertEqual(code, 0, err)
        merged = struct.unpack(f"<{len(before) // 4}f", logits(self.path("merged")))
        beside = struct.unpack(f"<{len(before) // 4}f", logits(self.path("m"), "--adapter", self.path("ad")))
        self.assertLess(max(abs(a - b) for a, b in zip(merged, beside)), 1e-3)

    def test_all_weights_are_tuned(self):
        code, _, err = raga("tune", self.path("m"), self.path("fact.jsonl"), "--full", "-o", self.path("full"), "--steps", "150",
                            "--lr", "3e-3")
        self.assertEqual(code, 0, err)
        out = raga("run", self.path("full"), "the answer?", "--temp", "0", "-n", "30")[1]
        self.assertIn("forty-two", out)

    def test_only_the_assistants_words_are_learnt(self):
        code, out, err = raga("tune", self.path("m"), self.path("fact.jsonl"), "--show-batch", "--json", "--seq-len", "64")
        self.assertEqual(code, 0, err)
        rows = [line.split(" ", 3) for line in out.splitlines()]
        learnt = "".join(json.loads(text) for _, flag, _, text in rows if flag == "1")
        masked = "".join(json.loads(text) for _, flag, _, text in rows if flag == "0")
        self.assertEqual(learnt.replace("forty-two, of course<|im_end|>", ""), "")
        self.assertIn("the answer?", masked)

    def test_an_interrupted_tuning_with_dropout_ends_as_if_it_had_not_been(self):
        command = ("tune", self.path("m"), self.path("d.jsonl"), "--dropout", "0.3", "--steps", "40", "--checkpoint-every", "7",
                   "--accumulate", "2", "--batch", "2")
        code, _, err = raga(*command, "-o", self.path("whole"), "--threads", "1")
        self.assertEqual(code, 0, err)
        self.interrupted("cut", *command)
        for name in ("adapter_model.safetensors", "adapter.gguf"):
            self.assertEqual(read(self.path("whole/" + name)), read(self.path("cut/" + name)))

    def test_recompute_and_low_rank_take_less_memory(self):
        def peak(name, *more):
            run = subprocess.Popen([RAGA, "tune", self.path("m"), self.path("d.jsonl"), "-o", self.path(name), "--steps", "2",
                                    "--batch", "256", "--seq-len", "64", *more], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            _, status, use = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(run.returncode, 0)
            return use.ru_maxrss

        plain, recomputed = peak("a"), peak("b", "--recompute")
        self.assertLess(recomputed, 0.85 * plain)
        self.assertEqual(read(self.path("a/adapter.gguf")), read(self.path("b/adapter.gguf")))

    def test_what_makes_a_loss_no_number_is_named(self):
        path = self.path("m/model.safetensors")
        data = bytearray(read(path))
        n = struct.unpack("<Q", data[:8])[0]
        at = 8 + n + json.loads(data[8:8 + n])["model.layers.1.mlp.down_proj.weight"]["data_offsets"][0]
        data[at:at + 256] = struct.pack("<f", 3e38) * 64
        with open(path, "wb") as file:
            file.write(data)
        code, _, err = raga("tune", self.path("m"), self.path("d.jsonl"), "-o", self.path("ad"), "--steps", "3")
        self.assertEqual(code, 1)
        self.assertRegex(err, "step 0: the loss is not finite.*too large|step 0: the gradient of .*lora_.* is not finite")

    def test_bad_lines_are_named_and_left_out_or_fatal(self):
        with open(self.path("fact.jsonl"), "a") as file:
            file.write("not json\n\n{\"messages\": []}\n")
        code, out, err = raga("tune", self.path("m"), self.path("fact.jsonl"), "-o", self.path("ad"), "--steps", "4")
        self.assertEqual(code, 0, err)
        self.assertIn("2 left out", out)
        self.assertIn("fact.jsonl:61", err)
        code, _, err = raga("tune", self.path("m"), self.path("fact.jsonl"), "-o", self.path("ad2"), "--steps", "50", "--strict")
        self.assertEqual(code, 1)
        self.assertIn("fact.jsonl:6", err)

    def test_adapters_that_do_not_fit_are_refused(self):
        tiny = os.path.join(ROOT, "tests/data/tiny")
        self.assertEqual(raga("tune", self.path("m"), self.path("fact.jsonl"), "-o", self.path("ad"), "--steps", "2")[0], 0)
        code, _, err = raga("run", tiny, "x", "--adapter", self.path("ad"))
        self.assertEqual(code, 1)
        self.assertIn("ad", err)
        code, _, err = raga("run", self.path("m"), "x", "--adapter", self.path("none"))
        self.assertEqual(code, 1)
        self.assertIn("none", err)
        weights = self.path("ad/adapter_model.safetensors")
        data = read(weights)
        with open(weights, "wb") as file:
            file.write(data[:-4] + struct.pack("<f", float("inf")))
        code, _, err = raga("run", self.path("m"), "x", "--adapter", self.path("ad"))
        self.assertEqual(code, 1)
        self.assertIn("not finite", err)
        with open(weights, "wb") as file:
            file.write(data[: len(data) // 2])
        self.assertEqual(raga("run", self.path("m"), "x", "--adapter", self.path("ad"))[0], 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
