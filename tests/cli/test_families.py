"""What settings leave out, what they get wrong, adapters of layers that are not plain attention, and pictures.
usage: test_families.py RAGA ROOT"""
import array
import json
import math
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
SHARED = os.environ.get("RAGA_SHARED", os.path.join(ROOT, "..", "shared"))
GOLDEN = os.path.join(SHARED, "golden")
if not os.path.isdir(GOLDEN):
    print("skipped: no reference folder at %s (set RAGA_SHARED)" % SHARED)
    sys.exit(77)


def raga(*words):
    return subprocess.run([RAGA, *words], capture_output=True, text=True, check=False, timeout=300)


def floats_of(path):
    values = array.array("f")
    with open(path, "rb") as f:
        values.frombytes(f.read())
    return values


def write_safetensors(path, tensors):
    """name: (dtype, shape, bytes)"""
    head, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(t[2] for t in tensors.values()))


def read_safetensors(path):
    with open(path, "rb") as f:
        raw = f.read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], raw[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]])
            for name, t in head.items()}


def widen(tensors):
    """BF16 as F32, so that nothing is rounded where values are written."""
    for name, (dtype, shape, data) in tensors.items():
        if dtype == "BF16":
            wide = bytearray(2 * len(data))
            wide[2::4], wide[3::4] = data[0::2], data[1::2]
            tensors[name] = ("F32", shape, bytes(wide))


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def model(self, case, change, weights=None):
        """A copy of a reference model with other settings: change(text settings), maybe other tensors."""
        to = self.path("model")
        shutil.rmtree(to, ignore_errors=True)
        os.makedirs(to)
        for name in os.listdir(os.path.join(GOLDEN, case)):
            if name.endswith((".json", ".safetensors")) and name != "config.json":
                os.symlink(os.path.join(GOLDEN, case, name), os.path.join(to, name))
        with open(os.path.join(GOLDEN, case, "config.json"), encoding="utf-8") as f:
            config = json.load(f)
        change(config.get("text_config", config))
        with open(os.path.join(to, "config.json"), "w", encoding="utf-8") as f:
            json.dump(config, f)
        if weights is not None:
            tensors = read_safetensors(os.path.join(to, "model.safetensors"))
            os.unlink(os.path.join(to, "model.safetensors"))
            weights(tensors)
            write_safetensors(os.path.join(to, "model.safetensors"), tensors)
        return to

    def good(self, *words):
        r = raga(*words)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r

    def logits(self, model, ids, *more):
        out = self.path("logits.f32")
        self.good("logits", model, "--ids", ",".join(map(str, ids)), "-o", out, "--exact", *more)
        return floats_of(out)

    def refused(self, said, model):
        r = raga("logits", model, "--ids", "1,2,3", "-o", self.path("logits.f32"))
        self.assertEqual(r.returncode, 1, r.stdout + r.stderr)
        self.assertIn(said, r.stderr)

    def meets(self, case, model):
        with open(os.path.join(GOLDEN, case, "golden.json"), encoding="utf-8") as f:
            golden = json.load(f)
        want = floats_of(os.path.join(GOLDEN, case, "logits.f32"))
        got = self.logits(model, golden["tokens"])[-len(want):]
        self.assertLessEqual(max(abs(a - b) for a, b in zip(got, want)), golden["tolerance_max_abs"], case)


class Settings(Case):
    def test_what_is_left_out_is_what_the_family_does(self):
        """Classes leave out what has one value in all their models, or their default."""
        for case, keys in (("qwen3.5-moe", ["norm_topk_prob"]), ("qwen3-next", ["norm_topk_prob"]),
                           ("deepseek-v3", ["scoring_func", "norm_topk_prob", "topk_method"]),
                           ("deepseek-v2-lite", ["scoring_func", "norm_topk_prob"]),
                           ("llama4", ["use_qk_norm", "no_rope_layer_interval", "attention_chunk_size", "floor_scale",
                                       "attn_scale", "attn_temperature_tuning", "no_rope_layers"])):
            self.meets(case, self.model(case, lambda c, keys=keys: [c.pop(k, None) for k in keys]))

    def test_one_group_of_experts_is_none(self):
        def change(config):
            config["n_group"] = 1
            config.pop("topk_group", None)
        self.meets("kimi-k2", self.model("kimi-k2", change))

    def test_groups_of_which_none_is_used_are_refused(self):
        self.refused("0 groups are used", self.model("deepseek-v3", lambda c: c.update(topk_group=0)))

    def test_layers_without_attention_alone_are_refused(self):
        self.refused("has attention", self.model("qwen3.5", lambda c: c.update(num_hidden_layers=3)))

    def test_routers_without_experts_are_refused(self):
        def weights(tensors):
            for name in list(tensors):
                if ".mlp.gate." in name:
                    dtype, shape, _ = tensors[name]
                    tensors[name] = (dtype, [0, *shape[1:]], b"")
                elif ".mlp.experts." in name:
                    del tensors[name]
        change = {"n_routed_experts": 0, "num_experts_per_tok": 0, "n_group": 1, "topk_group": 1}
        self.refused("uses 0 of 0 experts", self.model("deepseek-v3", lambda c: c.update(change), weights))

    def test_families_that_are_not_there_yet_are_refused_by_name(self):
        model = self.model("qwen3", lambda c: None)
        path = os.path.join(model, "config.json")
        with open(path, encoding="utf-8") as f:
            config = json.load(f)
        for name in ("MuseGlimmerForConditionalGeneration", "Qwen4ExpForConditionalGeneration", "DeepseekV41ForCausalLM",
                     "KimiK3ForConditionalGeneration"):
            with open(path, "w", encoding="utf-8") as f:
                json.dump({**config, "architectures": [name]}, f)
            self.refused('models of the family "%s" are not supported; the nearest that is: ' % name, model)
        gguf = [n for n in sorted(os.listdir(os.path.join(GOLDEN, "llama3"))) if n.endswith(".gguf")][0]
        with open(os.path.join(GOLDEN, "llama3", gguf), "rb") as f:
            data = f.read()
        for name in ("muse-glimmer", "qwen4exp", "deepseek41", "kimi-k3"):
            old = struct.pack("<Q", 20) + b"general.architecture" + struct.pack("<IQ", 8, 5) + b"llama"
            self.assertIn(old, data)
            with open(self.path("other.gguf"), "wb") as f:
                f.write(data.replace(old, old[:-13] + struct.pack("<Q", len(name)) + name.encode()))
            r = raga("logits", self.path("other.gguf"), "--ids", "1", "-o", self.path("logits.f32"))
            self.assertEqual(r.returncode, 1)
            self.assertIn('models of the family "%s" are not supported' % name, r.stderr)

    def test_layers_that_predict_further_tokens_are_left_out(self):
        """A GGUF counts them among the others."""
        def pair(key, value):
            return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<II", 4, value)
        with open(os.path.join(GOLDEN, "qwen3-moe", "model-f32.gguf"), "rb") as f:
            raw = f.read()
        pairs = pair("qwen3moe.nextn_predict_layers", 1)
        pairs += pair("x" * (-(len(pairs) + 16) % 32 + 32), 0)  # what follows stays aligned
        self.assertEqual(len(pairs) % 32, 0)
        with open(self.path("predicts.gguf"), "wb") as f:
            f.write(raw[:16] + struct.pack("<Q", struct.unpack("<Q", raw[16:24])[0] + 2) + pairs + raw[24:])
        ids = list(range(5, 30))
        shorter = self.model("qwen3-moe", lambda c: c.update(num_hidden_layers=c["num_hidden_layers"] - 1))
        self.assertEqual(self.logits(self.path("predicts.gguf"), ids), self.logits(shorter, ids))
        self.assertNotIn("not used", self.good("show", self.path("predicts.gguf")).stderr)

    def test_layers_without_rope_are_one_entry_each(self):
        self.refused("no_rope_layers lists 2 layers", self.model("llama4", lambda c: c.update(no_rope_layers=[1, 0])))

    def test_two_experts_with_weighed_inputs_are_refused(self):
        self.refused("whose inputs are weighed", self.model("llama4", lambda c: c.update(num_experts_per_tok=2)))


