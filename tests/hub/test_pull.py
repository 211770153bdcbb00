#!/usr/bin/env python3
"""`raga pull`, `list`, `rm`, `du` and models by name, against a hub on this machine. usage: test_pull.py RAGA ROOT"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.path.insert(0, os.path.join(ROOT, "tests/support"))
from hub_server import Hub, Repo, git_hash, sha256  # noqa: E402

TINY = os.path.join(ROOT, "tests/data/tiny")
LONG = os.environ.get("RAGA_TEST_LONG") == "1"
MIB = 1 << 20


def noise(n, seed):
    return random.Random(seed).randbytes(n)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        tiny = {name: read(os.path.join(TINY, name)) for name in sorted(os.listdir(TINY))}
        cls.tiny = tiny
        cls.hub.repos["acme/tiny"] = Repo({**tiny, "README.md": b"# tiny", "LICENSE": b"Apache", "original/consolidated.00.pth": b"x" * 50,
                                           "pytorch_model.bin": b"y" * 50}, lfs=["model.safetensors"])
        cls.gguf = {"big-Q8_0.gguf": noise(9 * MIB + 12345, 1), "big-Q4_K_M.gguf": noise(7 * MIB + 1, 2), "big-Q4_0.gguf": noise(MIB, 3),
                    "mmproj-F16.gguf": noise(100, 4), "README.md": b"readme",
                    "sub/big-Q6_K-00001-of-00002.gguf": noise(2 * MIB, 5), "sub/big-Q6_K-00002-of-00002.gguf": noise(MIB + 7, 6)}
        cls.hub.repos["acme/big-GGUF"] = Repo(cls.gguf, lfs=[n for n in cls.gguf if n.endswith(".gguf")], license=["mit"])
        cls.hub.repos["acme/gated"] = Repo(cls.gguf, lfs=[n for n in cls.gguf if n.endswith(".gguf")], gated=True)
        cls.hub.repos["acme/secret"] = Repo(cls.gguf, lfs=[n for n in cls.gguf if n.endswith(".gguf")], token="hf_s3cret")
        cls.hub.ollama("library/small", "latest", noise(3 * MIB + 17, 7))
        cls.hub.plain["one.gguf"] = noise(4 * MIB + 99, 8)

    @classmethod
    def tearDownClass(cls):
        cls.hub.close()

    def setUp(self):
        self.hub.reset()
        self.hub.plain_headers = {"ETag": '"v1"'}
        self.temp = tempfile.TemporaryDirectory()
        self.store = os.path.join(self.temp.name, "store")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("RAGA_", "HF_", "XDG_", "OLLAMA_")) and not k.lower().endswith("_proxy")}
        self.env.update(HOME=self.temp.name, RAGA_STORE=self.store, RAGA_ENDPOINT_HF=self.hub.endpoint, RAGA_ENDPOINT_MS=self.hub.endpoint,
                        RAGA_ENDPOINT_OLLAMA=self.hub.endpoint)

    def tearDown(self):
        self.temp.cleanup()

    def raga(self, *args, env=None, timeout=120):
        out = subprocess.run([RAGA, *args], capture_output=True, timeout=timeout, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL)
        self.assertIn(out.returncode, (0, 1, 2, 130), out.stderr.decode())
        return out.returncode, out.stdout.decode("utf-8", "replace"), out.stderr.decode("utf-8", "replace")

    def pull(self, *args, **more):
        code, out, err = self.raga("pull", *args, **more)
        self.assertEqual(code, 0, err)
        return out.strip().splitlines()[-1] if out.strip() else ""

    def fails(self, *args, say, code=1, **more):
        got, out, err = self.raga(*args, **more)
        self.assertEqual(got, code, out + err)
        for text in [say] if isinstance(say, str) else say:
            self.assertIn(text, err)
        return err

    def check_store(self):
        """Every blob is what its name says; nothing is half installed."""
        blobs = os.path.join(self.store, "blobs")
        for name in os.listdir(blobs) if os.path.isdir(blobs) else []:
            self.assertEqual("sha256-" + sha256(read(os.path.join(blobs, name))), name)
        code, out, err = self.raga("list", "--json")
        self.assertEqual(code, 0, err)
        models = json.loads(out)
        for model in models:
            if model["complete"]:
                self.assertTrue(os.path.exists(model["path"]))
        return models

    def data_requests(self):
        return [r for r in self.hub.requests if r[0] == self.hub.cdn_port]


class Pulls(Base):
    def test_a_checkpoint_and_using_it_by_name(self):
        path = self.pull("hf:acme/tiny")
        self.assertTrue(os.path.isdir(path))
        self.assertEqual(sorted(os.listdir(path)), sorted([*self.tiny, "LICENSE"]))
        for name, data in self.tiny.items():
            self.assertEqual(read(os.path.join(path, name)), data)
        models = self.check_store()
        self.assertEqual([(m["name"], m["complete"], m["license"]) for m in models], [("hf:acme/tiny", True, "apache-2.0")])
        by_path = self.raga("run", TINY, "Hello", "-n", "8", "--seed", "1")
        by_name = self.raga("run", "hf:acme/tiny", "Hello", "-n", "8", "--seed", "1")
        self.assertEqual(by_path[:2], by_name[:2])
        for args in (("show", "hf:acme/tiny", "--json"), ("tokenize", "hf:acme/tiny", "Hello"), ("logits", "hf:acme/tiny", "--ids", "1,2", "-o", os.path.join(self.temp.name, "l")),
                     ("quantize", "hf:acme/tiny", "q8_0", "--dry-run"), ("run", "hf:acme/tiny@main", "a", "-n", "1")):
            code, _, err = self.raga(*args)
            self.assertEqual(code, 0 if "@main" not in args[1] else 1, f"{args}: {err}")
        # nothing is asked for twice
        self.hub.reset()
        self.pull("hf:acme/tiny")
        self.assertEqual(self.hub.served, 0)

    def test_quantizations(self):
        err = self.raga("pull", "hf:acme/big-GGUF")[2]
        self.assertIn("Q4_K_M is the usual choice", err)
        self.assertIn("license: mit", err)
        path = self.pull("hf:acme/big-GGUF:q8_0")
        self.assertEqual(read(path), self.gguf["big-Q8_0.gguf"])
        path = self.pull("hf:acme/big-GGUF:big-Q4_0.gguf")
        self.assertEqual(read(path), self.gguf["big-Q4_0.gguf"])
        path = self.pull("hf:acme/big-GGUF:Q6_K")
        self.assertTrue(path.endswith("sub/big-Q6_K-00001-of-00002.gguf"))
        self.assertEqual(read(path.replace("00001-of", "00002-of")), self.gguf["sub/big-Q6_K-00002-of-00002.gguf"])
        self.fails("pull", "hf:acme/big-GGUF:Q3_K_M", say=["Q3_K_M", "there are Q4_K_M, Q4_0, Q6_K, Q8_0"])
        self.assertEqual(len(self.check_store()), 4)

    def test_a_dry_run_says_sizes_and_leaves_nothing(self):
        code, out, err = self.raga("pull", "hf:acme/big-GGUF:Q4_K_M", "--dry-run")
        self.assertEqual(code, 0, err)
        self.assertIn("big-Q4_K_M.gguf", out)
        self.assertIn("7.0 MiB", out)
        self.assertFalse(os.path.exists(self.store))
        self.assertEqual(self.data_requests(), [])

    def test_json_lines(self):
        code, out, err = self.raga("pull", "hf:acme/big-GGUF:Q4_0", "--json")
        self.assertEqual(code, 0, err)
        events = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(events[0]["event"], "plan")
        self.assertEqual(events[0]["files"], [{"path": "big-Q4_0.gguf", "size": MIB, "sha256": sha256(self.gguf["big-Q4_0.gguf"])}])
        self.assertEqual(events[-1]["event"], "done")
        self.assertEqual(read(events[-1]["path"]), self.gguf["big-Q4_0.gguf"])

    def test_modelscope(self):
        path = self.pull("ms:acme/big-GGUF:Q4_0")
        self.assertEqual(read(path), self.gguf["big-Q4_0.gguf"])
        path = self.pull("ms:acme/tiny")
        self.assertEqual(read(os.path.join(path, "model.safetensors")), self.tiny["model.safetensors"])
        self.assertEqual(len(self.check_store()), 2)

    def test_ollama(self):
        code, out, err = self.raga("pull", "ollama:small")
        self.assertEqual(code, 0, err)
        self.assertIn("license: MIT License", err)
        path = out.strip()
        self.assertEqual(read(path), noise(3 * MIB + 17, 7))
        self.assertEqual(sorted(os.listdir(os.path.dirname(path))), ["LICENSE", "small-latest.gguf", "template.ollama"])
        self.fails("pull", "ollama:none", say="ollama:none:latest does not exist")
        self.assertEqual(self.pull("ollama:library/small:latest"), path)

    def test_addresses(self):
        url = f"{self.hub.endpoint}/file/one.gguf"
        path = self.pull(url)
        self.assertEqual(read(path), self.hub.plain["one.gguf"])
        self.assertEqual(self.raga("list", "--json")[0], 0)
        self.fails("pull", url + "#sha256=" + "0" * 64, say=["its SHA-256 is " + sha256(self.hub.plain["one.gguf"]), "fetched twice"])
        self.pull(url + "#sha256=" + sha256(self.hub.plain["one.gguf"]))
        self.fails("pull", "http://example.org/x.gguf", say="https")
        self.fails("pull", f"{self.hub.endpoint}/file/none.gguf", say="does not exist")
        self.check_store()

    def test_files_that_another_model_has_are_not_fetched_again(self):
        self.pull("hf:acme/big-GGUF")
        self.hub.reset()
        self.pull("hf:acme/big-GGUF:Q4_K_M")
        self.pull("ms:acme/big-GGUF:Q4_K_M")
        self.assertEqual(self.hub.served, 0)
        usage = json.loads(self.raga("du", "--json")[1])
        self.assertEqual(usage["bytes"], 7 * MIB + 1)
        self.assertEqual(usage["named_bytes"], 3 * (7 * MIB + 1))


    def test_a_rate_is_kept(self):
        begin = time.time()
        self.pull("hf:acme/big-GGUF:Q8_0", "--limit-rate", "3m", "--connections", "4")
        self.assertGreater(time.time() - begin, 1.9)

    def test_a_proxy_is_asked(self):
        path = self.pull("hf:acme/big-GGUF:Q4_0", env={"RAGA_ENDPOINT_HF": "http://hub.invalid", "http_proxy": self.hub.endpoint})
        self.assertEqual(read(path), self.gguf["big-Q4_0.gguf"])
        # a hub beyond this machine that is asked over http gets no token
        self.pull("hf:acme/big-GGUF:Q8_0", env={"RAGA_ENDPOINT_HF": "http://hub.invalid", "http_proxy": self.hub.endpoint, "HF_TOKEN": "hf_s3cret"})
        self.assertEqual({h.get("Authorization") for _, _, _, h in self.hub.requests}, {None})


class Names(Base):
    def test_wrong_names_suggest_near_ones(self):
        self.fails("pull", "hf:acme/bigg-GGUF", say=["does not exist", "there are hf:acme/", "hf:acme/big-GGUF"])
        self.fails("pull", "hf:acne/big-GGUF", say=["does not exist", "there are hf:acme/big-GGUF"])
        self.fails("pull", "qwen3-0.6", say='did you mean "qwen3-0.6b"?')
        self.fails("run", "qwen3-0.6", "hi", say='did you mean the model "qwen3-0.6b"?')
        self.fails("pull", "hg:acme/x", say="begins with hf:, ms:, ollama: or https://")
        self.fails("pull", "hf:acme/big-GGUF@v9", say="does not exist in this revision")
        self.assertIn("hf:Qwen/Qwen3-0.6B", self.raga("pull", "--known")[1])

    def test_hostile_names_ask_nobody(self):
        for name in ("hf:../../etc", "hf:a/..", "hf:a/b/c", "hf:a\\b/c", "hf:a/b:../../x", "hf:a/b:/etc/passwd", "hf:a/b\x1b[31m", "hf:ä/b",
                     "hf:a/%2e%2e", "ollama:../x", "ollama:a:b/c", "hf:" + "a" * 10000, "hf:a/b@../x", "file:///etc/passwd", "hf:", "hf:a", "ms:a/"):
            got, _, err = self.raga("pull", name)
            self.assertEqual(got, 1, name)
            self.assertNotIn("\x1b", err)
            self.assertEqual(self.raga("run", name, "x")[0], 1, name)
            self.assertNotEqual(self.raga("rm", name)[0], 0, name)
        self.assertEqual(self.hub.requests, [])
        self.assertFalse(os.path.exists(os.path.join(self.store, "models")))

    def test_what_is_not_here_is_said(self):
        self.fails("run", "hf:acme/tiny", "hi", say="pull it: raga pull hf:acme/tiny")
        self.assertEqual(self.hub.requests, [])

    def test_hostile_listings(self):
        for path in ("../../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", "a\\evil.gguf", "a\nb.gguf", "a//b.gguf", "x" * 2000 + ".gguf", "/".join("a" * 20) + ".gguf"):
            self.hub.repos["acme/evil"] = Repo({path: b"GGUF"}, lfs=[path])
            self.fails("pull", "hf:acme/evil", say="leads out of its folder")
        self.hub.manifests[("library/bomb", "latest")] = {"layers": [{"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 1}] * 1000}
        self.fails("pull", "ollama:bomb", say="1000 layers, limit 256")
        self.hub.manifests[("library/path", "latest")] = {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../x", "size": 1}]}
        self.fails("pull", "ollama:path", say="no digest")
        self.hub.manifests[("library/size", "latest")] = {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + "0" * 64, "size": -1}]}
        self.fails("pull", "ollama:size", say="states no size")
        self.hub.manifests[("library/huge", "latest")] = {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + "0" * 64, "size": 1 << 43}]}
        self.fails("pull", "ollama:huge", say="are free")
        self.hub.manifests[("library/deep", "latest")] = {"layers": [[[]]]}
        self.fails("pull", "ollama:deep", say="no digest")


class Faulty(Base):
    NAME, FILE = "hf:acme/big-GGUF:Q8_0", "big-Q8_0.gguf"

    def pulls(self, *args, **more):
        path = self.pull(self.NAME, *args, **more)
        self.assertEqual(read(path), self.gguf[self.FILE])
        self.check_store()

    def test_connections_that_drop(self):
        self.hub.faults.drops = 12
        self.pulls()

    def test_connections_that_stall(self):
        self.hub.faults.stalls = 2
        begin = time.time()
        self.pulls("--timeout", "1")
        self.assertLess(time.time() - begin, 15)

    def test_servers_that_are_busy(self):
        self.hub.faults.statuses = [(503, {}), (429, {"Retry-After": "1"}), (500, {})]
        self.hub.faults.hub_statuses = [(429, {"Retry-After": "1"}), (502, {})]
        begin = time.time()
        self.pulls()
        self.assertGreater(time.time() - begin, 1.5)

    def test_a_server_that_stays_busy(self):
        self.hub.faults.statuses = [(503, {})] * 1000
        self.fails("pull", self.NAME, "--retries", "2", say="status 503")
        self.hub.faults.statuses = [(429, {"Retry-After": "99999"})] * 100
        self.fails("pull", self.NAME, say="too many requests")
        self.hub.reset()
        self.pulls()

    def test_ranges_that_are_ignored(self):
        self.hub.faults.no_ranges = True
        self.pulls()

    def test_ranges_that_are_ignored_and_drops(self):
        self.hub.faults.no_ranges = True
        self.hub.faults.drops = 3
        self.pulls()

    def test_a_wrong_byte_is_fetched_again_once(self):
        self.hub.faults.corrupt = 1
        self.pulls()
        self.raga("rm", self.NAME)
        self.hub.faults.corrupt = 10000
        self.fails("pull", self.NAME, say=["SHA-256", "the hub states " + sha256(self.gguf[self.FILE])])
        self.assertFalse([m for m in self.check_store() if m["complete"]])
        self.hub.faults.corrupt = 0
        self.pulls()

    def test_a_wrong_byte_of_a_plain_file(self):
        repo = self.hub.repos["acme/tiny"]
        self.hub.faults.corrupt = 10000
        self.fails("pull", "hf:acme/tiny", say="the hub states")
        self.hub.faults.corrupt = 0
        self.pull("hf:acme/tiny")
        self.assertIn("config.json", repo.files)

    def test_wrong_sizes(self):
        for delta in (-1, 1, 1000000):
            self.hub.faults.total_delta = delta
            self.fails("pull", self.NAME, say="the hub states")
        self.hub.faults.total_delta = 0
        self.pulls()

    def test_shorter_files_than_stated(self):
        repo = self.hub.repos["acme/big-GGUF"]
        manifest = self.hub.ollama("library/short", "latest", b"GGUF" + noise(2 * MIB, 9))
        manifest["layers"][0]["size"] += 3 * MIB
        self.fails("pull", "ollama:short", say="the hub states")
        self.assertTrue(repo)

    def test_addresses_that_expire(self):
        self.hub.faults.expired = 3
        self.pulls()
        self.raga("rm", self.NAME)
        self.hub.faults.expired = 10000
        self.fails("pull", self.NAME, say="status 403")

    def test_statuses_that_stay(self):
        for status, say, behind in ((401, "private", "status 401"), (403, "private", "status 403"), (404, "does not exist", "status 404"), (416, "fewer", "fewer")):
            for name, text in (("hf:acme/tiny", say), (self.NAME, behind)):
                self.hub.faults.statuses = [(status, {})] * 100
                self.fails("pull", name, say=text)
                self.hub.reset()
        self.hub.faults.hub_statuses = [(404, {})] * 3
        self.fails("pull", self.NAME, say="does not exist")

    def test_another_file_than_was_listed(self):
        self.hub.faults.linked_etag = "0" * 64
        self.fails("pull", self.NAME, say="it changed; pull again")

    def test_redirects_that_are_not_followed(self):
        for place, say in (("file:///etc/passwd", "not followed"), ("ftp://127.0.0.1/x", "not followed"), ("", "no address"),
                           ("/acme/big-GGUF/resolve/main/big-Q8_0.gguf?loop", "redirects")):
            self.hub.faults.redirect = place or " "
            self.fails("pull", self.NAME, "--retries", "1", say=say)

    def test_gated(self):
        self.fails("pull", "hf:acme/gated:Q4_0", say=["gated", "HF_TOKEN"])

    def test_no_room(self):
        manifest = self.hub.ollama("library/vast", "latest", b"GGUF")
        manifest["layers"][0]["size"] = 1 << 43
        err = self.fails("pull", "ollama:vast", say="are missing")
        self.assertIn("raga du", err)

    @unittest.skipUnless(shutil.which("openssl"), "needs openssl")
    def test_d06_a_certificate_that_nobody_signed(self):
        import ssl
        from http.server import HTTPServer, BaseHTTPRequestHandler
        import threading
        key = os.path.join(self.temp.name, "k.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", key + ".crt", "-days", "2", "-subj", "/CN=localhost"],
                       check=True, capture_output=True)
        server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(key + ".crt", key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *a: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.fails("pull", "hf:acme/big-GGUF", say="certificate is not trusted", env={"RAGA_ENDPOINT_HF": f"https://localhost:{server.server_port}"})
        server.shutdown()
        server.server_close()


class Tokens(Base):
    def test_a_token_stays_with_its_hub(self):
        self.fails("pull", "hf:acme/secret:Q4_0", say=["private", "HF_TOKEN"])
        self.hub.reset()
        self.pull("hf:acme/secret:Q4_0", env={"HF_TOKEN": "hf_s3cret"})
        seen = {port: {h.get("Authorization") for p, _, _, h in self.hub.requests if p == port} for port in (self.hub.port, self.hub.cdn_port)}
        self.assertEqual(seen[self.hub.port], {"Bearer hf_s3cret"})
        self.assertEqual(seen[self.hub.cdn_port], {None})

    def test_a_token_of_the_usual_file(self):
        folder = os.path.join(self.temp.name, ".cache/huggingface")
        os.makedirs(folder)
        with open(os.path.join(folder, "token"), "w") as file:
            file.write("hf_s3cret\n")
        self.pull("hf:acme/secret:Q4_0")

    def test_ollama_and_addresses_get_no_token(self):
        self.pull("ollama:small", env={"HF_TOKEN": "hf_s3cret"})
        self.pull(f"{self.hub.endpoint}/file/one.gguf", env={"HF_TOKEN": "hf_s3cret"})
        self.assertEqual({h.get("Authorization") for _, _, _, h in self.hub.requests}, {None})

    def test_a_token_with_a_line_break_sends_no_header(self):
        self.fails("pull", "hf:acme/secret:Q4_0", say="token has a blank or a control", env={"HF_TOKEN": "a\r\nX-Evil: 1"})
        self.assertEqual(self.hub.requests, [])


class Offline(Base):
    def test_offline_asks_nobody(self):
        self.pull("hf:acme/tiny")
        self.hub.reset()
        self.fails("pull", "hf:acme/big-GGUF", "--offline", say="offline")
        self.fails("pull", "ollama:small", say="offline", env={"RAGA_OFFLINE": "1"})
        for args in (("list",), ("du",), ("show", "hf:acme/tiny"), ("run", "hf:acme/tiny", "a", "-n", "1"), ("pull", "--known")):
            self.assertEqual(self.raga(*args, env={"RAGA_OFFLINE": "1"})[0], 0)
        self.assertEqual(self.hub.requests, [])

    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_offline_opens_no_socket(self):
        self.pull("hf:acme/tiny")
        log = os.path.join(self.temp.name, "log")
        for args in (("pull", "hf:acme/big-GGUF", "--offline"), ("run", "hf:acme/tiny", "a", "-n", "1"), ("list",)):
            out = subprocess.run(["strace", "-f", "-o", log, "-e", "trace=socket,connect", RAGA, *args], env={**self.env, "RAGA_OFFLINE": "1"}, capture_output=True)
            if not os.path.exists(log) or b"ptrace" in out.stderr:
                self.skipTest("strace may not trace here")
            self.assertNotIn("socket(", read(log).decode())


class Stopping(Base):
    NAME, FILE = "hf:acme/big-GGUF:Q8_0", "big-Q8_0.gguf"

    def start(self, *args):
        return subprocess.Popen([RAGA, "pull", *args], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def test_ctrl_c_keeps_what_is_there(self):
        self.hub.faults.bytes_s = 600000
        process = self.start(self.NAME)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(b"the same command goes on from there", err)
        models = self.check_store()
        self.assertTrue(models and not models[0]["complete"] and models[0]["there"] > 0)
        self.hub.reset()
        path = self.pull(self.NAME)
        self.assertEqual(read(path), self.gguf[self.FILE])
        self.assertLessEqual(self.hub.served, len(self.gguf[self.FILE]) - models[0]["there"])

    def test_kill_at_random_moments(self):
        rng = random.Random(7)
        n_kills = 0
        for round_ in range(50 if LONG else 5):
            self.hub.faults.bytes_s = 1500000
            process = self.start(self.NAME)
            time.sleep(rng.uniform(0.02, 1.2))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            n_kills += process.returncode == -9
            before = self.check_store()
            kept = before[0]["there"] if before else 0
            self.hub.reset()
            if round_ % 5 == 4:
                path = self.pull(self.NAME)
                self.assertEqual(read(path), self.gguf[self.FILE])
                # what was confirmed is not fetched again
                self.assertLessEqual(self.hub.served, len(self.gguf[self.FILE]) - kept)
                self.check_store()
                self.assertEqual(self.raga("rm", self.NAME)[0], 0)
        self.assertGreater(n_kills, 0)

    def test_kill_between_the_files_of_a_checkpoint(self):
        rng = random.Random(8)
        for _ in range(20 if LONG else 4):
            process = self.start("hf:acme/tiny")
            time.sleep(rng.uniform(0.005, 0.12))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            self.check_store()
        path = self.pull("hf:acme/tiny")
        self.assertEqual(read(os.path.join(path, "config.json")), self.tiny["config.json"])
        self.assertEqual(self.raga("run", "hf:acme/tiny", "a", "-n", "1")[0], 0)

    def test_a_changed_file_is_not_mixed_with_an_old_part(self):
        url = f"{self.hub.endpoint}/file/changes.gguf"
        self.hub.plain["changes.gguf"] = noise(6 * MIB, 20)
        self.hub.faults.bytes_s = 600000
        process = self.start(url)
        time.sleep(1.5)
        process.kill()
        process.communicate()
        self.hub.reset()
        self.hub.plain["changes.gguf"] = noise(6 * MIB, 21)
        self.hub.plain_headers = {"ETag": '"v2"'}
        self.assertEqual(read(self.pull(url)), noise(6 * MIB, 21))

    def test_d05_a_disk_that_fills(self):
        disk = os.path.join(self.temp.name, "disk")
        os.mkdir(disk)
        script = """mount -t tmpfs -o size=80m tmpfs "$1" 2>/dev/null || exit 77
            RAGA_STORE=$1/store; export RAGA_STORE
            "$2" pull "$3" & pid=$!
            sleep 1.5; head -c 100m /dev/zero >"$1/full" 2>/dev/null
            wait $pid; echo "first $?"
            rm "$1/full"; "$2" pull "$3" >/dev/null; echo "second $?"; sha256sum "$1"/store/blobs/*; "$2" list"""
        self.hub.faults.bytes_s = 400000
        out = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", disk, RAGA, self.NAME], env=self.env, capture_output=True, timeout=120) \
            if shutil.which("unshare") and os.geteuid() == 0 else None
        if out is None or out.returncode == 77 or b"unshare" in out.stderr:
            self.skipTest("needs a file system of its own")
        self.assertIn(b"first 1", out.stdout, out.stderr)
        self.assertIn(b"no room is left; what is there is kept", out.stderr)
        self.assertIn(b"second 0", out.stdout, out.stderr)
        self.assertIn(sha256(self.gguf[self.FILE]).encode(), out.stdout)

    def test_two_pulls_of_one_name(self):
        self.hub.faults.bytes_s = 600000
        process = self.start(self.NAME)
        time.sleep(1.0)
        self.fails("pull", self.NAME, say="another process is pulling")
        self.fails("rm", self.NAME, say="another process is pulling")
        self.hub.faults.bytes_s = 0
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        self.check_store()

    def test_a_damaged_journal_or_part(self):
        self.hub.faults.bytes_s = 600000
        rng = random.Random(9)
        for damage in range(4):
            process = self.start(self.NAME)
            time.sleep(1.3)
            process.kill()
            process.communicate()
            folder = os.path.join(self.store, "partial")
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if name.endswith(".journal") == (damage < 2):
                    data = bytearray(read(path))
                    if damage % 2 == 0:
                        data = data[:len(data) // 2]
                    for _ in range(20):
                        data[rng.randrange(len(data))] = rng.randrange(256)
                    with open(path, "wb") as file:
                        file.write(data)
            self.hub.faults.bytes_s = 0
            self.assertEqual(read(self.pull(self.NAME)), self.gguf[self.FILE])
            self.check_store()
            self.raga("rm", self.NAME)
            self.hub.faults.bytes_s = 600000


class Store(Base):
    def test_remove(self):
        self.pull("hf:acme/big-GGUF")
        path = self.pull("ms:acme/big-GGUF:Q4_K_M")
        self.pull("hf:acme/big-GGUF:Q4_0")
        self.assertEqual(self.raga("rm", "hf:acme/big-GGUF")[0], 0)
        self.assertEqual(read(path), self.gguf["big-Q4_K_M.gguf"])
        self.fails("rm", "ms:acme/big-GGUF:Q4_K_S", say=["is not in the store", "did you mean ms:acme/big-GGUF:Q4_K_M?"])
        self.assertEqual(self.raga("rm", "ms:acme/big-GGUF:Q4_K_M", "hf:acme/big-GGUF:Q4_0")[0], 0)
        self.assertEqual(os.listdir(os.path.join(self.store, "blobs")), [])
        self.assertEqual(os.listdir(os.path.join(self.store, "models")), [])
        self.assertIn("the store is empty", self.raga("list")[1])

    def test_unused_files(self):
        self.pull("hf:acme/big-GGUF:Q4_0")
        stray = os.path.join(self.store, "blobs", "sha256-" + sha256(b"stray"))
        with open(stray, "wb") as file:
            file.write(b"stray")
        self.assertEqual(json.loads(self.raga("du", "--json")[1])["unused_bytes"], 5)
        self.assertEqual(self.raga("rm", "--unused")[0], 0)
        self.assertFalse(os.path.exists(stray))
        self.check_store()

    def test_records_that_cannot_be_read(self):
        self.pull("hf:acme/big-GGUF:Q4_0")
        folder = os.path.join(self.store, "models", os.listdir(os.path.join(self.store, "models"))[0])
        manifest = os.path.join(folder, "manifest.json")
        whole = read(manifest)
        for bad in (b"", b"{", whole[:-5], whole.replace(b"big-Q4_0", b"../../x"), whole.replace(b'"version":1', b'"version":9'), b"[]" * 10,
                    whole.replace(b"hf:acme", b"hf:evil"), b"\xff" * 100):
            with open(manifest, "wb") as file:
                file.write(bad)
            self.assertEqual(self.raga("list")[0], 1)
            self.assertEqual(self.raga("du")[0], 0)
            self.assertEqual(self.raga("show", "hf:acme/big-GGUF:Q4_0")[0], 1)
            # nothing that it may need is removed
            self.fails("rm", "--unused", say="cannot be read")
        with open(manifest, "wb") as file:
            file.write(whole)
        self.check_store()

    def test_a_blob_that_is_gone(self):
        self.pull("hf:acme/big-GGUF:Q4_0")
        blobs = os.path.join(self.store, "blobs")
        os.unlink(os.path.join(blobs, os.listdir(blobs)[0]))
        self.assertIn("files are missing", self.raga("list")[1])
        self.fails("show", "hf:acme/big-GGUF:Q4_0", say="raga pull")
        self.pull("hf:acme/big-GGUF:Q4_0")
        self.check_store()

    def test_names_that_mean_the_same(self):
        path = self.pull("hf:acme/tiny@main")
        self.assertEqual(self.raga("show", "hf:acme/tiny")[0], 1)
        commit = self.hub.repos["acme/tiny"].commit
        self.assertEqual(self.raga("show", f"hf:acme/tiny@{commit}")[0], 0)
        self.assertEqual(self.raga("show", "hf:acme/tiny@main")[0], 0)
        self.assertTrue(path)
        self.pull("hf:acme/big-GGUF")
        # found by its quantization; that it is noise is what is said
        self.fails("show", "hf:acme/big-GGUF:Q4_K_M", say="big-Q4_K_M.gguf")

    def test_hugging_faces_cache(self):
        repo = self.hub.repos["acme/tiny"]
        cache = os.path.join(self.temp.name, ".cache/huggingface/hub/models--acme--tiny")
        snapshot = os.path.join(cache, "snapshots", repo.commit)
        os.makedirs(os.path.join(cache, "blobs"))
        os.makedirs(os.path.join(cache, "refs"))
        os.makedirs(snapshot)
        with open(os.path.join(cache, "refs/main"), "w") as file:
            file.write(repo.commit)
        for name, data in repo.files.items():
            if "/" not in name and name != "LICENSE":  # which other tools leave out
                blob = os.path.join(cache, "blobs", sha256(data))
                with open(blob, "wb") as file:
                    file.write(data)
                os.symlink(f"../../blobs/{sha256(data)}", os.path.join(snapshot, name))
        self.assertEqual(self.raga("run", "hf:acme/tiny", "Hello", "-n", "4", "--seed", "1")[:2], self.raga("run", TINY, "Hello", "-n", "4", "--seed", "1")[:2])
        self.assertEqual(self.hub.requests, [])
        code, out, err = self.raga("pull", "hf:acme/tiny")
        self.assertEqual((code, out.strip()), (0, snapshot))
        self.assertIn("used from there", err)
        self.assertEqual(self.hub.served, 0)
        self.pull("hf:acme/tiny", "--copy")
        self.assertEqual(len(self.check_store()), 1)

    def test_ollamas_store(self):
        model = read(os.path.join(TINY, "model.safetensors"))
        manifest = self.hub.ollama("library/mine", "1b", model)
        base = os.path.join(self.temp.name, ".ollama/models")
        os.makedirs(os.path.join(base, "blobs"))
        os.makedirs(os.path.join(base, "manifests/registry.ollama.ai/library/mine"))
        with open(os.path.join(base, "manifests/registry.ollama.ai/library/mine/1b"), "w") as file:
            json.dump(manifest, file)
        blob = os.path.join(base, "blobs", "sha256-" + sha256(model))
        with open(blob, "wb") as file:
            file.write(model[:100])
        self.fails("show", "ollama:mine:1b", say="raga pull")
        with open(blob, "wb") as file:
            file.write(model)
        self.fails("show", "ollama:mine:1b", say=blob)  # found; and it is no GGUF
        self.assertEqual(self.hub.requests, [])
        code, out, err = self.raga("pull", "ollama:mine:1b")
        self.assertEqual((code, out.strip()), (0, blob))
        self.assertIn("Ollama's store has it already", err)
        self.hub.ollama("library/mine", "1b", noise(1000, 30))
        self.assertEqual(read(self.pull("ollama:mine:1b")), noise(1000, 30))
        self.assertEqual(len(self.check_store()), 1)


if __name__ == "__main__":
    probe = subprocess.run([RAGA, "pull", "hf:a/b", "--retries", "1"], capture_output=True, env={**os.environ, "RAGA_ENDPOINT_HF": "http://127.0.0.1:9",
                                                                                              "RAGA_STORE": "/nonexistent/store"})
    if b"built without libcurl" in probe.stderr:
        print("skipped: this raga was built without libcurl or OpenSSL")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
