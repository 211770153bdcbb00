#!/usr/bin/env python3
"""Write the seeds of the fuzz corpora: tests/fuzz/corpus/fuzz_{gguf,json,safetensors,tokenizer,robot,image,hub}. usage: from the root."""
import json
import os
import struct
import zlib

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


def exif(orientation):
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def png(width, height, depth, color, interlaced=0, extra=()):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    steps = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    rows = b""
    for y0, dy, x0, dx in steps if interlaced else ((0, 1, 0, 1),):
        n = (len(range(x0, width, dx)) * bits + 7) // 8
        for y in range(y0, height, dy) if n else ():
            rows += bytes([y % 5]) + bytes(i * 7 + y & 255 for i in range(n))  # each of the five filters
    data = zlib.compress(rows)
    palette = [(b"PLTE", bytes(i * 5 & 255 for i in range(3 << depth)))] if color == 3 else []
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)), *palette, *extra,
              (b"IDAT", data[:9]), (b"IDAT", data[9:]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)


def jpeg(width, height, colors, progressive=False, adobe=None, orientation=None):
    """Blocks of one shade each: DC differences of 5 at first and 0 after, no AC."""
    def segment(kind, data):
        return bytes([255, kind]) + struct.pack(">H", len(data) + 2) + data

    def scan(components, first, last, bits):
        bits += "1" * (-len(bits) % 8)
        data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
        names = b"".join(bytes([c, 0]) for c in components)
        return segment(0xda, bytes([len(components)]) + names + bytes([first, last, 0])) + data

    names = range(1, colors + 1)
    blocks = ((width + 7) // 8) * ((height + 7) // 8)
    out = b"\xff\xd8"
    if orientation is not None:
        out += segment(0xe1, b"Exif\0\0" + exif(orientation))
    if adobe is not None:
        out += segment(0xee, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, adobe))
    out += segment(0xdb, b"\0" + bytes([16] * 64))
    out += segment(0xc2 if progressive else 0xc0, struct.pack(">BHHB", 8, height, width, colors)
                   + b"".join(bytes([c, 0x11, 0]) for c in names))
    out += segment(0xc4, bytes([0, 1, 1] + [0] * 14 + [0, 3]))  # DC: 0 is a difference of 0, 10 one of three bits
    out += segment(0xc4, bytes([16, 1] + [0] * 15 + [0]))  # AC: 0 ends the block
    ac = "" if progressive else "0"
    dc = "".join(("10101" if block == 0 else "0") + ac for block in range(blocks) for _ in names)
    out += scan(names, 0, 0 if progressive else 63, dc)
    if progressive:
        out += b"".join(scan([c], 1, 63, "0" * blocks) for c in names)
    return out + b"\xff\xd9"


def pictures():
    for color, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            save("fuzz_image", f"png_{color}_{depth}", png(9, 6, depth, color, interlaced=depth > 4))
    extras = [(b"eXIf", exif(6)), (b"iCCP", b"x\0\0" + zlib.compress(bytes(5000))), (b"tRNS", bytes(6)),
              (b"zTXt", b"k\0\0" + zlib.compress(bytes(5000))), (b"gAMA", struct.pack(">I", 45455)),
              (b"acTL", struct.pack(">II", 2, 0))]
    save("fuzz_image", "png_extras", png(7, 5, 8, 2, extra=extras))
    save("fuzz_image", "png_wide", png(200, 1, 8, 0))
    save("fuzz_image", "png_too_wide", png(201, 1, 8, 0))
    for colors, adobe in ((1, None), (3, None), (3, 0), (4, 0), (4, 2)):
        for progressive in (False, True):
            name = f"jpeg_{colors}_{'none' if adobe is None else adobe}_{'progressive' if progressive else 'baseline'}"
            save("fuzz_image", name, jpeg(17, 10, colors, progressive, adobe, orientation=5 if colors == 3 else None))
    save("fuzz_image", "gif", b"GIF89a\1\0\1\0\0\0\0;")


def hub():
    for i, name in enumerate(("hf:a/b:Q4_0@main", "ms:a/b:s/x.gguf", "ollama:a/b:c", "https://huggingface.co/a/b/blob/main/x.gguf",
                              "https://h/x#sha256=" + "0" * 64, "http://[::1]:8/x", "qwen3-0.6b")):
        save("fuzz_hub", f"name_{i}", b"n" + name.encode())
    digest = "0123456789abcdef" * 4
    tree = [{"type": "file", "oid": "0" * 40, "size": 5, "path": "config.json"}, {"type": "directory", "path": "d"},
            {"type": "file", "oid": "1", "size": 3, "path": "m-Q4_0.gguf", "lfs": {"oid": digest, "size": 9}},
            {"type": "file", "size": 3, "path": "model.safetensors"}, {"type": "file", "size": 3, "path": "d/m-Q8_0-00001-of-00002.gguf"}]
    layers = [{"mediaType": "application/vnd.ollama.image." + kind, "digest": "sha256:" + digest, "size": 4} for kind in ("model", "license", "x")]
    record = {"version": 1, "name": "hf:a/b", "revision": "r", "license": "mit", "pulled": 5,
              "files": [{"size": 5, "path": "config.json", "sha256": digest, "git": "0" * 40, "tag": "t"}]}
    for kind, value in (("h", tree), ("q", tree), ("m", {"Code": 200, "Data": {"Files": [{"Path": "a.gguf", "Type": "blob", "Size": 3, "Sha256": digest}]}}),
                        ("o", {"layers": layers}), ("f", {"sha": "0" * 40, "cardData": {"license": ["mit"]}}), ("g", {"Data": {"License": "mit"}}),
                        ("h", {"weight_map": {"a": "model.safetensors"}}), ("r", record)):
        text = json.dumps(value)
        save("fuzz_hub", f"answer_{kind}_{len(text)}", (kind + text).encode())


gguf()
safetensors()
json_seeds()
tokenizer()
robot()
pictures()
hub()