class Heads(Case):
    """A head that predicts a token further, of values of the last layer."""

    def with_head(self, case):
        like = "model.language_model.layers.3." if case != "qwen3-next" else "model.layers.3."

        def weights(tensors):
            for name, tensor in list(tensors.items()):
                if name.startswith(like):
                    tensors["mtp.layers.0." + name[len(like):]] = tensor
            n = tensors["lm_head.weight"][1][1]
            for name in ("mtp.pre_fc_norm_embedding.weight", "mtp.pre_fc_norm_hidden.weight", "mtp.norm.weight"):
                tensors[name] = ("F32", [n], struct.pack("<%df" % n, *([0.5] * n)))
            tensors["mtp.fc.weight"] = ("F32", [n, 2 * n], struct.pack(
                "<%df" % (2 * n * n), *[math.sin(i * i) / 6 for i in range(2 * n * n)]))
        return self.model(case, lambda c: c.update(mtp_num_hidden_layers=1), weights)

    def answer(self, model, *more):
        r = self.good("run", model, "--ids", "5,6,7,8,5,6", "-n", "24", "--temp", "0", "--json", *more)
        return json.loads(r.stdout), r.stderr

    def test_they_are_asked_for_and_change_no_token(self):
        for case in ("qwen3.5", "qwen3.5-moe", "qwen3-next"):
            model = self.with_head(case)
            plain, _ = self.answer(model, "--exact")
            told, said = self.answer(model, "--exact", "--speculate", "mtp:2", "--stats")
            self.assertEqual(told["ids"], plain["ids"], case)
            self.assertNotIn("guessed", plain)
            self.assertGreater(told["guessed"], 20)
            self.assertEqual(told["steps"] + told["accepted"], len(told["ids"]) - 1)
            self.assertIn("%d tokens guessed ahead" % told["guessed"], said)
            told, _ = self.answer(model, "--exact", "--speculate", "ngram")
            self.assertEqual(told["ids"], plain["ids"], case)

    def test_a_head_that_is_incomplete_is_refused_by_name(self):
        model = self.with_head("qwen3.5")
        path = os.path.join(model, "model.safetensors")
        whole = read_safetensors(path)
        cut = ("F32", [64, 64], bytes(4 * 64 * 64))
        for name, tensor, said in (("mtp.layers.0.mlp.up_proj.weight", None, "mtp.layers.0.mlp.up_proj.weight (112 x 64) is missing"),
                                   ("mtp.pre_fc_norm_hidden.weight", None, "mtp.pre_fc_norm_hidden.weight (64) is missing"),
                                   ("mtp.fc.weight", None, "there is no head"),
                                   ("mtp.fc.weight", cut, "mtp.fc.weight is 64 x 64, the settings need 64 x 128")):
            tensors = dict(whole)
            tensors.pop(name)
            if tensor is not None:
                tensors[name] = tensor
            os.unlink(path)
            write_safetensors(path, tensors)
            r = raga("run", model, "--ids", "1", "--speculate", "mtp")
            self.assertEqual(r.returncode, 1, r.stderr)
            self.assertIn(said, r.stderr)
            self.good("run", model, "--ids", "1", "-n", "1")  # nobody asks for it

    def test_a_recurrence_in_a_head_is_refused(self):
        def weights(tensors):
            for name, tensor in list(tensors.items()):
                if name.startswith("model.language_model.layers.2."):
                    tensors["mtp.layers.0." + name[len("model.language_model.layers.2."):]] = tensor
            tensors["mtp.fc.weight"] = ("F32", [64, 128], bytes(4 * 64 * 128))
        r = raga("run", self.model("qwen3.5", lambda c: None, weights), "--ids", "1", "--speculate", "mtp")
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertIn("a recurrence in the head", r.stderr)

    def test_they_are_quantized_and_what_decides_is_not(self):
        cache = self.path("cache")
        os.environ["RAGA_CACHE_DIR"] = cache
        self.addCleanup(os.environ.pop, "RAGA_CACHE_DIR")
        model = self.with_head("qwen3.5-moe")
        plain, _ = self.answer(model, "--exact", "--quant", "q8_0")
        told, _ = self.answer(model, "--exact", "--quant", "q8_0", "--speculate", "mtp")
        self.assertEqual(told["ids"], plain["ids"])
        made, = os.listdir(os.path.join(cache, "quant"))
        shown = json.loads(self.good("show", os.path.join(cache, "quant", made), "--tensors", "--json").stdout)
        names = [t["name"] for t in shown["tensors"]]
        self.assertIn("mtp.fc.weight", names)
        self.assertIn("mtp.layers.0.self_attn.o_proj.weight", names)
        self.assertNotIn("mtp.layers.0.mlp.gate.weight", names)
        self.assertNotIn("mtp.layers.0.mlp.shared_expert_gate.weight", names)
