#!/usr/bin/env python3
"""The program as a user meets it. usage: test_cli.py RAGA ROOT"""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
TINY = os.path.join(ROOT, "tests/data/tiny")
SHARED = os.environ.get("RAGA_SHARED", os.path.join(ROOT, "../shared"))
COMMANDS = ["run", "robot", "show", "tokenize", "template", "logits", "bench", "doctor", "version", "train",
            "merge", "tune", "runs", "eval"]


def raga(*args, stdin="", env=None, timeout=300):
    out = subprocess.run([RAGA, *args], input=stdin.encode(), capture_output=True, timeout=timeout,
                         env={**os.environ, **(env or {})})
    return out.returncode, out.stdout.decode("utf-8", "replace"), out.stderr.decode("utf-8", "replace")


class Usage(unittest.TestCase):
    def test_every_command_has_help(self):
        for command in COMMANDS:
            code, out, _ = raga(command, "--help")
            self.assertEqual(code, 0, command)
            self.assertIn("usage: raga " + command, out)
        self.assertEqual(raga("help")[0], 0)

    def test_a_typo_gets_the_nearest_command(self):
        code, _, err = raga("tokenise")
        self.assertEqual(code, 2)
        self.assertIn('did you mean "tokenize"', err)

    def test_a_typo_gets_the_nearest_option(self):
        code, _, err = raga("run", TINY, "--thread", "2")
        self.assertEqual(code, 2)
        self.assertIn("--threads", err)

    def test_values_out_of_range_are_refused(self):
        for option, value in (("--temp", "-1"), ("--temp", "nan"), ("--top-p", "2"), ("-n", "0"), ("--threads", "x"),
                              ("--memory", "8q"), ("--top-k", "1.5")):
            code, _, err = raga("run", TINY, "x", option, value)
            self.assertEqual(code, 2, (option, value))
            self.assertIn(value, err)

    def test_missing_files_are_named(self):
        for command in (["run", "/no/model", "x"], ["show", "/no/model"], ["tokenize", "/no/model", "x"],
                        ["bench", "/no/model"], ["template", "/no/model", "--jsonl"]):
            code, _, err = raga(*command)
            self.assertEqual(code, 1, command)
            self.assertIn("/no/model", err)

    def test_a_file_that_is_no_model_is_refused(self):
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            file.write(b"not a model at all, but long enough to look at")
            file.flush()
            code, _, err = raga("run", file.name, "x")
            self.assertEqual(code, 1)
            self.assertIn("not a GGUF file", err)

    def test_an_unknown_cpu_path_is_refused(self):
        code, _, err = raga("run", TINY, "x", env={"RAGA_CPU": "sse9"})
        self.assertEqual(code, 1)
        self.assertIn("RAGA_CPU", err)

    def test_help_takes_a_command(self):
        self.assertEqual(raga("help", "bench"), raga("bench", "--help"))
        code, _, err = raga("help", "bnch")
        self.assertEqual(code, 2)
        self.assertIn('did you mean "bench"', err)

    def test_a_device_is_not_replaced_by_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pipe")
            os.mkfifo(path)
            code, _, err = raga("logits", TINY, "--ids", "1", "-o", path)
            self.assertEqual(code, 1)
            self.assertIn("no regular file", err)
            self.assertEqual(os.listdir(folder), ["pipe"])

    def test_a_full_disk_is_said(self):
        with open("/dev/full", "wb") as full:
            out = subprocess.run([RAGA, "show", TINY], stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(out.returncode, 1)
        self.assertIn(b"standard output", out.stderr)

    def test_two_prompts_or_none_are_refused(self):
        code, _, err = raga("run", TINY, "x", "--ids", "1")
        self.assertEqual(code, 2)
        self.assertIn("--ids", err)
        code, _, err = raga("run", TINY)
        self.assertEqual(code, 2)
        self.assertIn("empty", err)

    def test_version_and_doctor_speak_json(self):
        self.assertEqual(json.loads(raga("version", "--json")[1])["name"], "raga")
        facts = json.loads(raga("doctor", "--json")[1])
        self.assertGreater(facts["limits"]["read_gb_s"], 0)
        self.assertIn("Q4_K", facts["kernels"])


class Interrupts(unittest.TestCase):
    def interrupted(self, *args):
        # slow enough that the signal finds it at work
        process = subprocess.Popen([RAGA, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**os.environ, "RAGA_CPU": "scalar"})
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        return process.returncode, out.decode(), err.decode()

    def test_ctrl_c_stops_cleanly(self):
        with tempfile.TemporaryDirectory() as temp:
            with open(os.path.join(temp, "ids"), "w", encoding="ascii") as file:
                file.write(",".join(["65"] * 60000))
            ids = ["--ids", "@" + os.path.join(temp, "ids"), "--exact", "--threads", "1"]
            code, _, err = self.interrupted("logits", TINY, *ids, "-o", os.path.join(temp, "out.f32"))
            self.assertEqual((code, err), (130, ""))
            self.assertEqual(os.listdir(temp), ["ids"])
            code, _, err = self.interrupted("run", TINY, *ids, "--ctx", "60100")
            self.assertEqual((code, err), (130, ""))


class Run(unittest.TestCase):
    def test_ids_give_ids(self):
        code, out, _ = raga("run", TINY, "--ids", "72,101", "-n", "8", "--temp", "0", "--json")
        self.assertEqual(code, 0)
        answer = json.loads(out)
        self.assertEqual(answer["prompt_tokens"], 2)
        self.assertEqual(len(answer["ids"]), 8)
        self.assertEqual(answer["stop"], "length")

    def test_a_seed_repeats_an_answer(self):
        one, two, three = (json.loads(raga("run", TINY, "Hello", "-n", "24", "--seed", s, "--json")[1])
                           for s in ("5", "5", "6"))
        self.assertEqual(one["ids"], two["ids"])
        self.assertEqual(one["seed"], 5)
        self.assertNotEqual(one["ids"], three["ids"])

    def test_piped_input_is_the_prompt(self):
        code, out, _ = raga("run", TINY, "-n", "4", "--seed", "1", stdin="Hello\n")
        self.assertEqual(code, 0)
        self.assertEqual(out, raga("run", TINY, "Hello", "-n", "4", "--seed", "1")[1])

    def test_a_prompt_beyond_the_context_names_both_sizes(self):
        code, _, err = raga("run", TINY, "--ids", ",".join(["65"] * 100), "--ctx", "64")
        self.assertEqual(code, 1)
        self.assertIn("100", err)
        self.assertIn("64", err)

    def test_ids_outside_the_vocabulary_are_refused(self):
        for ids in ("-1", "281", "2147483647"):
            code, _, err = raga("run", TINY, "--ids=" + ids, "-n", "1")
            self.assertEqual(code, 1, ids)
            self.assertIn(ids, err)

    def test_a_stop_string_ends_and_is_not_shown(self):
        whole = json.loads(raga("run", TINY, "Hello", "-n", "40", "--seed", "3", "--json")[1])["text"]
        stop = whole[6:9]
        answer = json.loads(raga("run", TINY, "Hello", "-n", "40", "--seed", "3", "--json", "--stop", stop)[1])
        self.assertEqual(answer["stop"], "stop")
        self.assertEqual(answer["text"], whole[:whole.index(stop)])

    def test_logprobs_are_those_of_the_tokens(self):
        answer = json.loads(raga("run", TINY, "Hello", "-n", "3", "--temp", "0", "--json", "--logprobs", "2")[1])
        for token in answer["logprobs"]:
            self.assertEqual(token["top"][0]["id"], token["id"])
            self.assertAlmostEqual(token["top"][0]["logprob"], token["logprob"], places=4)

    def test_memory_that_is_too_small_is_said(self):
        code, _, err = raga("run", TINY, "x", "--memory", "1k")
        self.assertEqual(code, 1)
        self.assertIn("memory", err)


class Show(unittest.TestCase):
    def test_facts_bill_and_tensors(self):
        facts = json.loads(raga("show", TINY, "--json", "--tensors", "--ctx", "128", "--metadata")[1])
        self.assertEqual(facts["family"], "qwen3")
        self.assertEqual(facts["bill"]["n_ctx"], 128)
        self.assertEqual(len(facts["tensors"]), facts["n_tensors"])
        self.assertEqual(facts["metadata"]["hidden_size"], facts["n_embd"])

    def test_a_tensor_can_be_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "t.f32")
            self.assertEqual(raga("show", TINY, "--tensor", "model.norm.weight", "-o", path)[0], 0)
            with open(path, "rb") as file:
                self.assertEqual(set(struct.unpack("<32f", file.read())), {1.0})


