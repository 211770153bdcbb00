#!/usr/bin/env python3
"""tests/data/tiny as a GGUF file, and the parts to make broken ones of. usage: tiny_gguf.py OUT"""
import json
import math
import os
import struct
import sys

TINY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../data/tiny")
U32, F32, BOOL, STR, ARR, I32 = 4, 6, 7, 8, 9, 5


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
    """tensors: name -> (shape, bf16 values); values None: zeros, which take no room on disk"""
    infos, data, size = b"", [], 0
    for name, (shape, raw) in tensors.items():
        kind = 0 if len(shape) == 1 else 30
        if kind == 0 and raw is not None:  # norms are f32 in GGUF
            raw = b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))
        infos += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in reversed(shape))
        infos += struct.pack("<IQ", kind, size)
        data.append((size, raw or b""))
        size += math.prod(shape) * (4 if kind == 0 else 2) if raw is None else len(raw)
        size += -size % 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(text(k) + struct.pack("<I", kind) + value(kind, v) for k, (kind, v) in pairs.items()) + infos
    head += bytes(-len(head) % 32)
    with open(path, "wb") as out:
        out.write(head)
        for at, raw in data:
            out.seek(len(head) + at)
            out.write(raw)
        out.truncate(len(head) + size)


if __name__ == "__main__":
    write(sys.argv[1], metadata(), {gguf_name(name): entry for name, entry in read_tiny().items()})