class Compressed(Case):
    """DeepSeek V4: settings and tensors that cannot be."""

    def test_settings_that_cannot_be_are_refused_by_name(self):
        for said, change in (
                ("o_groups is 0", {"o_groups": 0}),
                ("4 heads cannot be projected back in 3 groups", {"o_groups": 3}),
                ("layer 1 compresses by 8; 0, 4 and 128", {"compress_ratios": [0, 8, 128, 4]}),
                ("layer 0 compresses by -1", {"compress_ratios": [None, 4, 128, 4]}),
                ("compress_ratios lists 2 layers, the model has 4", {"compress_ratios": [0, 4]}),
                ("compress_ratios lists 0 layers", {"compress_ratios": 4}),
                ("hc_mult is 2, valid are 4 to 4", {"hc_mult": 2}),
                ("hc_sinkhorn_iters is 0", {"hc_sinkhorn_iters": 0}),
                ("hc_sinkhorn_iters is 65", {"hc_sinkhorn_iters": 65}),
                ("hc_eps is 0", {"hc_eps": 0}),
                ("sliding_window is 0", {"sliding_window": 0}),
                ("sliding_window is 1e+15", {"sliding_window": 10 ** 15}),
                ("compress_rope_theta is 0", {"compress_rope_theta": 0}),
                ("num_attention_heads is 512", {"num_attention_heads": 512}),
                ("num_key_value_heads is 4", {"num_key_value_heads": 4}),
                ("rope turns 32 values of heads of 32", {"qk_rope_head_dim": 32}),
                ("rope turns 15 values", {"qk_rope_head_dim": 15}),
                ("index_topk is 0", {"index_topk": 0}),
                ("index_head_dim is 0", {"index_head_dim": 0}),
                ("scoring_func \"sigmoid\"", {"scoring_func": "sigmoid"}),
                ("a token uses 9 experts, but there are 8", {"num_experts_per_tok": 9, "num_hash_layers": 1}),
                ("experts are listed by token in 5 layers, the model has 4", {"num_hash_layers": 5}),
                ("layer 1 has no table", {"num_hash_layers": 2}),
                ("layer 0 has a table", {"num_hash_layers": 0}),
                ("layers.1.attn.compressor.wkv.weight is 64 x 64, the settings need 32 x 64", {"compress_ratios": [0, 128, 128, 4]}),
                ("layers.0.attn.compressor.wkv.weight (64 x 64) is missing", {"compress_ratios": [4, 4, 128, 4]})):
            self.refused(said, self.model("deepseek-v4", lambda c, change=change: c.update(change)))

    def test_what_is_left_out_is_what_the_family_does(self):
        keys = ["scoring_func", "norm_topk_prob", "topk_method", "num_key_value_heads"]
        self.meets("deepseek-v4", self.model("deepseek-v4", lambda c: [c.pop(k, None) for k in keys]))

    def test_layers_that_predict_are_left_out_silently(self):
        def weights(tensors):
            tensors["mtp.0.e_proj.weight"] = ("BF16", [2, 2], bytes(8))
        model = self.model("deepseek-v4", lambda c: c.update(num_nextn_predict_layers=1, compress_ratios=[0, 4, 128, 4, 0]), weights)
        self.meets("deepseek-v4", model)
        self.assertNotIn("not used", self.good("show", model).stderr)

    def test_a_table_of_experts_that_there_are_not_is_refused(self):
        at = "layers.0.ffn.gate.tid2eid"

        def entry(value):
            def change(tensors):
                dtype, shape, data = tensors[at]
                tensors[at] = (dtype, shape, data[:40] + struct.pack("<q", value) + data[48:])
            return change
        for value in (8, -1, 2 ** 40, -2 ** 63):
            self.refused("entry 5 of tensor %s is expert %d, valid are 0 to 7" % (at, value),
                         self.model("deepseek-v4", lambda c: None, entry(value)))
        self.refused("a table of experts is of I32 or I64", self.model(
            "deepseek-v4", lambda c: None, lambda t: t.update({at: ("F32", [320, 2], bytes(4 * 640))})))
        self.refused("is 320 x 3, the settings need 320 x 2", self.model(
            "deepseek-v4", lambda c: None, lambda t: t.update({at: ("I32", [320, 3], bytes(4 * 960))})))
        self.good("logits", self.model("deepseek-v4", lambda c: None, lambda t: t.update({at: ("I32", [320, 2], bytes(4 * 640))})),
                  "--ids", "1,2,3", "-o", self.path("twice.f32"))  # the same expert twice is odd, no more

    def test_damaged_floats_of_4_bits_are_refused_by_name(self):
        at = "layers.1.ffn.experts.3.w3"

        def refused(said, change):
            self.refused(said, self.model("deepseek-v4-fp4", lambda c: None, change))

        def no_number(tensors):
            dtype, shape, data = tensors[at + ".scale"]
            tensors[at + ".scale"] = (dtype, shape, data[:7] + b"\xff" + data[8:])

        def cut(tensors):
            dtype, (rows, words), data = tensors[at + ".weight"]
            tensors[at + ".weight"] = (dtype, [rows, words - 1], data[:rows * (words - 1)])

        refused("the .scale of tensor %s.weight is missing" % at, lambda t: t.pop(at + ".scale"))
        refused("tensor %s.weight is missing" % at, lambda t: t.pop(at + ".weight"))
        refused("factor 7 of tensor %s.scale is no number" % at, no_number)
        refused("are no matrix of 32 x 160", cut)
        refused("is FP8 without", lambda t: t.pop("layers.0.attn.wq_a.scale"))
        refused("wq_a.scale has 2 factors", lambda t: t.update({"layers.0.attn.wq_a.scale": ("F8_E8M0", [1, 2], b"\x7f\x7f")}))

    def test_a_gguf_with_other_ratios_is_refused(self):
        with open(os.path.join(GOLDEN, "deepseek-v4", "model-bf16.gguf"), "rb") as f:
            raw = f.read()
        at = raw.index(b"deepseek4.attention.compress_ratios") + len("deepseek4.attention.compress_ratios") + 4 + 4 + 8
        for ratio in (5, 2 ** 32 - 1):
            with open(self.path("ratios.gguf"), "wb") as f:
                f.write(raw[:at] + struct.pack("<I", ratio) + raw[at + 4:])
            self.refused("layer 0 compresses by %d" % ratio, self.path("ratios.gguf"))

    def test_what_is_not_possible_with_several_streams_says_so(self):
        model = os.path.join(GOLDEN, "deepseek-v4")
        self.good("steer", model, "--positive", "yes", "--negative", "no", "-o", self.path("way.gguf"))
        r = raga("logits", model, "--ids", "1,2", "--steer", self.path("way.gguf") + ":1", "-o", self.path("l.f32"))
        self.assertIn("several residual streams cannot be steered", r.stderr)
        data = self.path("data.jsonl")
        with open(data, "w", encoding="utf-8") as f:
            f.write(json.dumps({"text": "A robot walks, turns left, then it stops."}) + "\n")
        r = raga("tune", model, data, "-o", self.path("full"), "--full", "--steps", "1", "--batch", "1", "--no-record")
        self.assertIn("cannot all be trained yet", r.stderr)
        r = raga("quantize", model, "q8_0", "-o", self.path("q.gguf"))
        self.assertIn("cannot be converted to GGUF", r.stderr)
        made = self.path("q.gguf")
        self.good("quantize", os.path.join(model, "model-bf16.gguf"), "q8_0", "-o", made)
        kinds = {t["name"]: t["type"] for t in json.loads(self.good("show", made, "--tensors", "--json").stdout)["tensors"]}
        for name, kind in kinds.items():
            if "hc_" in name or "ape" in name:
                self.assertEqual(kind, "F32", name)
        self.assertEqual(kinds["blk.0.ffn_gate_tid2eid.weight"], "I32")
        self.good("logits", made, "--ids", "1,2,3", "-o", self.path("l.f32"))


