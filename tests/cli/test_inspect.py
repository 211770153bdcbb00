#!/usr/bin/env python3
"""raga inspect and raga steer, as a user meets them. usage: test_inspect.py RAGA ROOT"""
import base64
import html.parser
import json
import math
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
TINY = os.path.join(ROOT, "tests/data/tiny")
IDS = [3, 77, 12, 200, 45, 9, 131, 60, 60, 7]
VOID = {"meta", "br", "input", "hr", "img", "link"}


def raga(*args):
    out = subprocess.run([RAGA, *args], capture_output=True, timeout=300)
    return out.returncode, out.stdout.decode("utf-8", "strict"), out.stderr.decode("utf-8", "replace")


def logits_of(folder, *more, ids=IDS, model=TINY):
    path = os.path.join(folder, "logits.f32")
    code, _, err = raga("logits", model, "--ids", ",".join(map(str, ids)), "-o", path, *more)
    assert code == 0, err
    with open(path, "rb") as file:
        return file.read()


class Page(html.parser.HTMLParser):
    """Tags that open and close in order, their attributes, and what is in them."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text, self.links, self.ids = [], [], {}, [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)
                self.current = value
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.text.setdefault(self.current if self.current in ("data", "maps") else "", data)
            self.current = ""


HOSTILE = ["</script><script>alert(1)</script>", "<!--<script>", "\"'`>&amp;&lt;", "]]></style>", "\u2028\u202e", "\\u003c\\", "\x1b[31m\x07"]


def hostile_model(folder):
    """The tiny model, with tokens that would break out of a page."""
    shutil.copytree(TINY, folder)
    path = os.path.join(folder, "tokenizer.json")
    with open(path, encoding="utf-8") as file:
        tok = json.load(file)
    first = len(tok["model"]["vocab"]) + len(tok["added_tokens"])
    for at, text in enumerate(HOSTILE):
        # beyond the vocabulary there is no room: they take the place of the last merged tokens
        tok["added_tokens"].append({"id": first + at, "content": text, "single_word": False, "lstrip": False,
                                    "rstrip": False, "normalized": False, "special": False})
    drop = sorted(tok["model"]["vocab"], key=tok["model"]["vocab"].get)[-len(HOSTILE):]
    for name in drop:
        del tok["model"]["vocab"][name]
    tok["model"]["merges"] = [m for m in tok["model"]["merges"] if ("".join(m) if isinstance(m, list) else m.replace(" ", "", 1)) not in drop]
    n = len(tok["model"]["vocab"])
    for at, entry in enumerate(tok["added_tokens"]):
        entry["id"] = n + at
    with open(path, "w", encoding="utf-8") as file:
        json.dump(tok, file)
    return [n + len(tok["added_tokens"]) - len(HOSTILE) + at for at in range(len(HOSTILE))]


class Inspect(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="raga-inspect-")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def test_surprisal_is_that_of_raga_logits(self):
        code, out, err = raga("inspect", TINY, "--ids", ",".join(map(str, IDS)), "--json")
        self.assertEqual(code, 0, err)
        seen = json.loads(out)
        raw = logits_of(self.folder)
        width = len(raw) // 4 // len(IDS)
        total = 0
        for t in range(len(IDS) - 1):
            row = struct.unpack(f"<{width}f", raw[4 * width * t:4 * width * (t + 1)])
            bits = (math.log(sum(map(math.exp, row))) - row[IDS[t + 1]]) / math.log(2)
            self.assertAlmostEqual(seen["tokens"][t + 1]["bits"], bits, places=3)
            self.assertEqual(seen["tokens"][t + 1]["rank"], 1 + sum(v > row[IDS[t + 1]] for v in row))
            self.assertEqual(seen["tokens"][t]["next"][0]["id"], max(range(width), key=row.__getitem__))
            total += bits
        self.assertIsNone(seen["tokens"][0]["bits"])
        self.assertAlmostEqual(seen["mean_bits"], total / (len(IDS) - 1), places=3)
        self.assertAlmostEqual(seen["perplexity"], 2 ** seen["mean_bits"], delta=1e-3 * seen["perplexity"])
        for layer in seen["layers"]:
            self.assertEqual(len(layer["lens"]), len(IDS))
            for head in layer["heads"]:
                for t, row in enumerate(head["map"]):
                    self.assertEqual(len(row), t + 1)
                    self.assertAlmostEqual(sum(row), 1, places=2)

    def test_page_is_well_formed_and_fetches_nothing(self):
        path = os.path.join(self.folder, "page.html")
        code, _, err = raga("inspect", TINY, "-p", "hello, how are you?", "--html", path)
        self.assertEqual(code, 0, err)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        page = Page(text)
        self.assertEqual(page.open, [])
        self.assertEqual(page.links, [])
        self.assertEqual(len(page.ids), len(set(page.ids)))
        outside = re.search(r"(?i)https?:|//[a-z]|@import|url\(|\bfetch\b|XMLHttp|innerHTML|eval\(",
                            text.replace(page.text["maps"], ""))
        self.assertIsNone(outside)
        self.assertIn("default-src 'none'", text)
        self.assertIn("prefers-color-scheme: dark", text)
        for wanted in re.findall(r"\$\('([a-z-]+)'\)", text):
            self.assertIn(wanted, page.ids)
        code, out, _ = raga("inspect", TINY, "-p", "hello, how are you?", "--json")
        self.assertEqual(code, 0)
        seen, held = json.loads(out), json.loads(page.text["data"])
        self.assertEqual(held["tokens"], seen["tokens"])
        maps = base64.b64decode(page.text["maps"], validate=True)
        flat = [w for layer in seen["layers"] for head in layer["heads"] for row in head["map"] for w in row]
        self.assertEqual(len(maps), len(flat))
        for byte, weight in zip(maps, flat):
            self.assertLessEqual(abs((byte / 255) ** 2 - weight), 0.004)

    def test_hostile_tokens_stay_text(self):
        model = os.path.join(self.folder, "<b>model&</b>")
        ids = hostile_model(model)
        path = os.path.join(self.folder, "page.html")
        listed = ",".join(map(str, ids + [5]))
        code, _, err = raga("inspect", model, "--ids", listed, "--html", path)
        self.assertEqual(code, 0, err)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        page = Page(text)
        self.assertEqual(page.open, [])
        self.assertEqual(page.tags.count("script"), 3)
        self.assertNotIn("b", page.tags)
        tokens = [token["text"] for token in json.loads(page.text["data"])["tokens"]]
        self.assertEqual(tokens[:4], HOSTILE[:4])
        self.assertEqual(tokens[4], "<U+2028><U+202E>")
        self.assertEqual(tokens[5], HOSTILE[5])
        self.assertEqual(tokens[6], "\u241b[31m\u2407")
        code, out, _ = raga("inspect", model, "--ids", listed)
        self.assertEqual(code, 0)
        self.assertNotRegex(out, r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]")

    def test_chat_writes_the_template(self):
        code, out, err = raga("inspect", TINY, "-p", "a <|im_end|> b", "--chat", "--json", "--top", "2")
        self.assertEqual(code, 0, err)
        seen = json.loads(out)
        text = "".join(token["text"] for token in seen["tokens"])
        self.assertTrue(text.startswith("<|im_start|>user\u23ce"), text)
        self.assertTrue(text.endswith("<|im_start|>assistant\u23ce"), text)
        # what a person wrote is no control token
        ids = [token["id"] for token in seen["tokens"] if token["text"] == "<|im_end|>"]
        self.assertEqual(len(ids), text.count("<|im_end|>") - 1)
        self.assertEqual({len(token["next"]) for token in seen["tokens"]}, {2})

    def test_colors_are_for_terminals(self):
        args = [RAGA, "inspect", TINY, "-p", "hello there"]
        self.assertNotIn("\x1b", raga(*args[1:])[1])
        main, side = pty.openpty()
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        for more, has_color in (({}, True), ({"NO_COLOR": "1"}, False)):
            process = subprocess.Popen(args, stdout=side, stderr=subprocess.DEVNULL, env={**env, **more})
            out = b""
            while b"attention" not in out.split(b"norms")[-1]:
                out += os.read(main, 65536)
            # what is left is drained while the program ends
            while process.poll() is None:
                out += os.read(main, 65536) if select_ready(main) else b""
            self.assertEqual(process.returncode, 0)
            self.assertEqual(b"\x1b" in out, has_color)
        os.close(main)
        os.close(side)

    def test_refuses_clearly(self):
        for args, code, sentence in (
                ([TINY], 2, "give the text by -p"),
                ([TINY, "-p", "a", "--ids", "1"], 2, "give the text by -p"),
                ([TINY, "-p", ""], 1, "there is no token"),
                ([TINY, "-p", "hello " * 2000], 1, "at most 1024 are inspected"),
                ([TINY, "-p", "a", "--layers", "2"], 1, "layers are 0 to 1"),
                ([TINY, "-p", "a", "--layers", "1,0"], 2, "--layers cannot be"),
                ([TINY, "-p", "a", "--layers", "0-99999"], 2, "--layers cannot be"),
                ([TINY, "-p", "a", "--top", "33"], 2, "valid are 1 to 32"),
                ([TINY, "--ids", "1,100000"], 1, "outside the vocabulary"),
                ([TINY, "-p", "a", "--html", "/no/such/folder/x.html"], 1, "cannot write"),
                (["/no/such/model", "-p", "a"], 1, "/no/such/model")):
            got, out, err = raga("inspect", *args)
            self.assertEqual(got, code, (args, err))
            self.assertIn(sentence, err)
            self.assertEqual(out, "")


def select_ready(fd):
    import select
    return bool(select.select([fd], [], [], 0.05)[0])


def gguf(path, tensors, architecture="controlvector", hint="qwen3"):
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()
    pairs = text("general.architecture") + struct.pack("<I", 8) + text(architecture)
    pairs += text("controlvector.model_hint") + struct.pack("<I", 8) + text(hint)
    infos, data = b"", b""
    for name, values in tensors.items():
        infos += text(name) + struct.pack("<IQIQ", 1, len(values), 0, len(data))
        data += struct.pack(f"<{len(values)}f", *values)
        data += b"\0" * (-len(data) % 32)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), 2) + pairs + infos
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % 32) + data)


class Steer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="raga-steer-")
        self.path = os.path.join(self.folder, "d.gguf")
        for name, lines in (("pos.txt", "I am happy\nGood day\n\n"), ("neg.txt", "I am sad\r\nBad day")):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(lines)

    def tearDown(self):
        shutil.rmtree(self.folder)

    def make(self, *more):
        return raga("steer", TINY, "--positive", os.path.join(self.folder, "pos.txt"), "--negative",
                    "@" + os.path.join(self.folder, "neg.txt"), "-o", self.path, *more)

    def test_what_is_made_steers_and_scale_zero_is_none(self):
        code, out, err = self.make("--json")
        self.assertEqual(code, 0, err)
        made = json.loads(out)
        self.assertEqual([layer["layer"] for layer in made["layers"]], [1])
        code, out, err = self.make("--json", "--chat", "--at", "mean")
        self.assertEqual(code, 0, err)
        self.assertNotEqual(json.loads(out), made)
        self.assertEqual(json.loads(self.make("--json")[1]), made)
        plain = logits_of(self.folder)
        self.assertEqual(logits_of(self.folder, "--steer", self.path + ":0"), plain)
        up = logits_of(self.folder, "--steer", self.path)
        self.assertNotEqual(up, plain)
        self.assertEqual(logits_of(self.folder, "--steer", self.path + ":1", "--steer-layers", "1"), up)
        # several add up; opposites are nothing, to the bit
        self.assertEqual(logits_of(self.folder, "--steer", self.path + ":0.5", "--steer", self.path + ":0.5"), up)
        self.assertEqual(logits_of(self.folder, "--steer", self.path + ":2", "--steer", self.path + ":-2"), plain)
        self.assertNotEqual(logits_of(self.folder, "--steer", self.path + ":-1"), up)
        for command in (["run", TINY, "-n", "2", "hi"], ["bench", TINY, "--help"], ["inspect", TINY, "-p", "hello"]):
            code, _, err = raga(*command, "--steer", self.path)
            self.assertEqual(code, 0, err)

    def test_inspection_sees_the_steering(self):
        self.assertEqual(self.make("--method", "pca")[0], 0)
        plain = json.loads(raga("inspect", TINY, "-p", "hello", "--json")[1])
        steered = json.loads(raga("inspect", TINY, "-p", "hello", "--json", "--steer", self.path)[1])
        self.assertEqual(plain["layers"][0]["norms"], steered["layers"][0]["norms"])
        self.assertNotEqual(plain["layers"][1]["norms"]["residual"], steered["layers"][1]["norms"]["residual"])

    def test_refuses_clearly(self):
        for kind, lines in ((["--positive", "a", "--negative", "a"], "do the prompts differ"),
                            (["--positive", "@/no/such/file", "--negative", "a"], "cannot open /no/such/file"),
                            (["--positive", os.path.join(self.folder, "pos.txt"), "--negative", "a", "--method", "pca"], "needs pairs"),
                            (["--positive", "a", "--negative", "b", "--layers", "0"], "layers 1 to 1")):
            code, _, err = raga("steer", TINY, "-o", self.path, *kind)
            self.assertEqual(code, 1)
            self.assertIn(lines, err)
            self.assertFalse(os.path.exists(self.path))
        self.assertEqual(raga("steer", TINY, "--positive", "a", "-o", self.path)[0], 2)
        self.assertEqual(self.make("--method", "mode")[0], 2)
        for tensors, more, sentence in (
                ({"direction.1": [1.0] * 32}, {"hint": "llama"}, "family llama"),
                ({"direction.1": [1.0] * 32}, {"architecture": "qwen3"}, "no control vector"),
                ({"direction.1": [1.0] * 64}, {}, "has 64 values"),
                ({"direction.2": [1.0] * 32}, {}, "layers 1 to 1"),
                ({"direction.1": [1.0] * 31 + [math.nan]}, {}, "value 31 of direction.1 is not finite")):
            gguf(self.path, tensors, **more)
            code, _, err = raga("logits", TINY, "--ids", "1", "-o", "/dev/null", "--steer", self.path)
            self.assertEqual(code, 1)
            self.assertIn(sentence, err)
            self.assertIn(self.path, err)
        gguf(self.path, {"direction.1": [1.0] * 32})
        code, _, err = raga("run", TINY, "hi", "--steer", self.path, "--steer-layers", "0")
        self.assertEqual(code, 1)
        self.assertIn("is of a layer asked for", err)
        code, _, err = raga("run", TINY, "hi", "--steer-layers", "1")
        self.assertEqual(code, 1)
        self.assertIn("give both", err)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
