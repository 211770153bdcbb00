"""raga quantize and raga imatrix as a user calls them; with a peer, its logits on our files."""
import array
import json
import math
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

RAGA, ROOT = sys.argv[1], sys.argv[2]
TINY = os.path.join(ROOT, "tests", "data", "tiny")
SHARED = os.environ.get("RAGA_SHARED", os.path.join(ROOT, "..", "shared"))
TYPES = ("q8_0 q6_k q5_k_m q5_k_s q5_1 q5_0 q4_k_m q4_k_s q4_1 q4_0 iq4_nl iq4_xs mxfp4 "
         "q3_k_l q3_k_m q3_k_s q2_k q2_k_s").split()


def raga(*words, **how):
    return subprocess.run([RAGA, *words], capture_output=True, text=True, check=False, **how)


def floats_of(path):
    values = array.array("f")
    with open(path, "rb") as f:
        values.frombytes(f.read())
    return values


def write_model(folder, embd=256, ff=512, layers=2, vocab=281, bad=None):
    """A Qwen3 of random weights, heavy tails as trained ones have them, that K types fit."""
    rng = random.Random(5)
    pool = array.array("f", (rng.gauss(0, 1) / math.sqrt(rng.gammavariate(2.5, 0.4))
                             for _ in range(1 << 15)))
    tensors = {}

    def matrix(name, rows, cols, scale=0.9):
        values = array.array("f")
        for _ in range(rows):
            at = rng.randrange(len(pool) - cols)
            values.extend(scale / math.sqrt(cols) * v for v in pool[at:at + cols])
        tensors[name] = ([rows, cols], values)

    def vector(name, n):
        tensors[name] = ([n], array.array("f", (1 + 0.1 * rng.gauss(0, 1) for _ in range(n))))

    matrix("model.embed_tokens.weight", vocab, embd, 0.9 * math.sqrt(embd))
    matrix("lm_head.weight", vocab, embd, 2)
    vector("model.norm.weight", embd)
    for i in range(layers):
        at = "model.layers.%d." % i
        for name in ("input_layernorm", "post_attention_layernorm"):
            vector(at + name + ".weight", embd)
        for name, rows in (("q", 256), ("k", 64), ("v", 64), ("o", embd)):
            matrix(at + "self_attn.%s_proj.weight" % name, rows, embd if name != "o" else 256)
        vector(at + "self_attn.q_norm.weight", 64)
        vector(at + "self_attn.k_norm.weight", 64)
        matrix(at + "mlp.gate_proj.weight", ff, embd)
        matrix(at + "mlp.up_proj.weight", ff, embd)
        matrix(at + "mlp.down_proj.weight", embd, ff)
    if bad is not None:
        tensors[bad[0]][1][bad[1]] = bad[2]
    head, blobs, at = {}, [], 0
    for name, (shape, values) in tensors.items():
        blob = values.tobytes()
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(folder)
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    with open(os.path.join(TINY, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    config.update(hidden_size=embd, intermediate_size=ff, num_hidden_layers=layers, head_dim=64,
                  num_key_value_heads=1, vocab_size=vocab, torch_dtype="float32")
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(os.path.join(TINY, name), folder)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.model = os.path.join(cls.folder, "model")
        write_model(cls.model)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def good(self, *words):
        r = raga(*words)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r

    def bad(self, said, *words, status=1):
        r = raga(*words)
        self.assertEqual(r.returncode, status, r.stdout + r.stderr)
        self.assertIn(said, r.stderr)

    def logits(self, model, ids, *more):
        out = self.path("logits.f32")
        self.good("logits", model, "--ids", ",".join(map(str, ids)), "-o", out, *more)
        return floats_of(out)

    def tensors(self, model):
        shown = json.loads(self.good("show", model, "--tensors", "--json").stdout)
        return {t["name"]: t["type"] for t in shown["tensors"]}


def divergence(p, q, n_vocab):
    """Mean KL of softmax(p) and softmax(q), row by row."""
    total, rows = 0.0, len(p) // n_vocab
    for r in range(rows):
        a, b = p[r * n_vocab:(r + 1) * n_vocab], q[r * n_vocab:(r + 1) * n_vocab]
        ta, tb = max(a), max(b)
        za = math.log(sum(math.exp(x - ta) for x in a)) + ta
        zb = math.log(sum(math.exp(x - tb) for x in b)) + tb
        total += sum(math.exp(x - za) * ((x - za) - (y - zb)) for x, y in zip(a, b))
    return total / rows


class Quantize(Case):
    def test_every_type_is_written_and_nears_the_model_with_its_bits(self):
        ids = [(7 * i * i + 3) % 250 for i in range(24)]
        want = self.logits(self.model, ids, "--exact")
        lost = {}
        for kind in TYPES:
            out = self.path(kind + ".gguf")
            said = json.loads(self.good("quantize", self.model, kind, "-o", out, "--json").stdout)
            self.assertEqual(said["stand_ins"], 0)
            self.assertEqual(said["bytes"], sum(t["bytes"] for t in said["types"]))
            lost[kind] = divergence(want, self.logits(out, ids, "--exact"), 281)
        ladder = "q8_0 q6_k q5_k_s q4_k_s q3_k_s q2_k_s".split()
        for better, worse in zip(ladder, ladder[1:]):
            self.assertLess(lost[better], lost[worse], lost)
        self.assertLess(lost["q8_0"], 1e-3)

    def test_conversion_loses_nothing(self):
        """f32 of a directory, and f32 again of that: the same logits to the bit, and tokens."""
        one, two = self.path("one.gguf"), self.path("two.gguf")
        ids = list(range(3, 40))
        for model in (self.model, TINY):
            self.good("quantize", model, "f32", "-o", one)
            self.good("quantize", one, "f32", "-o", two)
            with open(one, "rb") as a, open(two, "rb") as b:
                self.assertEqual(a.read(), b.read())
            self.assertEqual(self.logits(model, ids, "--exact"), self.logits(one, ids, "--exact"))
            text = "Hello, wörld! 12345 <|im_start|> don't\n\n  你好 <think>"
            for more in ((), ("--no-special",), ("--add-special",)):
                self.assertEqual(self.good("tokenize", model, text, "--json", *more).stdout,
                                 self.good("tokenize", one, text, "--json", *more).stdout)
        said = json.loads(self.good("show", one, "--metadata", "--json").stdout)
        self.assertEqual(said["metadata"]["general.file_type"], 0)
        self.assertEqual(said["metadata"]["general.quantization_version"], 2)

    def test_one_thread_or_two_write_the_same_file(self):
        one, two = self.path("t1.gguf"), self.path("t2.gguf")
        self.good("quantize", self.model, "q4_k_m", "-o", one, "--threads", "1")
        self.good("quantize", self.model, "q4_k_m", "-o", two, "--threads", "2")
        with open(one, "rb") as a, open(two, "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_references_are_met_through_a_converted_file(self):
        if not os.path.isdir(os.path.join(SHARED, "golden")):
            self.skipTest("no reference folder at %s (set RAGA_SHARED)" % SHARED)
        for case in ("llama2", "llama3", "llama3-bf16", "qwen2", "qwen3", "qwen3-tied", "qwen3-moe",
                     "qwen3-moe-nonorm", "llama4"):
            folder = os.path.join(SHARED, "golden", case)
            with open(os.path.join(folder, "golden.json"), encoding="utf-8") as f:
                golden = json.load(f)
            out = self.path("golden.gguf")
            self.good("quantize", folder, "f32", "-o", out)
            want = floats_of(os.path.join(folder, "logits.f32"))
            got = self.logits(out, golden["tokens"], "--exact")[-len(want):]
            off = max(abs(a - b) for a, b in zip(got, want))
            self.assertLessEqual(off, golden["tolerance_max_abs"], case)
            text = "Robots don't walk 12345 steps\n\n"
            self.assertEqual(self.good("tokenize", folder, text, "--json").stdout,
                             self.good("tokenize", out, text, "--json").stdout)

    def test_rows_that_do_not_fit_get_stand_ins(self):
        r = self.good("quantize", TINY, "q4_k_m", "--dry-run", "--json")
        said = json.loads(r.stdout)
        self.assertIn("Q5_0 stands in for Q4_K", said["notes"])
        self.assertGreater(said["stand_ins"], 0)

    def test_a_dry_run_writes_nothing(self):
        before = sorted(os.listdir(self.folder))
        r = self.good("quantize", self.model, "q4_k_m", "-o", self.path("dry.gguf"), "--dry-run")
        self.assertIn("nothing was written", r.stdout)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_types_may_be_chosen(self):
        out = self.path("chosen.gguf")
        self.good("quantize", self.model, "q4_k_s", "-o", out, "--tensor-type", "ffn_up=q8_0",
                  "--tensor-type", "blk.?.attn_*=q6_k", "--output-type", "q5_k", "--embed-type",
                  "f16")
        t = self.tensors(out)
        self.assertEqual((t["blk.1.ffn_up.weight"], t["blk.0.attn_k.weight"], t["output.weight"],
                          t["token_embd.weight"], t["blk.1.ffn_gate.weight"]),
                         ("Q8_0", "Q6_K", "Q5_K", "F16", "Q4_K"))
        self.bad("decides about no tensor", "quantize", self.model, "q4_k_s", "-o", out,
                 "--tensor-type", "ffn_upp=q8_0")
        self.bad("no type that can be written", "quantize", self.model, "q4_k_s", "-o", out,
                 "--tensor-type", "ffn_up=iq1_s")
        self.bad("PATTERN=TYPE", "quantize", self.model, "q4_k_s", "-o", out, "--tensor-type", "x")

    def test_what_is_quantized_is_not_quantized_again(self):
        small, again = self.path("small.gguf"), self.path("again.gguf")
        self.good("quantize", self.model, "q4_0", "-o", small)
        self.bad("loses twice", "quantize", small, "q4_k_m", "-o", again)
        self.assertFalse(os.path.exists(again))
        self.good("quantize", small, "q4_k_m", "-o", again, "--requantize")
        self.assertEqual(self.tensors(again)["blk.0.ffn_up.weight"], "Q4_K")
        self.bad("is the model itself", "quantize", small, "q8_0", "-o", small, "--requantize")
        # the same type once more is a copy
        self.good("quantize", small, "q4_0", "-o", again)
        with open(small, "rb") as a, open(again, "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_wrong_words_are_named(self):
        self.bad("no type of a file", "quantize", self.model, "q9_k", "-o", self.path("x.gguf"))
        self.bad("-o is needed", "quantize", self.model, "q4_0", status=2)
        self.bad("there is no file", "quantize", self.path("none"), "q4_0", "-o",
                 self.path("x.gguf"))
        self.bad("no importance matrix", "quantize", self.model, "q4_0", "-o", self.path("x.gguf"),
                 "--imatrix", self.made())
        self.assertFalse(os.path.exists(self.path("x.gguf")))

    def made(self):
        out = self.path("made.gguf")
        self.good("quantize", TINY, "f16", "-o", out)
        return out

    def test_values_that_are_none_are_named(self):
        for i, value in enumerate((float("nan"), float("inf"), 1e6)):
            folder, out = self.path("bad%d" % i), self.path("bad%d.gguf" % i)
            write_model(folder, ff=256, layers=1,
                        bad=("model.layers.0.mlp.up_proj.weight", 5 * 256 + 3, value))
            self.bad("blk.0.ffn_up.weight has values in row 5", "quantize", folder, "q4_k_m", "-o",
                     out)
            self.assertFalse(os.path.exists(out))
            # on load, too
            self.bad("up_proj.weight has values in row 5", "run", folder, "x", "--quant", "q4_k", "-n", "1")
        # large but finite: bf16 has room
        self.good("quantize", self.path("bad2"), "bf16", "-o", self.path("bad2.gguf"))

    def test_a_full_disk_leaves_nothing(self):
        folder = self.path("full")
        os.makedirs(folder)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))

        r = raga("quantize", self.model, "q8_0", "-o", os.path.join(folder, "m.gguf"),
                 preexec_fn=limit)
        self.assertEqual(r.returncode, 1)
        self.assertIn("cannot write", r.stderr)
        self.assertEqual(os.listdir(folder), [])


class Imatrix(Case):
    def text(self):
        path = self.path("text.txt")
        rng = random.Random(3)
        with open(path, "w", encoding="utf-8") as f:
            f.write(" ".join(rng.choice("the a dog cat runs sees and then far near".split())
                             for _ in range(600)))
        return path

    def test_it_is_measured_and_used(self):
        out, text = self.path("i.gguf"), self.text()
        said = json.loads(self.good("imatrix", self.model, text, "-o", out, "--ctx", "64",
                                    "--chunks", "3", "--json").stdout)
        self.assertEqual((said["weights"], said["chunks"], said["chunk_tokens"]), (14, 3, 64))
        keys = json.loads(self.good("show", out, "--metadata", "--json").stdout)["metadata"]
        self.assertEqual((keys["general.type"], keys["imatrix.chunk_count"],
                          keys["imatrix.chunk_size"]), ("imatrix", 3, 64))
        blind, aware = self.path("blind.gguf"), self.path("aware.gguf")
        self.good("quantize", self.model, "q4_k_s", "-o", blind)
        r = self.good("quantize", self.model, "q4_k_s", "-o", aware, "--imatrix", out)
        self.assertIn("14 tensors by importance", r.stdout)
        with open(blind, "rb") as a, open(aware, "rb") as b:
            self.assertNotEqual(a.read(), b.read())
        keys = json.loads(self.good("show", aware, "--metadata", "--json").stdout)["metadata"]
        self.assertEqual(keys["quantize.imatrix.entries_count"], 14)
        self.assertEqual(keys["quantize.imatrix.chunks_count"], 3)
        self.bad("is it of another model", "quantize", TINY, "q4_0", "--dry-run", "--imatrix", out)

    def test_it_is_the_same_on_any_threads_and_of_a_quantized_file(self):
        text, one, two = self.text(), self.path("1.gguf"), self.path("2.gguf")
        words = ("imatrix", self.model, text, "--ctx", "128", "--chunks", "2", "-o")
        self.good(*words, one, "--threads", "1")
        self.good(*words, two, "--threads", "2")
        with open(one, "rb") as a, open(two, "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_what_cannot_be_is_named(self):
        text, out = self.text(), self.path("no.gguf")
        self.bad("one chunk takes 60000", "imatrix", self.model, text, "-o", out, "--ctx", "60000")
        self.bad("none.txt", "imatrix", self.model, "none.txt", "-o", out)
        self.bad("-o is needed", "imatrix", self.model, text, status=2)
        self.assertFalse(os.path.exists(out))
        model = self.path("own.gguf")
        self.good("quantize", self.model, "f16", "-o", model)
        size = os.path.getsize(model)
        self.bad("is the model itself", "imatrix", model, text, "-o", model, "--ctx", "128", "--chunks", "1")
        self.assertEqual(os.path.getsize(model), size)


def train_model(folder):
    """A small model that has learnt a little of our own documents: its logits are such as models
    have, where those of random weights answer to every rounding."""
    lines = []
    for base, _, names in sorted(os.walk(os.path.join(ROOT, "docs"))):
        for name in sorted(names):
            with open(os.path.join(base, name), encoding="utf-8") as f:
                text = f.read()
            lines += [text[at:at + 400] for at in range(0, len(text), 400)]
    recipe = {"model": {"family": "qwen3", "layers": 4, "hidden": 256, "heads": 4, "kv_heads": 1,
                        "head_dim": 64, "ffn": 512, "context": 256, "tied": False},
              "tokenizer": {"vocab": 512, "special": ["<|end|>"], "eos": "<|end|>"},
              "data": ["d.jsonl"], "batch": 8, "seq_len": 64, "steps": 120, "lr": 3e-3,
              "warmup": 20}
    with open(folder + ".json", "w", encoding="utf-8") as f:
        json.dump(recipe, f)
    with open(os.path.join(os.path.dirname(folder), "d.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps({"text": line}) + "\n" for line in lines)
    r = raga("train", folder + ".json", "-o", folder)
    assert r.returncode == 0, r.stderr


class Peer(Case):
    """llama.cpp opens what we write, and computes what we compute."""

    def setUp(self):
        self.script = os.path.join(SHARED, "peers", "llama_peer.py")
        if not os.environ.get("PEER_LLAMA_LIB"):
            self.skipTest("no peer (set PEER_LLAMA_LIB to the folder of libllama)")
        if not os.path.exists(self.script):
            self.skipTest("no %s" % self.script)
        able = [p for p in (sys.executable, "/usr/bin/python3")
                if subprocess.run([p, "-c", "import numpy"], capture_output=True,
                                  check=False).returncode == 0]
        if not able:
            self.skipTest("no Python with numpy")
        self.python = able[0]

    def peer_logits(self, model, ids):
        out = self.path("peer.npy")
        r = subprocess.run([self.python, self.script, model, "--logits", ",".join(map(str, ids)),
                            "--out", out, "--threads", "1"], capture_output=True, text=True,
                           check=False)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        with open(out, "rb") as f:
            data = f.read()
        values = array.array("f")
        values.frombytes(data[10 + struct.unpack("<H", data[8:10])[0]:])
        return values

    def test_its_logits_are_ours(self):
        model = self.path("trained")
        train_model(model)
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
            said = self.good("tokenize", model, f.read()[300:900], "--json").stdout
        ids = json.loads(said)["ids"][:128]
        plain = self.logits(model, ids, "--exact")
        seen = {}
        for kind in ["f32", "f16", "bf16"] + TYPES:
            out = self.path("peer.gguf")
            self.good("quantize", model, kind, "-o", out)
            theirs = self.peer_logits(out, ids)
            exact = self.logits(out, ids, "--exact")
            seen[kind] = (divergence(theirs, self.logits(out, ids), 512),
                          divergence(theirs, exact, 512), divergence(plain, exact, 512))
        print("mean KL: peer to ours, peer to ours --exact, unquantized to quantized",
              *("%-7s %.1e %.1e %.1e" % (k, *v) for k, v in seen.items()), sep="\n",
              file=sys.stderr)
        for kind, kl in seen.items():
            self.assertLess(max(kl[:2]), 1e-3, kind)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