class Packed(Case):
    def test_damaged_integers_are_refused_by_name(self):
        at = "language_model.model.layers.1.mlp.experts.3.up_proj.weight"

        def refused(said, change):
            self.refused(said, self.model("kimi-k25-int4", lambda c: None, change))

        def cut(tensors):
            dtype, (rows, words), data = tensors[at + "_packed"]
            tensors[at + "_packed"] = (dtype, [rows, words - 1], data[:4 * rows * (words - 1)])

        def too_large(tensors):
            dtype, shape, data = tensors[at + "_scale"]
            tensors[at + "_scale"] = (dtype, shape, data[:-2] + b"\x80\x47")  # 65536

        refused("weight_scale is missing", lambda t: t.pop(at + "_scale"))
        refused("weight_packed is missing", lambda t: t.pop(at + "_packed"))
        refused("are no matrix of 64 x 96", cut)
        refused("is 65536, too large", too_large)
        refused("zero points", lambda t: t.update({at + "_zero_point": ("I32", [8, 3], bytes(96))}))


class Quantized(Case):
    def test_experts_are_quantized_and_what_decides_is_not(self):
        cache = self.path("cache")
        os.environ["RAGA_CACHE_DIR"] = cache
        self.addCleanup(os.environ.pop, "RAGA_CACHE_DIR")
        for case, turned in (("qwen3.5-moe", False), ("llama4", True)):
            shutil.rmtree(cache, ignore_errors=True)
            self.good("logits", os.path.join(GOLDEN, case), "--ids", "1,2,3", "-o", self.path("l.f32"), "--quant", "q8_0")
            made, = os.listdir(os.path.join(cache, "quant"))
            shown = json.loads(self.good("show", os.path.join(cache, "quant", made), "--tensors", "--json").stdout)
            names = [t["name"] for t in shown["tensors"]]
            self.assertEqual(any("experts.gate_up_proj" in n for n in names), not turned, names)
            self.assertFalse([n for n in names if n.endswith(("mlp.gate.weight", "shared_expert_gate.weight", "in_proj_a.weight"))])
            self.assertTrue(any("o_proj" in n for n in names))


