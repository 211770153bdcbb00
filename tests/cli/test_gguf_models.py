#!/usr/bin/env python3
"""GGUF models good and bad, as a user meets them. usage: test_gguf_models.py RAGA ROOT"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tiny_gguf import ARR, BOOL, F32, I32, STR, U32, gguf_name, metadata, read_tiny, write  # noqa: E402

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
TINY = os.path.join(ROOT, "tests/data/tiny")


def raga(*args, stdin=""):
    out = subprocess.run([RAGA, *args], input=stdin.encode(), capture_output=True, timeout=300)
    return out.returncode, out.stdout.decode("utf-8", "replace"), out.stderr.decode("utf-8", "replace")


class Gguf(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "m.gguf")
        self.pairs = metadata()
        self.tensors = {gguf_name(name): entry for name, entry in read_tiny().items()}

    def tearDown(self):
        self.folder.cleanup()

    def refused(self, named, command=("run", "-n", "1", "--ids", "1")):
        write(self.path, self.pairs, self.tensors)
        code, _, err = raga(command[0], self.path, *command[1:])
        self.assertEqual(code, 1, named)
        self.assertIn(named, err)

    def test_gives_the_numbers_of_the_directory(self):
        write(self.path, self.pairs, self.tensors)
        outs = []
        for model in (self.path, TINY):
            out = os.path.join(self.folder.name, "out.f32")
            self.assertEqual(raga("logits", model, "--ids", "1,2,3,250", "--exact", "-o", out)[0], 0)
            with open(out, "rb") as file:
                outs.append(file.read())
        self.assertEqual(outs[0], outs[1])
        line = '{"text":"Hello and the thing <|im_end|> x"}\n'
        self.assertEqual(raga("tokenize", self.path, "--jsonl", stdin=line), raga("tokenize", TINY, "--jsonl", stdin=line))
        self.assertEqual(raga("run", self.path, "Hello", "-n", "8", "--seed", "1", "--temp", "0.9", "--top-p", "0.95")[1],
                         raga("run", TINY, "Hello", "-n", "8", "--seed", "1")[1])

    def test_latent_attention_keeps_its_latents_alone(self):
        """The attention of DeepSeek-V2-Lite in its real sizes, 32k tokens: 512 + 64 values of two bytes a layer."""
        layers, embd, heads, latent, turning, still, ctx = 27, 256, 16, 512, 64, 128, 32768
        keys = {"block_count": layers, "embedding_length": embd, "feed_forward_length": 64, "attention.head_count": heads,
                "attention.head_count_kv": 1, "context_length": 163840, "attention.kv_lora_rank": latent,
                "attention.key_length": latent + turning, "attention.value_length": latent,
                "attention.key_length_mla": still + turning, "attention.value_length_mla": still,
                "rope.dimension_count": turning, "leading_dense_block_count": layers}
        self.pairs = {"general.architecture": (STR, "deepseek2"), "deepseek2.attention.layer_norm_rms_epsilon": (F32, 1e-6),
                      "deepseek2.rope.freq_base": (F32, 1e4), **{"deepseek2." + key: (U32, v) for key, v in keys.items()}}
        shapes = {"token_embd": (64, embd), "output_norm": (embd,)}
        for i in range(layers):
            shapes.update({f"blk.{i}.{name}": shape for name, shape in {
                "attn_norm": (embd,), "attn_q": (heads * (still + turning), embd), "attn_kv_a_mqa": (latent + turning, embd),
                "attn_kv_a_norm": (latent,), "attn_k_b": (heads, latent, still), "attn_v_b": (heads, still, latent),
                "attn_output": (embd, heads * still), "ffn_norm": (embd,), "ffn_gate": (64, embd), "ffn_up": (64, embd),
                "ffn_down": (embd, 64)}.items()})
        write(self.path, self.pairs, {name + ".weight": (shape, None) for name, shape in shapes.items()})
        code, out, err = raga("show", self.path, "--json", "--ctx", str(ctx))
        self.assertEqual(code, 0, err)
        bill, least = json.loads(out)["bill"], ctx * layers * (latent + turning) * 2
        self.assertLessEqual(least, bill["kv"])
        self.assertLessEqual(bill["kv"], 1.02 * least)

    def test_g20_settings_out_of_range_name_their_key(self):
        for key, kind, bad in (("block_count", U32, 0), ("block_count", U32, 2 ** 32 - 1), ("attention.head_count", U32, 0),
                               ("context_length", U32, 0), ("attention.layer_norm_rms_epsilon", F32, float("nan")),
                               ("rope.freq_base", F32, 0.0), ("rope.freq_base", F32, float("inf")),
                               ("rope.dimension_count", U32, 9), ("rope.dimension_count", U32, 64),
                               ("attention.key_length", U32, 0), ("embedding_length", STR, "wide")):
            self.pairs = {**metadata(), "qwen3." + key: (kind, bad)}
            self.refused("qwen3." + key)
        self.pairs = {**metadata(), "qwen3.rope.dimension_count": (U32, 7)}
        self.refused("rope turns 7")
        for heads, kv in ((4, 3), (4, 8)):
            self.pairs = {**metadata(), "qwen3.attention.head_count": (U32, heads), "qwen3.attention.head_count_kv": (U32, kv)}
            self.refused("heads")

    def test_g21_tensors_missing_or_misshapen_are_named(self):
        kept = dict(self.tensors)
        del self.tensors["blk.1.ffn_down.weight"]
        self.refused("blk.1.ffn_down.weight")
        shape, raw = kept["blk.0.attn_k.weight"]
        self.tensors = {**kept, "blk.0.attn_k.weight": ([shape[1], shape[0]], raw)}
        self.refused("blk.0.attn_k.weight")
        self.tensors = kept
        del self.pairs["qwen3.block_count"]
        self.refused("qwen3.block_count")

    def test_g22_arrays_of_another_type_or_length_are_refused(self):
        self.pairs["tokenizer.ggml.tokens"] = (ARR, (I32, [1, 2]))
        self.refused("tokenizer.ggml.tokens")
        self.pairs = {**metadata(), "tokenizer.ggml.merges": (ARR, (U32, [1]))}
        self.refused("tokenizer.ggml.merges")
        self.pairs = {**metadata(), "qwen3.feed_forward_length": (ARR, (U32, [64, 65]))}
        self.refused("differs from layer to layer")
        self.pairs = {**metadata(), "qwen3.feed_forward_length": (ARR, (U32, [64, 64]))}
        write(self.path, self.pairs, self.tensors)
        self.assertEqual(raga("run", self.path, "--ids", "1", "-n", "1")[0], 0)

    def test_g23_tokenizers_that_contradict_themselves_are_refused(self):
        n = len(self.pairs["tokenizer.ggml.tokens"][1][1])
        for key, kind, bad, named in (("token_type", ARR, (I32, [1] * (n - 1)), "token_type"),
                                      ("merges", ARR, (STR, ["xyzzy q"]), "merge 0"), ("merges", ARR, (STR, ["a"]), "merge 0"),
                                      ("eos_token_id", U32, n, "eos_token_id"), ("bos_token_id", I32, -5, "bos_token_id"),
                                      ("tokens", ARR, (STR, ["a"] * (n + 1)), "token_type"),
                                      ("tokens", ARR, (STR, ["a" * 70000] + ["b"] * (n - 1)), "70000 bytes")):
            self.pairs = {**metadata(), "tokenizer.ggml." + key: (kind, bad)}
            self.refused(named)

    def test_g27_a_template_that_is_too_large_is_left_out(self):
        for template, named in (("x" * (2 << 20), "template"), ("{% for %}", "template")):
            self.pairs["tokenizer.chat_template"] = (STR, template)
            write(self.path, self.pairs, self.tensors)
            code, out, _ = raga("show", self.path)
            self.assertEqual(code, 0)
            self.assertIn(named, out)
            self.assertEqual(raga("run", self.path, "--ids", "1", "-n", "1")[0], 0)

    def test_an_unknown_family_is_refused_with_the_nearest(self):
        self.pairs["general.architecture"] = (STR, "qwen33")
        self.refused('"qwen33"')
        self.refused("qwen3")

    def test_a_container_without_a_model_shows_its_tensors(self):
        write(self.path, {"general.type": (STR, "adapter")}, {"x": ([2, 32], bytes(128))})
        code, out, _ = raga("show", self.path, "--tensors")
        self.assertEqual(code, 0)
        self.assertIn("general.architecture is missing", out)
        self.assertIn("2 x 32", out)


unittest.main(argv=sys.argv[:1], verbosity=1)
