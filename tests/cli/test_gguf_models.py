#!/usr/bin/env python3
"""GGUF models good and bad, as a user meets them. usage: test_gguf_models.py RAGA ROOT"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
TINY = os.path.join(ROOT, "tests/data/tiny")
U32, F32, BOOL, STR, ARR, I32 = 4, 6, 7, 8, 9, 5


def raga(*args, stdin=""):
    out = subprocess.run([RAGA, *args], input=stdin.encode(), capture_output=True, timeout=300)
    return out.returncode, out.stdout.decode("utf-8", "replace"), out.stderr.decode("utf-8", "replace")


def text(s):
    raw = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, v):
    if kind == STR:
        return text(v)
    if kind == ARR:
        item, items = v
        return struct.pack("<IQ", item, len(items)) + b"".join(value(item, i) for i in items)
    return struct.pack({U32: "<I", F32: "<f", BOOL: "<?", I32: "<i"}[kind], v)


def read_tiny():
    with open(os.path.join(TINY, "model.safetensors"), "rb") as file:
        raw = file.read()
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    return {name: (e["shape"], raw[8 + n + e["data_offsets"][0]:8 + n + e["data_offsets"][1]]) for name, e in header.items()}


NAMES = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
         "lm_head.weight": "output.weight", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
         "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    if name in NAMES:
        return NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest[:-len('.weight')]]}.weight"


def metadata():
    with open(os.path.join(TINY, "tokenizer.json"), encoding="utf-8") as file:
        tok = json.load(file)
    vocab = sorted(tok["model"]["vocab"], key=tok["model"]["vocab"].get)
    added = [entry["content"] for entry in tok["added_tokens"]]
    with open(os.path.join(TINY, "tokenizer_config.json"), encoding="utf-8") as file:
        template = json.load(file)["chat_template"]
    return {"general.architecture": (STR, "qwen3"), "general.name": (STR, "tiny"), "qwen3.block_count": (U32, 2),
            "qwen3.embedding_length": (U32, 32), "qwen3.feed_forward_length": (U32, 64), "qwen3.attention.head_count": (U32, 4),
            "qwen3.attention.head_count_kv": (U32, 2), "qwen3.attention.key_length": (U32, 8),
            "qwen3.attention.value_length": (U32, 8), "qwen3.context_length": (U32, 2048),
            "qwen3.attention.layer_norm_rms_epsilon": (F32, 1e-6), "qwen3.rope.freq_base": (F32, 10000.0),
            "tokenizer.ggml.model": (STR, "gpt2"), "tokenizer.ggml.pre": (STR, "qwen2"),
            "tokenizer.ggml.tokens": (ARR, (STR, vocab + added)),
            "tokenizer.ggml.token_type": (ARR, (I32, [1] * len(vocab) + [3] * len(added))),
            "tokenizer.ggml.merges": (ARR, (STR, tok["model"]["merges"])),
            "tokenizer.ggml.eos_token_id": (U32, len(vocab) + 2), "tokenizer.chat_template": (STR, template)}


def write(path, pairs, tensors):
    infos, data = b"", b""
    for name, (shape, raw) in tensors.items():
        kind = 0 if len(shape) == 1 else 30
        if kind == 0:  # norms are f32 in GGUF
            raw = b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))
        infos += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in reversed(shape))
        infos += struct.pack("<IQ", kind, len(data))
        data += raw + bytes(-len(raw) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(text(k) + struct.pack("<I", kind) + value(kind, v) for k, (kind, v) in pairs.items()) + infos
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % 32) + data)


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
