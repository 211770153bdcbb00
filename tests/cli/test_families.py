"""What settings leave out, what they get wrong, and adapters of layers that are not plain attention.
usage: test_families.py RAGA ROOT"""
import array
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

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
        for case in ("qwen3.5", "qwen3-next", "kimi-linear", "deepseek-v2-lite", "deepseek-v3", "qwen3-moe"):
            model, adapter, merged = self.model(case, lambda c: None, widen), self.path("adapter"), self.path("merged")
            for folder in (adapter, merged):
                shutil.rmtree(folder, ignore_errors=True)
            self.good("tune", model, data, "-o", adapter, "--steps", "4", "--batch", "2", "--lr", "0.01", "--no-record")
            with open(os.path.join(adapter, "adapter_config.json"), encoding="utf-8") as f:
                targets = json.load(f)["target_modules"]
            self.assertFalse([t for t in targets if "conv" in t or t in ("kv_b_proj", "experts")], case)
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


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