class Adapters(Case):
    def data(self):
        path = self.path("data.jsonl")
        with open(path, "w", encoding="utf-8") as f:
            for i in range(8):
                f.write(json.dumps({"text": "A robot walks %d steps and turns left, then it stops." % i}) + "\n")
        return path

    def test_adapters_add_up_where_they_run_and_where_they_are_merged(self):
        data = self.data()
        for case in ("qwen3.5", "qwen3-next", "kimi-linear", "deepseek-v2-lite", "deepseek-v3", "deepseek-v4", "qwen3-moe"):
            model, adapter, merged = self.model(case, lambda c: None, widen), self.path("adapter"), self.path("merged")
            for folder in (adapter, merged):
                shutil.rmtree(folder, ignore_errors=True)
            self.good("tune", model, data, "-o", adapter, "--steps", "4", "--batch", "2", "--lr", "0.01", "--no-record")
            with open(os.path.join(adapter, "adapter_config.json"), encoding="utf-8") as f:
                targets = json.load(f)["target_modules"]
            self.assertFalse([t for t in targets if "conv" in t or t in ("kv_b_proj", "experts", "ape", "tid2eid", "hc_attn_fn")], case)
            ids = list(range(5, 40))
            plain, tuned = self.logits(model, ids), self.logits(model, ids, "--adapter", adapter)
            self.assertGreater(max(abs(a - b) for a, b in zip(plain, tuned)), 1e-2, case)
            self.good("merge", model, "--adapter", adapter, "-o", merged)
            off = max(abs(a - b) for a, b in zip(tuned, self.logits(merged, ids)))
            self.assertTrue(math.isfinite(off) and off < 5e-3, "%s: %g" % (case, off))

    def test_tuning_all_weights_reaches_each_and_keeps_their_shapes(self):
        tuned = self.path("tuned")
        self.good("tune", os.path.join(GOLDEN, "qwen3-next"), self.data(), "-o", tuned, "--full", "--steps", "2",
                  "--batch", "2", "--lr", "0.01", "--no-record")
        before = read_safetensors(os.path.join(GOLDEN, "qwen3-next", "model.safetensors"))
        after = read_safetensors(os.path.join(tuned, "model.safetensors"))
        for name, (dtype, shape, data) in after.items():
            self.assertEqual(shape, before[name][1], name)
            if dtype == before[name][0] and ".experts." not in name:  # an expert may see no token
                self.assertNotEqual(data, before[name][2], name)

    def test_importance_is_measured_of_latent_attention(self):
        text = self.path("text.txt")
        with open(text, "w", encoding="utf-8") as f:
            f.write("A robot walks and turns left, then it stops. " * 200)
        self.good("imatrix", os.path.join(GOLDEN, "deepseek-v3"), text, "-o", self.path("imatrix.gguf"))


