#!/usr/bin/env python3
"""Write the seeds of the fuzz corpora: tests/fuzz/corpus/fuzz_{gguf,json,safetensors,tokenizer,robot}. usage: from the root."""
import json
import os
import struct

ROOT = "tests/fuzz/corpus"


def save(target, name, data):
    folder = os.path.join(ROOT, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def gguf():
    scalars = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
    pairs = [text("general.architecture") + struct.pack("<I", 8) + text("llama"),
             text("general.alignment") + struct.pack("<II", 4, 32)]
    for kind, form in scalars.items():
        pairs.append(text(f"s{kind}") + struct.pack("<I", kind) + struct.pack(form, 1))
        pairs.append(text(f"a{kind}") + struct.pack("<IIQ", 9, kind, 2) + struct.pack(form, 1) * 2)
    pairs.append(text("words") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b c"))
    tensors, data = [], b""
    for kind, block, size in ((0, 1, 4), (1, 1, 2), (2, 32, 18), (8, 32, 34), (12, 256, 144), (14, 256, 210), (39, 32, 17)):
        tensors.append(text(f"t{kind}") + struct.pack("<IQQIQ", 2, 256, 1, kind, len(data)))
        data += bytes(range(256))[:256 // block * size % 256] + bytes(256 // block * size - 256 // block * size % 256)
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs) + b"".join(tensors)
    save("fuzz_gguf", "all_types", head + bytes(-len(head) % 32) + data)
    save("fuzz_gguf", "empty", b"GGUF" + struct.pack("<IQQ", 3, 0, 0))


def safetensors():
    entry = {"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
             "b": {"dtype": "BF16", "shape": [3], "data_offsets": [16, 22]},
             "c": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [22, 24]}}
    head = json.dumps(entry).encode()
    save("fuzz_safetensors", "three", struct.pack("<Q", len(head)) + head + bytes(24))
    save("fuzz_safetensors", "none", struct.pack("<Q", 2) + b"{}")


def json_seeds():
    save("fuzz_json", "values", b'{"a":[1,-2.5e+3,true,false,null,"\\u00e9\\ud83d\\ude00\\n\\ud800"],"b":{"c":{}}}')
    save("fuzz_json", "words", '["\u00e9\u4e2d\U0001f600", "\\\\\\"/", 0, 0.1]'.encode())


def robot():
    world = {"start": {"x": 1, "y": -1, "heading": 45}, "sight": 9, "slip": 0.1, "seed": 3,
             "walls": [[-5, -5, 5, -5]], "objects": [{"name": "red ball", "x": 3, "y": 1, "radius": 0.12}]}
    save("fuzz_robot", "world", json.dumps(world).encode())
    for i, arguments in enumerate(({"walk": {"distance": -2.5, "speed": 0.2}, "turn": {"angle": 400}, "look": {}},
                                   {"sidestep": {"distance": 1}, "go_to": {"x": 3, "y": -2}, "status": {}, "sit": {}},
                                   {"approach": {"object": "ball", "distance": 0}, "wait": {"seconds": 1e3}, "stop": {}})):
        lines = [json.dumps({"name": name, "arguments": args}) for name, args in arguments.items()]
        save("fuzz_robot", f"calls_{i}", "\n".join(lines).encode())
    save("fuzz_robot", "text", b'{"arguments": "{\\"angle\\": 1e999}", "name": "turn"}')


def tokenizer():
    with open("tests/data/tiny/tokenizer.json", "rb") as file:
        save("fuzz_tokenizer", "tiny", file.read())
    pieces = {"<unk>": 0, "<s>": 1, "\u2581": 2, "a": 3, "b": 4, "ab": 5, "\u2581ab": 6, "<0x0A>": 7}
    spm = {"added_tokens": [{"id": 1, "content": "<s>", "special": True}],
           "normalizer": {"type": "Sequence", "normalizers": [
               {"type": "Prepend", "prepend": "\u2581"},
               {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
           "pre_tokenizer": None,
           "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "vocab": pieces,
                     "merges": ["a b", "\u2581 ab"]}}
    save("fuzz_tokenizer", "pieces", json.dumps(spm).encode())
    regex = {"added_tokens": [], "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+b|\\s+"},
                                                   "behavior": "Isolated", "invert": False},
             "model": {"vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]}}
    save("fuzz_tokenizer", "regex", json.dumps(regex).encode())
    save("fuzz_tokenizer", "ranks", b"\x01YQ== 0\nYg== 1\nYWI= 2\n")
    proto = b""
    for piece, score, kind in ((b"<unk>", 0.0, 2), (b"<s>", 0.0, 3), ("\u2581a".encode(), -1.0, 1), (b"a", -2.0, 1)):
        body = b"\x0a" + bytes([len(piece)]) + piece + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind])
        proto += b"\x0a" + bytes([len(body)]) + body
    save("fuzz_tokenizer", "sentencepiece", b"\x02" + proto + b"\x12\x02\x18\x02")


gguf()
safetensors()
json_seeds()
tokenizer()
robot()