class Lines(unittest.TestCase):
    def test_every_line_gets_a_line(self):
        lines = ['{"text":"Hello"}', '{"ids":[72,101]}', "", "nonsense", '{"other":1}', '{"ids":[99999]}', '{"ids":[-1]}']
        code, out, _ = raga("tokenize", TINY, "--jsonl", stdin="\n".join(lines) + "\n")
        answers = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(code, 0)
        self.assertEqual(len(answers), len(lines))
        self.assertIn("ids", answers[0])
        self.assertEqual(answers[1], {"text": "He", "bytes_hex": "4865"})
        for answer in answers[2:]:
            self.assertIn("error", answer)

    def test_special_tokens_have_their_modes(self):
        line = '{"text":"<|im_end|>"}\n'
        parsed = json.loads(raga("tokenize", TINY, "--jsonl", stdin=line)[1])["ids"]
        plain = json.loads(raga("tokenize", TINY, "--jsonl", "--no-special", stdin=line)[1])["ids"]
        self.assertEqual(len(parsed), 1)
        self.assertGreater(len(plain), 1)

    def test_a_template_renders_by_lines(self):
        with tempfile.NamedTemporaryFile(suffix=".jinja", mode="w") as file:
            file.write("{{ messages[0].content|upper }} {{ strftime_now('%Y') }}{% if x %}{{ raise_exception('no') }}{% endif %}")
            file.flush()
            lines = '{"messages":[{"role":"user","content":"hi"}]}\n{"messages":[{"content":"a"}],"kwargs":{"x":1}}\n'
            _, out, _ = raga("template", file.name, "--jsonl", "--clock", "2026-01-15T09:05:07Z", stdin=lines)
            answers = [json.loads(line) for line in out.splitlines()]
            self.assertEqual(answers[0], {"rendered": "HI 2026"})
            self.assertIn("no", answers[1]["error"])


