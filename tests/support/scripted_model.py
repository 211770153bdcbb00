"""A language model that says what a test wants: a Hugging Face directory whose every token has one successor.

Its layer adds nothing, its embedding is one-hot, its head holds the successors. The chat template looks at the conversation and ends the
prompt with the token that begins the answer: the script is in the template, the answers are chains of tokens.
"""
import json
import os
import struct

HEADS, DIM = 1, 32


def byte_letters():
    # GPT-2's letters for bytes
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters, n = [], 0
    for byte in range(256):
        letters.append(chr(byte) if byte in keep else chr(256 + n))
        n += byte not in keep
    return letters


def tensor(shape, ones):
    values = {}
    for at in ones:
        values[at] = 1.0
    n = 1
    for d in shape:
        n *= d
    raw = bytearray(4 * n)
    for at in values:
        struct.pack_into("<f", raw, 4 * at, 1.0)
    return shape, bytes(raw)


def make(path, answers, script, context=4096):
    """answers: {name: [texts]}, each text one token; "<tool_call>" and "</tool_call>" are the markers. script: Jinja that
    writes the name of the answer, given `messages` and `last`, the last of them."""
    os.makedirs(path)
    special = ["<|end|>", "<tool_call>", "</tool_call>", "<|turn|>"] + [f"<|{name}|>" for name in answers]
    words = []
    for texts in answers.values():
        words += [t for t in texts if t not in special and t not in words]
    # a chain cannot pass one token twice with two successors: each place of an answer has a token of its own
    tokens = byte_letters() + special + words
    id_of = {t: i for i, t in enumerate(tokens)}
    n = -(-len(tokens) // 32) * 32
    successor = {}
    for name, texts in answers.items():
        chain = [f"<|{name}|>"] + texts + ["<|end|>"]
        for a, b in zip(chain, chain[1:]):
            if successor.setdefault(id_of[a], id_of[b]) != id_of[b]:
                raise ValueError(f"{a!r} is followed by two tokens")
    weights = {"model.embed_tokens.weight": tensor([n, n], [i * n + i for i in range(n)]),
               "lm_head.weight": tensor([n, n], [b * n + a for a, b in successor.items()]),
               "model.norm.weight": tensor([n], range(n))}
    layer = "model.layers.0."
    for name, shape in (("self_attn.q_proj", [DIM, n]), ("self_attn.k_proj", [DIM, n]), ("self_attn.v_proj", [DIM, n]),
                        ("self_attn.o_proj", [n, DIM]), ("mlp.gate_proj", [DIM, n]), ("mlp.up_proj", [DIM, n]),
                        ("mlp.down_proj", [n, DIM])):
        weights[layer + name + ".weight"] = tensor(shape, [])
    for name, size in (("self_attn.q_norm", DIM), ("self_attn.k_norm", DIM), ("input_layernorm", n),
                       ("post_attention_layernorm", n)):
        weights[layer + name + ".weight"] = tensor([size], range(size))
    header, data = {}, b""
    for name, (shape, raw) in weights.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(os.path.join(path, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)
    end = id_of["<|end|>"]
    template = ("{%- for message in messages -%}{{- message.role + ': ' + (message.content or '') -}}"
                "{%- for call in message.tool_calls or [] -%}{{- call | tojson -}}{%- endfor -%}{{- '<|turn|>' -}}{%- endfor -%}"
                "{%- set last = messages[-1] -%}{{- '<|' -}}" + script + "{{- '|>' -}}")
    files = {"config.json": {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": n, "num_hidden_layers": 1,
                             "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "head_dim": DIM, "intermediate_size": DIM,
                             "vocab_size": n, "max_position_embeddings": context, "rope_theta": 10000, "rms_norm_eps": 1e-6,
                             "tie_word_embeddings": False, "hidden_act": "silu", "torch_dtype": "float32", "eos_token_id": end},
             "tokenizer_config.json": {"eos_token": "<|end|>", "chat_template": template},
             "tokenizer.json": {"version": "1.0", "normalizer": None,
                                "added_tokens": [{"id": id_of[t], "content": t, "lstrip": False, "rstrip": False, "normalized": False,
                                                  "single_word": False, "special": t in special} for t in special + words],
                                "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                                                  "use_regex": True},
                                "decoder": {"type": "ByteLevel"}, "post_processor": None,
                                "model": {"type": "BPE", "vocab": {t: i for i, t in enumerate(byte_letters())}, "merges": []}}}
    for name, content in files.items():
        with open(os.path.join(path, name), "w", encoding="utf-8") as file:
            json.dump(content, file)
