#!/usr/bin/env python3
"""Make tests/data/tiny: a Qwen3-shaped model of random weights with a byte-level tokenizer and a chat template.

usage: tools/make_tiny_model.py DIRECTORY      (the same bytes every time)
It knows no language; it lets ./run and the tests go the whole way without a download.
"""
import json
import os
import random
import struct
import sys

WIDTH, LAYERS, HEADS, KV_HEADS, HEAD_DIM, FF = 32, 2, 4, 2, 8, 64
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WORDS = ["the", "and", "ing", "ion", "you", " a", " t", " s", "er", "in", "on", "an", "re", "at", "en", "or", "He", "ll", "o,"]
TEMPLATE = ("{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
            "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}")
PATTERN = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
           "|\\s+(?!\\S)|\\s+")


def printable():
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, n = {}, 0
    for byte in range(256):
        if byte in keep:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + n)
            n += 1
    return table


def tokenizer():
    spell = printable()
    vocab = {spell[byte]: byte for byte in range(256)}
    merges = []
    for word in WORDS:
        text = "".join(spell[b] for b in word.encode())
        for end in range(2, len(text) + 1):
            left, right = text[:end - 1], text[end - 1]
            if text[:end] not in vocab:
                vocab[text[:end]] = len(vocab)
                merges.append(f"{left} {right}")
    added = [{"id": len(vocab) + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, text in enumerate(SPECIALS)]
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {"version": "1.0", "added_tokens": added, "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]},
            "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "vocab": vocab, "merges": merges}}, len(vocab) + len(SPECIALS)


def weights(n_vocab):
    rng = random.Random(1)
    shapes = {"model.embed_tokens.weight": (n_vocab, WIDTH), "model.norm.weight": (WIDTH,),
              "lm_head.weight": (n_vocab, WIDTH)}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        shapes |= {p + "input_layernorm.weight": (WIDTH,), p + "post_attention_layernorm.weight": (WIDTH,),
                   p + "self_attn.q_proj.weight": (HEADS * HEAD_DIM, WIDTH),
                   p + "self_attn.k_proj.weight": (KV_HEADS * HEAD_DIM, WIDTH),
                   p + "self_attn.v_proj.weight": (KV_HEADS * HEAD_DIM, WIDTH),
                   p + "self_attn.o_proj.weight": (WIDTH, HEADS * HEAD_DIM),
                   p + "self_attn.q_norm.weight": (HEAD_DIM,), p + "self_attn.k_norm.weight": (HEAD_DIM,),
                   p + "mlp.gate_proj.weight": (FF, WIDTH), p + "mlp.up_proj.weight": (FF, WIDTH),
                   p + "mlp.down_proj.weight": (WIDTH, FF)}
    header, data = {}, b""
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        if len(shape) == 1:
            values = [1.0] * count
        else:
            values = [rng.gauss(0, 1.0 if "embed" in name else shape[1] ** -0.5) for _ in range(count)]
        if name == "lm_head.weight":
            # letters and spaces come up, what cannot be printed seldom does
            for row in range(shape[0]):
                factor = 3.0 if row == 32 or 97 <= row < 123 or row >= 256 else 0.1
                values[row * WIDTH:(row + 1) * WIDTH] = [v * factor for v in values[row * WIDTH:(row + 1) * WIDTH]]
        # bfloat16: the upper half, rounded to nearest
        raw = b"".join(struct.pack("<H", (struct.unpack("<I", struct.pack("<f", v))[0] + 0x8000) >> 16) for v in values)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    tok, n_vocab = tokenizer()
    end = n_vocab - 1
    config = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": n_vocab, "hidden_size": WIDTH,
              "intermediate_size": FF, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
              "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM, "hidden_act": "silu", "max_position_embeddings": 2048,
              "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    files = {"config.json": config, "tokenizer.json": tok,
             "tokenizer_config.json": {"eos_token": "<|im_end|>", "chat_template": TEMPLATE},
             "generation_config.json": {"eos_token_id": [end], "temperature": 0.9, "top_p": 0.95, "do_sample": True}}
    for name, tree in files.items():
        with open(os.path.join(folder, name), "w", encoding="ascii") as out:
            json.dump(tree, out, indent=None if name == "tokenizer.json" else 1)
            out.write("\n")
    with open(os.path.join(folder, "model.safetensors"), "wb") as out:
        out.write(weights(n_vocab))


main()
