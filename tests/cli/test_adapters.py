#!/usr/bin/env python3
"""Adapters as a user meets them: both containers, both kinds of base, bad ones. usage: test_adapters.py RAGA ROOT"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FFN = 2, 64, 4, 2, 16, 96
RECIPE = {"model": {"family": "llama", "layers": LAYERS, "hidden": HIDDEN, "heads": HEADS, "kv_heads": KV_HEADS,
                    "head_dim": HEAD_DIM, "ffn": FFN, "context": 64},
          "tokenizer": {"vocab": 280, "special": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "eos": "<|im_end|>"},
          "data": ["d.jsonl"], "batch": 4, "seq_len": 32, "steps": 20, "lr": 3e-3, "warmup": 2}
U32, F32, STR, ARR, I32 = 4, 6, 8, 9, 5
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm"}
TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}


def raga(*args):
    out = subprocess.run([RAGA, *args], capture_output=True, timeout=300)
    return out.returncode, out.stdout.decode("utf-8", "replace"), out.stderr.decode("utf-8", "replace")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def read_safetensors(path):
    raw = read(path)
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    header.pop("__metadata__", None)
    return {k: (e["shape"], raw[8 + n + e["data_offsets"][0]:8 + n + e["data_offsets"][1]]) for k, e in header.items()}


def text(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, v):
    if kind == STR:
        return text(v)
    if kind == ARR:
        item, items = v
        return struct.pack("<IQ", item, len(items)) + b"".join(value(item, i) for i in items)
    return struct.pack({U32: "<I", F32: "<f", I32: "<i"}[kind], v)


def write_gguf(path, pairs, tensors):
    infos, data = b"", b""
    for name, (shape, raw) in tensors.items():
        infos += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in reversed(shape))
        infos += struct.pack("<IQ", 0, len(data))
        data += raw + bytes(-len(raw) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(text(k) + struct.pack("<I", kind) + value(kind, v) for k, (kind, v) in pairs.items()) + infos
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % 32) + data)


def read_gguf(path):
    """Pairs of scalars and text, tensors of f32: what an adapter has."""
    raw, at = read(path), 24

    def take(form):
        nonlocal at
        v = struct.unpack_from("<" + form, raw, at)
        at += struct.calcsize("<" + form)
        return v[0] if len(v) == 1 else v

    def word():
        nonlocal at
        n = take("Q")
        at += n
        return raw[at - n:at].decode()

    assert raw[:4] == b"GGUF" and struct.unpack_from("<I", raw, 4)[0] == 3
    n_tensors, n_pairs = struct.unpack_from("<QQ", raw, 8)
    pairs, infos = {}, []
    for _ in range(n_pairs):
        key = word()
        kind = take("I")
        pairs[key] = (kind, word() if kind == STR else take({U32: "I", F32: "f", I32: "i"}[kind]))
    for _ in range(n_tensors):
        name, n_dims = word(), take("I")
        shape = [take("Q") for _ in range(n_dims)][::-1]
        kind, offset = take("I"), take("Q")
        assert kind == 0
        infos.append((name, shape, offset))
    at += -at % 32
    tensors = {}
    for name, shape, offset in infos:
        n = 4
        for d in shape:
            n *= d
        tensors[name] = (shape, raw[at + offset:at + offset + n])
    return pairs, tensors


def turned(raw, heads):
    """Rows of q or k in the order that GGUF files of this family have."""
    row = len(raw) // (heads * HEAD_DIM)
    rows = [raw[i * row:(i + 1) * row] for i in range(heads * HEAD_DIM)]
    half = HEAD_DIM // 2
    return b"".join(rows[h * HEAD_DIM + i // 2 + (i % 2) * half] for h in range(heads) for i in range(HEAD_DIM))


def to_gguf(model, path):
    tensors = {}
    for name, (shape, raw) in read_safetensors(os.path.join(model, "model.safetensors")).items():
        if name in TOP:
            tensors[TOP[name]] = (shape, raw)
            continue
        _, _, layer, rest = name.split(".", 3)
        kind = NAMES[rest[:-len(".weight")]]
        if kind in ("attn_q", "attn_k"):
            raw = turned(raw, HEADS if kind == "attn_q" else KV_HEADS)
        tensors[f"blk.{layer}.{kind}.weight"] = (shape, raw)
    with open(os.path.join(model, "tokenizer.json"), encoding="utf-8") as file:
        tok = json.load(file)
    vocab = tok["model"]["vocab"]
    added = {e["content"]: e["id"] for e in tok["added_tokens"]}
    words = sorted({**vocab, **added}, key={**vocab, **added}.get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in tok["model"]["merges"]]
    write_gguf(path, {
        "general.architecture": (STR, "llama"), "llama.block_count": (U32, LAYERS), "llama.embedding_length": (U32, HIDDEN),
        "llama.feed_forward_length": (U32, FFN), "llama.attention.head_count": (U32, HEADS),
        "llama.attention.head_count_kv": (U32, KV_HEADS), "llama.context_length": (U32, 64),
        "llama.rope.dimension_count": (U32, HEAD_DIM), "llama.attention.layer_norm_rms_epsilon": (F32, 1e-6),
        "llama.rope.freq_base": (F32, 10000.0), "tokenizer.ggml.model": (STR, "gpt2"), "tokenizer.ggml.pre": (STR, "qwen2"),
        "tokenizer.ggml.tokens": (ARR, (STR, words)),
        "tokenizer.ggml.token_type": (ARR, (I32, [3 if w in added else 1 for w in words])),
        "tokenizer.ggml.merges": (ARR, (STR, merges)), "tokenizer.ggml.eos_token_id": (U32, added["<|im_end|>"])}, tensors)


class Adapters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()
        cls.dir = cls.temp.name
        with open(cls.path("d.jsonl"), "w") as file:
            for i in range(200):
                file.write(json.dumps({"text": f"line {i} says {i * 7 % 13} and {i * i % 11}."}) + "\n")
        with open(cls.path("r.json"), "w") as file:
            json.dump(RECIPE, file)
        cls.done("train", cls.path("r.json"), "-o", cls.path("hf"))
        to_gguf(cls.path("hf"), cls.path("m.gguf"))
        for base, out, more in (("hf", "of_hf", ()), ("m.gguf", "of_gguf", ()),
                                ("hf", "of_root", ("--rslora", "--seed", "3", "--targets", "q_proj,v_proj"))):
            cls.done("tune", cls.path(base), cls.path("d.jsonl"), "-o", cls.path(out), "--steps", "6", "--rank", "4", "--lr",
                     "2e-2", *more)

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.dir, name)

    @classmethod
    def done(cls, *args):
        code, _, err = raga(*args)
        assert code == 0, err

    def logits(self, base, *adapters):
        more = [word for a in adapters for word in ("--adapter", self.path(a))]
        self.done("logits", self.path(base), "--ids", "5,6,7,8,9", "--exact", "-o", self.path("out"), *more)
        raw = read(self.path("out"))
        return struct.unpack(f"<{len(raw) // 4}f", raw)

    def far(self, a, b):
        return max(abs(x - y) for x, y in zip(a, b))

    def test_both_containers_say_the_same_on_both_kinds_of_base(self):
        self.assertLess(self.far(self.logits("hf"), self.logits("m.gguf")), 1e-5)  # the same model
        for adapter in ("of_hf", "of_gguf", "of_root"):
            ours = self.logits("hf", adapter)
            self.assertGreater(self.far(ours, self.logits("hf")), 1e-2)
            self.assertEqual(self.logits("hf", adapter + "/adapter.gguf"), ours, adapter)
            self.assertEqual(self.logits("m.gguf", adapter), self.logits("m.gguf", adapter + "/adapter.gguf"), adapter)
            self.assertLess(self.far(ours, self.logits("m.gguf", adapter)), 1e-4)

    def test_the_gguf_is_laid_out_as_llama_cpp_reads_it(self):
        pairs, tensors = read_gguf(self.path("of_hf/adapter.gguf"))
        self.assertEqual(pairs, {"general.architecture": (STR, "llama"), "general.type": (STR, "adapter"),
                                 "adapter.type": (STR, "lora"), "adapter.lora.alpha": (F32, 8.0)})
        self.assertEqual(len(tensors), 2 * 7 * LAYERS)
        self.assertEqual(tensors["blk.0.ffn_down.weight.lora_a"][0], [4, FFN])
        self.assertEqual(tensors["blk.1.ffn_down.weight.lora_b"][0], [HIDDEN, 4])
        peft = read_safetensors(self.path("of_hf/adapter_model.safetensors"))
        q = "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight"
        self.assertEqual(tensors["blk.1.attn_q.weight.lora_b"][1], turned(peft[q][1], HEADS))
        self.assertEqual(tensors["blk.1.attn_v.weight.lora_b"][1], peft[q.replace("q_proj", "v_proj")][1])
        # alpha / sqrt(rank) is said as alpha' / rank
        self.assertEqual(read_gguf(self.path("of_root/adapter.gguf"))[0]["adapter.lora.alpha"], (F32, 16.0))

    def test_several_adapters_add_up_by_their_scales(self):
        whole = self.logits("hf", "of_hf")
        self.assertEqual(self.logits("hf", "of_hf", "of_root:0"), whole)
        self.assertLess(self.far(self.logits("hf", "of_hf:0.25", "of_hf/adapter.gguf:0.75"), whole), 1e-4)
        both = self.logits("hf", "of_hf", "of_root")
        self.assertGreater(self.far(both, whole), 1e-3)
        self.assertLess(self.far(both, self.logits("hf", "of_root", "of_hf")), 1e-4)
        self.done("merge", self.path("hf"), "--adapter", self.path("of_hf") + ":0.5", "--adapter", self.path("of_root") + ":2", "-o",
                  self.path("merged"))
        self.assertLess(self.far(self.logits("merged"), self.logits("hf", "of_hf:0.5", "of_root:2")), 1e-3)

    def refused(self, path, *words):
        code, _, err = raga("logits", self.path("hf"), "--ids", "5", "-o", self.path("out"), "--adapter", path)
        self.assertEqual(code, 1, err)
        for word in words:
            self.assertIn(word, err)

    def test_g28_bad_adapters_are_refused_with_what_is_wrong(self):
        pairs, tensors = read_gguf(self.path("of_hf/adapter.gguf"))
        bad = self.path("bad.gguf")
        a, b = "blk.0.attn_v.weight.lora_a", "blk.0.attn_v.weight.lora_b"
        out = KV_HEADS * HEAD_DIM

        def zeros(*shape):
            n = 4
            for d in shape:
                n *= d
            return list(shape), bytes(n)

        cases = (({"general.architecture": (STR, "qwen3")}, {}, "qwen3"),
                 ({"general.type": (STR, "model")}, {}, "general.type"),
                 ({"adapter.type": (STR, "control_vector")}, {}, "adapter.type"),
                 ({"adapter.lora.alpha": (F32, float("nan"))}, {}, "adapter.lora.alpha"),
                 ({"adapter.lora.alpha": (F32, float("inf"))}, {}, "adapter.lora.alpha"),
                 ({}, {a: zeros(0, HIDDEN), b: zeros(out, 0)}, "attn_v"),
                 ({}, {a: zeros(HIDDEN + 1, HIDDEN), b: zeros(out, HIDDEN + 1)}, "rank of 1 to 64"),
                 ({}, {a: zeros(4, HIDDEN - 1)}, a), ({}, {b: zeros(out, 3)}, b),
                 ({}, {"blk.9.attn_v.weight.lora_a": zeros(4, HIDDEN), "blk.9.attn_v.weight.lora_b": zeros(out, 4)}, "another"),
                 ({}, {"blk.0.attn_w.weight.lora_a": zeros(4, HIDDEN)}, "another"), ({}, {a: None}, a), ({}, {b: None}, b),
                 ({}, {a: ([4, HIDDEN], struct.pack("<f", float("nan")) * 4 * HIDDEN)}, "not finite"),
                 ({}, {name: None for name in tensors}, "bad.gguf"))
        for more, changed, word in cases:
            mixed = {k: v for k, v in {**tensors, **changed}.items() if v is not None}
            write_gguf(bad, {**pairs, **more}, mixed)
            self.refused(bad, "bad.gguf", word)
        raw = read(self.path("of_hf/adapter.gguf"))
        for n in (0, 3, 20, 100, len(raw) // 2, len(raw) - 40):
            with open(bad, "wb") as file:
                file.write(raw[:n])
            self.refused(bad, "bad.gguf")

    def test_bad_settings_of_a_peft_adapter_are_named(self):
        shutil.copytree(self.path("of_hf"), self.path("bad"))
        with open(self.path("bad/adapter_config.json")) as file:
            config = json.load(file)
        for change, word in (({"lora_alpha": None}, "lora_alpha"), ({"lora_alpha": "8"}, "lora_alpha"), ({"use_dora": True}, "use_dora"),
                             ({"peft_type": "IA3"}, "IA3"), ({"bias": "all"}, "bias"), ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
                             ({"modules_to_save": ["lm_head"]}, "modules_to_save")):
            with open(self.path("bad/adapter_config.json"), "w") as file:
                json.dump({**config, **change}, file)
            self.refused(self.path("bad"), word)
        for raw in (b"", b"{", b'{"lora_alpha": NaN}', b'{"lora_alpha": 1e999}', b"[1]"):
            with open(self.path("bad/adapter_config.json"), "wb") as file:
                file.write(raw)
            self.refused(self.path("bad"), "adapter_config.json")
        self.refused(self.path("of_hf") + ":nan", "scale")

    def test_ranks_and_targets_that_a_model_cannot_have_are_refused(self):
        for more, word in ((("--rank", "65"), "65"), (("--targets", "q_pro"), "q_pro"), (("--compute", "f64"), "f64")):
            code, _, err = raga("tune", self.path("hf"), self.path("d.jsonl"), "-o", self.path("no"), "--steps", "1", *more)
            self.assertEqual(code, 1, more)
            self.assertIn(word, err)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