def read_safetensors(path):
    with open(path, "rb") as file:
        raw = file.read()
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    return {name: (entry["dtype"], entry["shape"], raw[8 + n + entry["data_offsets"][0]:8 + n + entry["data_offsets"][1]])
            for name, entry in header.items() if name != "__metadata__"}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + data)


def e4m3(byte):
    sign, exponent, mantissa = -1 if byte & 128 else 1, byte >> 3 & 15, byte & 7
    return sign * (mantissa * 2.0 ** -9 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7))


class Weights(unittest.TestCase):
    """Checkpoints that are not multiplied as they lie."""

    def copy_of_tiny(self, folder, tensors, config=None):
        os.makedirs(folder)
        for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            with open(os.path.join(TINY, name), "rb") as file, open(os.path.join(folder, name), "wb") as out:
                out.write(file.read())
        with open(os.path.join(TINY, "config.json"), encoding="utf-8") as file:
            settings = {**json.load(file), **(config or {})}
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as out:
            json.dump(settings, out)
        write_safetensors(os.path.join(folder, "model.safetensors"), tensors)

    def logits(self, model, *extra, env=None):
        with tempfile.TemporaryDirectory() as temp:
            path = os.path.join(temp, "out.f32")
            code, _, err = raga("logits", model, "--ids", "1,50,7,200,33,3", "-o", path, *extra, env=env)
            self.assertEqual(code, 0, err)
            with open(path, "rb") as file:
                raw = file.read()
        return struct.unpack(f"<{len(raw) // 4}f", raw)

    def test_fp8_weights_carry_their_block_factors(self):
        block = [16, 24]  # neither divides every matrix: edges are partial blocks
        fp8, f32 = {}, {}
        for name, (dtype, shape, raw) in read_safetensors(os.path.join(TINY, "model.safetensors")).items():
            if not name.endswith("_proj.weight"):
                fp8[name] = f32[name] = (dtype, shape, raw)
                continue
            rows, cols = shape
            across, down = -(-cols // block[1]), -(-rows // block[0])
            scales = [(1 + i % 7) / 1024 for i in range(across * down)]
            codes = bytes((i * 37 + i // 256 * 11) % 127 | (i % 2) << 7 for i in range(rows * cols))
            values = [e4m3(codes[r * cols + c]) * scales[r // block[0] * across + c // block[1]]
                      for r in range(rows) for c in range(cols)]
            fp8[name] = ("F8_E4M3", shape, codes)
            fp8[name + "_scale_inv"] = ("F32", [down, across], struct.pack(f"<{len(scales)}f", *scales))
            f32[name] = ("F32", shape, struct.pack(f"<{len(values)}f", *values))
        with tempfile.TemporaryDirectory() as temp:
            self.copy_of_tiny(temp + "/fp8", fp8, {"quantization_config": {"quant_method": "fp8", "weight_block_size": block}})
            self.copy_of_tiny(temp + "/f32", f32)
            got, want = self.logits(temp + "/fp8", "--exact"), self.logits(temp + "/f32", "--exact")
            self.assertLess(max(abs(a - b) for a, b in zip(got, want)), 1e-4)
            self.assertNotIn("not used", raga("show", temp + "/fp8")[1])
            wrong = {**fp8, "model.layers.0.mlp.up_proj.weight_scale_inv": ("F32", [1, 3], struct.pack("<3f", 1, 1, 1))}
            self.copy_of_tiny(temp + "/bad", wrong, {"quantization_config": {"weight_block_size": block}})
            code, _, err = raga("run", temp + "/bad", "--ids", "1", "-n", "1")
            self.assertEqual(code, 1)
            self.assertIn("3 factors", err)

    def test_quantizing_on_load_is_near_and_cached(self):
        want = self.logits(TINY, "--exact")
        with tempfile.TemporaryDirectory() as temp:
            env = {"RAGA_CACHE_DIR": temp}
            spread = max(want) - min(want)
            first = self.logits(TINY, "--quant", "q8_0", env=env)
            self.assertLess(max(abs(a - b) for a, b in zip(first, want)), 0.05 * spread)
            made = [os.path.join(temp, "quant", name) for name in os.listdir(temp + "/quant")]
            self.assertEqual(len(made), 1)
            before = os.stat(made[0]).st_mtime_ns
            self.assertEqual(self.logits(TINY, "--quant", "q8_0", env=env), first)
            self.assertEqual(os.stat(made[0]).st_mtime_ns, before)
            with open(made[0], "r+b") as file:
                file.truncate(100)  # a damaged cache is made again
            self.assertEqual(self.logits(TINY, "--quant", "q8_0", env=env), first)
            code, _, err = raga("run", TINY, "x", "--quant", "q9_9", env=env)
            self.assertEqual(code, 1)
            self.assertIn("q9_9", err)

    def test_a_sliding_window_hides_what_lies_before_it(self):
        # one layer of it: the last token sees the window alone, and only distances matter to rope
        tensors = {k: v for k, v in read_safetensors(os.path.join(TINY, "model.safetensors")).items()
                   if ".layers.1." not in k and "_norm.weight" not in k.replace("layernorm", "")}
        tensors["model.norm.weight"] = read_safetensors(os.path.join(TINY, "model.safetensors"))["model.norm.weight"]
        shape = {"architectures": ["MistralForCausalLM"], "num_hidden_layers": 1, "sliding_window": 8}
        ids = [(i * 37) % 250 for i in range(90)]
        with tempfile.TemporaryDirectory() as temp:
            self.copy_of_tiny(temp + "/window", tensors, shape)
            self.copy_of_tiny(temp + "/whole", tensors, {**shape, "sliding_window": None})
            last = {}
            for name, model, prompt, extra in (("window", "window", ids, []), ("tail", "whole", ids[-8:], []),
                                               ("whole", "whole", ids, []), ("cut", "window", ids, ["--cuts", "3,64,85"])):
                path = os.path.join(temp, "out.f32")
                code, _, err = raga("logits", temp + "/" + model, "--ids", ",".join(map(str, prompt)), "--exact", "-o", path, *extra)
                self.assertEqual(code, 0, err)
                with open(path, "rb") as file:
                    last[name] = struct.unpack("<281f", file.read()[-281 * 4:])
            apart = lambda a, b: max(abs(x - y) for x, y in zip(last[a], last[b]))
            self.assertLess(apart("window", "tail"), 1e-4)
            self.assertLess(apart("window", "cut"), 1e-4)
            self.assertGreater(apart("window", "whole"), 1e-2)

    def test_settings_that_contradict_tensors_are_refused(self):
        tensors = read_safetensors(os.path.join(TINY, "model.safetensors"))
        rows = [({"num_hidden_layers": 3}, "layers.2"), ({"num_hidden_layers": 0}, "num_hidden_layers"),
                ({"num_hidden_layers": 4294967295}, "num_hidden_layers"), ({"num_attention_heads": 0}, "num_attention_heads"),
                ({"num_attention_heads": 3}, "heads"), ({"num_key_value_heads": 8}, "heads"), ({"head_dim": 16}, "q_proj"),
                ({"hidden_size": 33}, "embed_tokens"), ({"intermediate_size": 65}, "mlp"), ({"vocab_size": 280}, "embed_tokens"),
                ({"rms_norm_eps": 0}, "rms_norm_eps"), ({"rms_norm_eps": "x"}, "rms_norm_eps"), ({"rope_theta": 0}, "rope_theta"),
                ({"max_position_embeddings": 0}, "max_position_embeddings"), ({"head_dim": 1.5}, "head_dim"),
                ({"rope_scaling": {"rope_type": "longrope"}}, "longrope"), ({"rope_scaling": {"type": "yarn", "factor": -1}}, "factor"),
                ({"architectures": ["Qwen4ForCausalLM"]}, "the nearest that is: Qwen"), ({"architectures": []}, "qwen3")]
        for change, named in rows:
            with tempfile.TemporaryDirectory() as temp:
                self.copy_of_tiny(temp + "/m", tensors, change)
                code, _, err = raga("run", temp + "/m", "--ids", "1", "-n", "1")
                self.assertEqual(code, 1, change)
                self.assertIn(named, err)

    def test_missing_and_extra_tensors_are_named(self):
        tensors = read_safetensors(os.path.join(TINY, "model.safetensors"))
        with tempfile.TemporaryDirectory() as temp:
            less = {k: v for k, v in tensors.items() if k != "model.layers.1.self_attn.k_norm.weight"}
            self.copy_of_tiny(temp + "/less", less)
            code, _, err = raga("run", temp + "/less", "--ids", "1", "-n", "1")
            self.assertEqual(code, 1)
            self.assertIn("model.layers.1.self_attn.k_norm.weight (8) is missing", err)
            self.copy_of_tiny(temp + "/more", {**tensors, "extra.weight": ("F32", [1], bytes(4))})
            self.assertIn("extra.weight is not used", raga("show", temp + "/more")[1])

    def test_weights_that_are_not_finite_give_an_error_not_text(self):
        tensors = read_safetensors(os.path.join(TINY, "model.safetensors"))
        dtype, shape, raw = tensors["model.layers.0.mlp.up_proj.weight"]
        tensors["model.layers.0.mlp.up_proj.weight"] = (dtype, shape, b"\xc0\x7f" * (len(raw) // 2))
        with tempfile.TemporaryDirectory() as temp:
            self.copy_of_tiny(temp + "/nan", tensors)
            code, _, err = raga("run", temp + "/nan", "--ids", "1,2", "-n", "2")
            self.assertEqual(code, 1)
            self.assertIn("non-finite logits", err)


@unittest.skipUnless(os.path.isdir(SHARED), "no reference folder")
class Reasoning(unittest.TestCase):
    """A model that was made with markers of reasoning, and knows nothing else."""
    @classmethod
    def setUpClass(cls):
        temp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temp.cleanup)
        cls.folder = temp.name
        with open(os.path.join(cls.folder, "d.jsonl"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": "a robot walks %d steps" % i}) + "\n" for i in range(40))
        with open(os.path.join(cls.folder, "t.jinja"), "w", encoding="utf-8") as file:
            file.write("{%- for m in messages -%}{{ m.content }}{%- endfor -%}"
                       "{%- if enable_thinking is defined and not enable_thinking -%}<think>\n\n</think>\n\n{%- else -%}<think>\n{%- endif -%}")
        recipe = {"model": {"family": "llama", "layers": 1, "hidden": 32, "heads": 2, "kv_heads": 1, "head_dim": 16, "ffn": 32, "context": 128},
                  "tokenizer": {"vocab": 270, "special": ["<|endoftext|>", "<think>", "</think>"], "eos": "<|endoftext|>",
                                "chat_template": "t.jinja"},
                  "data": ["d.jsonl"], "batch": 2, "seq_len": 32, "steps": 2, "lr": 1e-3, "warmup": 1}
        with open(os.path.join(cls.folder, "r.json"), "w", encoding="utf-8") as file:
            json.dump(recipe, file)
        cls.model = os.path.join(cls.folder, "m")
        code, _, err = raga("train", os.path.join(cls.folder, "r.json"), "-o", cls.model, "--no-record")
        assert code == 0, err

    def ids(self, *words):
        code, out, err = raga("run", self.model, "go", "--json", "--seed", "3", "--temp", "1", *words)
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def test_reasoning_is_ended_when_it_is_long_enough(self):
        close = json.loads(raga("tokenize", self.model, "</think>", "--json")[1])["ids"]
        self.assertEqual(len(close), 1)
        for budget in (0, 1, 7):
            got = self.ids("--think-budget", str(budget), "-n", "40")
            self.assertIn(close[0], got["ids"][:budget + 2])
            self.assertEqual(got["ids"].index(close[0]), budget + 1)  # a line break before it
        free = self.ids("-n", "40")
        again = self.ids("-n", "40", "--think-budget", "1000")
        self.assertEqual(free["ids"], again["ids"])

    def test_reasoning_is_switched_off_by_the_template(self):
        off = self.ids("--think", "off", "-n", "4")
        on = self.ids("--think", "on", "-n", "4")
        self.assertGreater(off["prompt_tokens"], on["prompt_tokens"] + 1)  # an empty thought is in the prompt
        self.assertEqual(self.ids("--think", "off", "--think-budget", "0", "-n", "4")["ids"], off["ids"])
        self.assertEqual(raga("run", self.model, "go", "--think", "perhaps")[0], 2)


class Golden(unittest.TestCase):
    def test_logits_cut_and_whole_equal_the_reference(self):
        folder = os.path.join(SHARED, "golden/llama3")
        with open(os.path.join(folder, "golden.json"), encoding="utf-8") as file:
            golden = json.load(file)
        with open(os.path.join(folder, "logits.f32"), "rb") as file:
            raw = file.read()
        want = struct.unpack(f"<{len(raw) // 4}f", raw)
        ids = ",".join(map(str, golden["tokens"]))
        with tempfile.TemporaryDirectory() as temp:
            with open(os.path.join(temp, "ids"), "w", encoding="ascii") as file:
                file.write(ids)
            for extra in ([], ["--cuts", "1,2,41"]):
                path = os.path.join(temp, "out.f32")
                code, _, err = raga("logits", folder, "--ids", "@" + os.path.join(temp, "ids"), "--exact", "-o", path, *extra)
                self.assertEqual(code, 0, err)
                with open(path, "rb") as file:
                    got = struct.unpack(f"<{len(want)}f", file.read())
                self.assertLessEqual(max(abs(a - b) for a, b in zip(got, want)), golden["tolerance_max_abs"])

    def test_greedy_continuation_equals_the_reference(self):
        for case in ("llama2", "qwen2", "qwen3"):
            folder = os.path.join(SHARED, "golden", case)
            with open(os.path.join(folder, "golden.json"), encoding="utf-8") as file:
                golden = json.load(file)
            ids = ",".join(map(str, golden["tokens"]))
            out = raga("run", folder, "--ids", ids, "-n", "16", "--temp", "0", "--json", "--exact")[1]
            # an end token of the toy vocabulary may stop the run earlier than the reference, which goes on
            got = json.loads(out)["ids"]
            self.assertEqual(got, golden["greedy"][:len(got)])

    def test_a_model_is_verified_and_what_is_wrong_is_told(self):
        code, out, err = raga("verify", os.path.join(ROOT, "tests/data/tiny"), "--json")
        self.assertEqual(code, 0, out + err)
        checks = {c["check"]: c["outcome"] for c in json.loads(out)["checks"]}
        self.assertEqual((checks["file"], checks["tokenizer"], checks["chat template"]), ("ok", "ok", "ok"))
        case = os.path.join(SHARED, "golden/qwen3")
        code, out, err = raga("verify", case)
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, "ok +reference logits")
        with tempfile.TemporaryDirectory() as folder:
            for name in os.listdir(case):
                os.symlink(os.path.join(case, name), os.path.join(folder, name))
            os.unlink(os.path.join(folder, "logits.f32"))
            with open(os.path.join(case, "logits.f32"), "rb") as file:
                logits = bytearray(file.read())
            logits[3] ^= 64  # the first one, many times what it was
            with open(os.path.join(folder, "logits.f32"), "wb") as file:
                file.write(logits)
            code, out, _ = raga("verify", folder)
            self.assertEqual(code, 1)
            self.assertRegex(out, "FAILED +reference logits")

    def test_answers_are_held_to_grammars_and_expressions(self):
        tiny = os.path.join(ROOT, "tests/data/tiny")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "moves.gbnf")
            with open(path, "w", encoding="utf-8") as file:
                file.write('root ::= move ("," move){2}\nmove ::= [a-h] [1-8]\n')
            for seed in range(3):
                code, out, err = raga("run", tiny, "go", "--raw", "--grammar", path, "--temp", "2", "--seed", str(seed))
                self.assertEqual(code, 0, err)
                self.assertRegex(out, r"^([a-h][1-8],){2}[a-h][1-8]\n?$")
                code, out, err = raga("run", tiny, "go", "--raw", "--regex", "(yes|no)!{3}", "--temp", "2", "--seed", str(seed))
                self.assertEqual(code, 0, err)
                self.assertRegex(out, r"^(yes|no)!!!\n?$")
            code, _, err = raga("run", tiny, "go", "--regex", "(a")
            self.assertEqual(code, 1)
            self.assertIn("( without )", err)
            self.assertEqual(raga("run", tiny, "go", "--regex", "a", "--grammar", path)[0], 2)

    def test_answers_are_parsed_by_their_family(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "answer.txt")
            with open(path, "w", encoding="utf-8") as file:
                file.write("So.</think>I walk.<|tool_calls_section_begin|><|tool_call_begin|>functions.walk:0"
                           "<|tool_call_argument_begin|>{\"metres\": 2}<|tool_call_end|><|tool_calls_section_end|>")
            code, out, err = raga("parse", "--family", "kimi-k2.5", "--think", "--json", path)
            self.assertEqual(code, 0, err)
            self.assertEqual(json.loads(out), {
                "reasoning": "So.", "reply": "I walk.", "warnings": [],
                "calls": [{"id": "functions.walk:0", "name": "walk", "arguments": {"metres": 2}}]})
            code, out, err = raga("parse", "--family", "kimi-k2.5", "--think", "--stream", "1", path)
            pieces = [json.loads(line) for line in out.splitlines()]
            self.assertEqual("".join(p["text"] for p in pieces if p["piece"] == "arguments"), '{"metres": 2}')
            self.assertEqual("".join(p["text"] for p in pieces if p["piece"] == "text"), "I walk.")
            code, _, err = raga("parse", "--family", "klingon", path)
            self.assertEqual(code, 1)
            self.assertIn('"klingon"', err)
            self.assertIn("qwen3-coder", raga("parse", "--families")[1])

    def test_unknown_families_are_refused_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            from_there = os.path.abspath(os.path.join(SHARED, "golden/deepseek-v4"))
            for name in ("model.safetensors", "tokenizer.json"):
                os.symlink(os.path.join(from_there, name), os.path.join(folder, name))
            with open(os.path.join(from_there, "config.json"), encoding="utf-8") as file:
                config = json.load(file)
            config["architectures"] = ["DeepseekV9ForCausalLM"]
            with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
                json.dump(config, file)
            code, _, err = raga("run", folder, "--ids", "1")
        self.assertEqual(code, 1)
        self.assertIn("DeepseekV9ForCausalLM", err)
        self.assertIn("nearest", err)


unittest.main(argv=sys.argv[:1], verbosity=1)