class Faults(Case):
    """What converters are known to leave wrong is named."""

    def faults(self, path):
        shown = json.loads(self.good("show", path, "--json").stdout)["faults"]
        r = raga("verify", path)
        self.assertEqual(r.returncode, 1 if shown else r.returncode)
        for line in shown.splitlines():
            self.assertIn(line, r.stdout)
        return shown

    def changed(self, case, name, *changes):
        """A GGUF of a reference model with bytes replaced by others, as many."""
        with open(os.path.join(GOLDEN, case, name), "rb") as f:
            data = f.read()
        for old, new in changes:
            self.assertEqual(len(old), len(new))
            self.assertIn(old, data, case)
            data = data.replace(old, new)
        with open(self.path("model.gguf"), "wb") as f:
            f.write(data)
        return self.path("model.gguf")

    def gguf(self, case):
        return [n for n in sorted(os.listdir(os.path.join(GOLDEN, case))) if n.endswith(".gguf")][0]

    def test_good_files_have_none(self):
        for case in ("llama3", "deepseek-v2-lite", "qwen3.5"):
            self.assertEqual(self.faults(os.path.join(GOLDEN, case, self.gguf(case))), "")
            self.assertEqual(self.faults(os.path.join(GOLDEN, case)), "")

    def test_settings_that_converters_lost(self):
        lost = self.changed("llama3", self.gguf("llama3"), (b"rope_freqs.weight", b"rope_freqx.weight"))
        self.assertIn("rope_freqs.weight is missing", self.faults(lost))
        lost = self.changed("deepseek-v2-lite", self.gguf("deepseek-v2-lite"), (b"yarn_log_multiplier", b"yarn_log_multipliex"))
        self.assertIn("yarn_log_multiplier is missing", self.faults(lost))

    def test_norms_to_which_nothing_was_added(self):
        tensors, changes = read_safetensors(os.path.join(GOLDEN, "qwen3.5", "model.safetensors")), []
        widen(tensors)
        for name, (_, _, data) in tensors.items():
            if name.endswith("input_layernorm.weight"):
                values = array.array("f", data)
                changes.append((array.array("f", [v + 1 for v in values]).tobytes(), data))
        self.assertTrue(changes)
        self.assertIn("did not add 1", self.faults(self.changed("qwen3.5", self.gguf("qwen3.5"), *changes)))

    def test_answers_that_would_not_end(self):
        model = self.model("llama3", lambda c: None)
        for end, outcome in (("<|eos|>", "ok"), ("<|end|>", "failed")):
            path = os.path.join(model, "tokenizer_config.json")
            os.unlink(path)
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"eos_token": "<|eos|>", "chat_template":
                           "{%- for m in messages -%}{{- '<|user|>' ~ m.content ~ '" + end + "' -}}{%- endfor -%}"}, f)
            checks = {c["check"]: c["outcome"] for c in json.loads(raga("verify", model, "--json").stdout)["checks"]}
            self.assertEqual(checks["end of answers"], outcome)

    def test_norms_that_are_nothing(self):
        for value, said in ((0, "is zero everywhere"), (math.nan, "are no numbers"), (math.inf, "are no numbers")):
            def spoil(tensors, value=value):
                widen(tensors)
                name = "model.layers.1.post_attention_layernorm.weight"
                dtype, shape, data = tensors[name]
                tensors[name] = (dtype, shape, struct.pack("<f", value) * (len(data) // 4))
            faults = self.faults(self.model("llama3", lambda c: None, spoil))
            self.assertIn("layers.1.post_attention_layernorm.weight", faults)
            self.assertIn(said, faults)


class Pictures(Case):
    def golden(self, case):
        with open(os.path.join(GOLDEN, case, "golden.json"), encoding="utf-8") as f:
            golden = json.load(f)
        pixels = floats_of(os.path.join(GOLDEN, case, "pixel_values.f32"))
        width, at, words = golden["pixel_values_shape"][1], 0, []
        for i, grid in enumerate(golden["grid_thw"]):
            n = math.prod(grid) * width
            with open(self.path("picture%d.f32" % i), "wb") as out:
                pixels[at:at + n].tofile(out)
            at += n
            words += ["--pixels", self.path("picture%d.f32" % i), "--grid", ",".join(map(str, grid))]
        with open(os.path.join(GOLDEN, case, "config.json"), encoding="utf-8") as f:
            pad = json.load(f)["image_token_id"]
        return golden, words, pad

    def test_pictures_stand_where_the_prompt_has_a_place_for_them(self):
        for case in ("qwen2.5-vl", "qwen3-vl"):
            golden, words, pad = self.golden(case)
            want = floats_of(os.path.join(GOLDEN, case, "logits.f32"))
            ids = golden["tokens"]
            one_each = [t for i, t in enumerate(ids) if t != pad or ids[i - 1] != pad]
            for prompt, cuts in ((ids, []), (ids, ["--cuts", "5,11,30"]), (one_each, [])):
                got = self.logits(os.path.join(GOLDEN, case), prompt, *words, *cuts)
                self.assertEqual(len(got), len(want))
                self.assertLessEqual(max(abs(a - b) for a, b in zip(got, want)), golden["tolerance_max_abs"], case)

    SETTINGS = {"patch_size": 8, "temporal_patch_size": 2, "merge_size": 2, "min_pixels": 256, "max_pixels": 1 << 20,
                "image_mean": [0.5, 0.25, 0.5], "image_std": [0.5, 0.5, 0.25]}

    def png(self, name, lines):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        with open(self.path(name), "wb") as f:
            f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", len(lines[0]) // 3, len(lines), 8, 2, 0, 0, 0))
                    + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines))) + chunk(b"IEND", b""))

    def seeing(self, **changes):
        """qwen3-vl with settings for its pictures, and a picture of noise, 48 rows of 64, as PNG and as patches."""
        model = self.model("qwen3-vl", lambda c: None)
        with open(os.path.join(model, "preprocessor_config.json"), "w", encoding="utf-8") as f:
            json.dump({**self.SETTINGS, **changes}, f)
        # 319 stands for a cell: this tokenizer calls it <|end|>
        os.unlink(os.path.join(model, "tokenizer_config.json"))
        with open(os.path.join(model, "tokenizer_config.json"), "w", encoding="utf-8") as f:
            json.dump({"eos_token": "<|eos|>", "chat_template":
                       "{%- for m in messages -%}{%- if m.content is string -%}{{- m.content -}}{%- else -%}{%- for p in m.content -%}"
                       "{%- if p.type == 'image' -%}{{- '<|user|><|end|><|user|>' -}}{%- else -%}{{- p.text -}}{%- endif -%}"
                       "{%- endfor -%}{%- endif -%}{%- endfor -%}"}, f)
        rows, columns, seed, pixels = 48, 64, 7, []
        for _ in range(rows * columns * 3):
            seed = seed * 1103515245 + 12345 & 0x7FFFFFFF
            pixels.append(seed >> 16 & 255)

        self.png("noise.png", [bytes(pixels[r * columns * 3:(r + 1) * columns * 3]) for r in range(rows)])
        patches = array.array("f")
        for cell in range(12):
            for inside in range(4):
                top, left = (cell // 4 * 2 + inside // 2) * 8, (cell % 4 * 2 + inside % 2) * 8
                for color in range(3):
                    one = [(pixels[((top + y) * columns + left + x) * 3 + color] / 255
                            - self.SETTINGS["image_mean"][color]) / self.SETTINGS["image_std"][color]
                           for y in range(8) for x in range(8)]
                    patches.extend(one + one)
        with open(self.path("noise.f32"), "wb") as f:
            patches.tofile(f)
        return model

    def test_a_file_gives_what_its_patches_give(self):
        model = self.seeing()
        ids = "1,317,319,318,2"
        want = self.logits(model, ids.split(","), "--pixels", self.path("noise.f32"), "--grid", "1,6,8")[-320:]
        got = json.loads(self.good("run", model, "--ids", ids, "--image", self.path("noise.png"), "-n", "1", "--temp", "0",
                                   "--exact", "--json", "--logprobs", "20").stdout)
        self.assertEqual(got["prompt_tokens"], 16)
        top = {t["id"]: t["logprob"] for t in got["logprobs"][0]["top"]}
        total = math.log(sum(math.exp(v) for v in want))
        for i, logprob in top.items():
            self.assertAlmostEqual(logprob, want[i] - total, delta=1e-4)
        # in the model's own words, and smaller when told so
        said = ["run", model, "What is this?", "--image", self.path("noise.png"), "-n", "2", "--temp", "0", "--json"]
        large = json.loads(self.good(*said, "--image", self.path("noise.png")).stdout)
        small = json.loads(self.good(*said, "--image-tokens", "6").stdout)
        words = json.loads(self.good(*said[:3], *said[5:]).stdout)
        self.assertEqual(large["prompt_tokens"], words["prompt_tokens"] + 2 * 14)
        self.assertEqual(small["prompt_tokens"], words["prompt_tokens"] + 2 + 4)  # of 3 x 4 cells, 2 x 2
        # however long and narrow it is, and however small
        for rows, columns in ((16, 1600), (1600, 16), (3, 5)):
            self.png("other.png", [bytes(3 * columns)] * rows)
            other = json.loads(self.good(*said[:3], "--image", self.path("other.png"), *said[5:], "--image-tokens", "4").stdout)
            self.assertLessEqual(other["prompt_tokens"], words["prompt_tokens"] + 2 + 4, (rows, columns))
        # what a person writes never stands for a picture
        r = raga("run", model, "<|end|>", "--image", self.path("noise.png"), "-n", "1", "--json")
        self.assertEqual(r.returncode, 0, r.stderr)

    def test_a_chat_takes_pictures(self):
        model, save = self.seeing(), self.path("chat.json")
        master, slave = pty.openpty()
        with subprocess.Popen([RAGA, "run", model, "-n", "4", "--temp", "0"], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "TERM": "dumb", "XDG_STATE_HOME": self.folder}) as chat:
            os.close(slave)
            os.write(master, ("/image %s\n/image %s\nWhat is this?\nAnd this?\n/image\n/image %s\n/save %s\n/stats\n/reset\nHello\n/quit\n"
                              % (self.path("noise.png"), self.path("none.png"), self.path("noise.png"), save)).encode())
            out = chat.communicate(timeout=120)[0].decode(errors="replace")
        os.close(master)
        self.assertEqual(chat.returncode, 0, out)
        self.assertEqual(out.count("seen, as 12 tokens"), 2, out)
        self.assertIn("cannot open", out)
        self.assertIn("which picture?", out)
        with open(save, encoding="utf-8") as f:
            messages = json.load(f)["messages"]
        self.assertEqual(messages[0]["content"], [{"type": "image"}, {"type": "text", "text": "What is this?"}])
        self.assertEqual(messages[2]["content"], "And this?")

    def test_pictures_that_do_not_fit_do_not_stand_in_the_way(self):
        model = self.seeing()
        main, side = pty.openpty()
        with subprocess.Popen([RAGA, "run", model, "-n", "2", "--temp", "0", "--ctx", "24"], stdin=side, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env={**os.environ, "TERM": "dumb", "XDG_STATE_HOME": self.folder}) as chat:
            os.close(side)
            os.write(main, ("/image %s\n/image %s\nWhat?\nHi\n/quit\n" % ((self.path("noise.png"),) * 2)).encode())
            out = chat.communicate(timeout=120)[0].decode(errors="replace")
        os.close(main)
        self.assertEqual(out.count("do not fit") + out.count("does not fit"), 1, out)
        self.assertEqual(out.count("are forgotten"), 1, out)

    def test_a_picture_of_too_many_patches_is_refused_before_they_are_cut(self):
        model = self.seeing(min_pixels=64 * 70000, max_pixels=1 << 26)
        r = raga("run", model, "x", "--image", self.path("noise.png"))
        self.assertEqual(r.returncode, 1)
        self.assertIn("patches, at most 65536", r.stderr)

    def test_settings_of_pictures_that_cannot_be_are_refused(self):
        for change, said in (({"patch_size": 16}, "do not fit the model"), ({"merge_size": 0}, "merge_size"), ({"image_mean": [1]}, "image_mean"),
                             ({"image_std": [0, 1, 1]}, "image_std"), ({"max_pixels": -1}, "max_pixels"), ({"min_pixels": 1 << 30}, "min_pixels"),
                             ({"rescale_factor": "x"}, "rescale_factor"), ({"resample": 2}, "resample")):
            model = self.seeing(**change)
            r = raga("run", model, "x", "--image", self.path("noise.png"))
            self.assertEqual(r.returncode, 1, change)
            self.assertIn(said, r.stderr)
            self.assertIn("preprocessor_config.json", r.stderr)
        model = self.seeing()
        with open(self.path("bad.png"), "wb") as f:
            f.write(b"GIF89a")
        for path, said in ((self.path("bad.png"), "GIF"), (self.path("none.png"), "cannot open"),
                           ("/dev/zero", "more than 268435456 bytes")):
            r = raga("run", model, "x", "--image", path)
            self.assertEqual(r.returncode, 1)
            self.assertIn(said, r.stderr)
        os.unlink(os.path.join(model, "preprocessor_config.json"))
        r = raga("run", model, "x", "--image", self.path("noise.png"))
        self.assertIn("preprocessor_config.json is missing", r.stderr)

    def test_what_is_made_of_a_model_that_sees_sees(self):
        """All weights tuned, or adapters merged: its tower and the settings of its pictures go along."""
        model, data = self.seeing(), self.path("data.jsonl")
        with open(data, "w", encoding="utf-8") as f:
            f.write('{"text": "a robot"}\n' * 4)
        said = ["--steps", "1", "--batch", "1", "--valid", "0", "--no-record"]
        self.good("tune", model, data, "-o", self.path("tuned"), "--full", *said)
        self.good("tune", model, data, "-o", self.path("adapter"), *said)
        self.good("merge", model, "--adapter", self.path("adapter"), "-o", self.path("merged"))
        before = read_safetensors(os.path.join(model, "model.safetensors"))
        for name in ("tuned", "merged"):
            after = read_safetensors(os.path.join(self.path(name), "model.safetensors"))
            for tensor, value in before.items():
                self.assertIn(tensor, after)
                if tensor.startswith("model.visual."):
                    self.assertEqual(after[tensor], value)
            self.good("run", self.path(name), "x", "--image", self.path("noise.png"), "-n", "1")
        # a GGUF has no place for it yet, which is said
        report = json.loads(self.good("quantize", model, "q8_0", "-o", self.path("words.gguf"), "--json").stdout)
        self.assertIn("that sees is not written", report["notes"])

    def test_reference_logits_of_pictures_are_checked_with_them(self):
        for case in ("qwen2.5-vl", "qwen3-vl"):
            said = self.good("verify", os.path.join(GOLDEN, case)).stdout
            self.assertRegex(said, "ok +reference logits")

    def refuses(self, said, *words, model=os.path.join(GOLDEN, "qwen3-vl"), ids="1,319,2"):
        r = raga("logits", model, "--ids", ids, "-o", self.path("logits.f32"), *words)
        self.assertEqual(r.returncode, 1, r.stdout + r.stderr)
        self.assertIn(said, r.stderr)

    def test_M04_M05_pictures_that_do_not_fit_are_refused(self):
        _, words, _ = self.golden("qwen3-vl")
        file, two = words[1], words[:4]
        self.refuses("each picture needs both", "--pixels", file)
        for grid in ("1,6", "1,6,8,1", "0,6,8", "1,-6,8", "x", "1,6,99999999999999999999"):
            self.refuses("--grid " + grid, "--pixels", file, "--grid", grid)
        self.refuses("are not those of", "--pixels", file, "--grid", "1,6,10")
        self.refuses("multiples of 2", "--pixels", file, "--grid", "1,3,16")
        self.refuses("cannot open", "--pixels", self.path("none"), "--grid", "1,6,8")
        self.refuses("places for 0", *two, ids="1,2")
        self.refuses("places for more than its 1 pictures", *two, ids="1,319,2,319")
        self.refuses("picture 1 has 12 tokens, the prompt has 2", *two, ids="1,319,319,2")
        self.refuses("does not fit the context", *two, "--ctx", "8")
        self.refuses("does not see", *two, model=os.path.join(GOLDEN, "qwen3"))

    def sees(self, change, weights=None, case="qwen3-vl"):
        """A model whose vision settings were changed: what `raga show` says of it."""
        model = self.model(case, lambda c: None, weights)
        path = os.path.join(model, "config.json")
        with open(path, encoding="utf-8") as f:
            config = json.load(f)
        change(config["vision_config"], config)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(config, f)
        shown = json.loads(self.good("show", model, "--json").stdout)
        self.logits(model, [1, 2, 3])  # its words are read in any case
        return shown["sees"], shown["warnings"]

    def test_settings_that_cannot_be_leave_the_words(self):
        sees, warnings = self.sees(lambda v, c: None)
        self.assertTrue(sees)
        self.assertNotIn("pictures", warnings)
        for key, value, said in (("depth", 0, "vision_config.depth"), ("depth", 4, "blocks.3"), ("num_heads", 7, "7 heads"),
                                 ("num_heads", 24, "24 heads"), ("patch_size", 0, "patch_size"), ("in_channels", 1, "in_channels"),
                                 ("spatial_merge_size", 9, "spatial_merge_size"), ("spatial_merge_size", 3, "merger"),
                                 ("num_position_embeddings", 35, "no square"), ("window_size", 8, "a window of 8"),
                                 ("out_hidden_size", 32, "do not fit words"), ("deepstack_visual_indexes", [2, 0], "ascending"),
                                 ("deepstack_visual_indexes", [0, 3], "ascending"), ("deepstack_visual_indexes", ["a"], "ascending"),
                                 ("hidden_size", 1 << 40, "hidden_size"), ("intermediate_size", "x", "intermediate_size")):
            sees, warnings = self.sees(lambda v, c: v.__setitem__(key, value))
            self.assertFalse(sees, key)
            self.assertIn("no pictures", warnings)
            self.assertIn(said, warnings)
        # settings of another way of seeing: without weights for them, in another order, a table of no places
        def no_places(tensors):
            tensors["model.visual.pos_embed.weight"] = (tensors["model.visual.pos_embed.weight"][0], [0, 48], b"")
        for case, change, weights, said in (
                ("qwen2.5-vl", lambda v: v.update(deepstack_visual_indexes=[0]), None, "no deepstack_visual_indexes"),
                ("qwen3-vl", lambda v: v.update(window_size=32), None, "no window_size"),
                ("qwen3-vl", lambda v: v.pop("num_position_embeddings"), no_places, "must have num_position_embeddings")):
            sees, warnings = self.sees(lambda v, c: change(v), weights, case)
            self.assertFalse(sees, said)
            self.assertIn(said, warnings)
        sees, warnings = self.sees(lambda v, c: c.__setitem__("architectures", ["Qwen3ForCausalLM"]))
        self.assertFalse(sees)
        self.assertIn("not supported yet", warnings)

    def test_sections_that_do_not_add_up_are_refused(self):
        for sections in ([6, 5], [6, 5, 6], [6, -5, 15], [17, 0, 0], "x"):
            model = self.model("qwen3-vl", lambda c: c["rope_scaling"].__setitem__("mrope_section", sections))
            if sections == "x":
                shown = json.loads(self.good("show", model, "--json").stdout)
                self.assertFalse(shown["sees"])
                self.assertIn("mrope_section", shown["warnings"])
            else:
                self.refused("mrope_section", model)

    def test_a_damaged_tower_leaves_the_words(self):
        def drop(tensors):
            del tensors["model.visual.blocks.1.attn.qkv.weight"]

        def bend(tensors):
            dtype, shape, data = tensors["model.visual.patch_embed.proj.weight"]
            tensors["model.visual.patch_embed.proj.weight"] = (dtype, [shape[0], 3, 2, 4, 16], data)
            tensors["model.visual.norm.weight"] = (dtype, [8], data[:16])

        sees, warnings = self.sees(lambda v, c: None, drop)
        self.assertFalse(sees)
        self.assertIn("blocks.1.attn.qkv.weight", warnings)
        # a kernel of other sides has the same row; a tensor without use is named
        sees, warnings = self.sees(lambda v, c: None, bend)
        self.assertTrue(sees)
        self.assertIn("model.visual.norm.weight is not used", warnings)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
