#!/usr/bin/env python3
"""Who may ask, and what a server does with requests that are none (rows H* of the catalogue of bad inputs).
usage: test_http.py RAGA ROOT"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from scripted_model import make  # noqa: E402
from serving import Server  # noqa: E402

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
CHAT = "/v1/chat/completions"
HI = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0}
FOLDER = tempfile.TemporaryDirectory()
MODEL = os.path.join(FOLDER.name, "model")
make(MODEL, {"plain": ["Hello", " there."]}, "plain")


def rss_mb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmRSS"))


class Open(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(RAGA, MODEL, "--cors", "https://page.example", "--body-max", "1m")

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        assert status == 0, status

    def alive(self):
        self.assertEqual(self.server.chat()["choices"][0]["message"]["content"], "Hello there.")

    def status(self, data, **more):
        answer = self.server.raw(data, **more)
        return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else None

    def test_every_answer_has_an_id_and_a_type(self):
        ids = set()
        for path in ("/health", "/v1/models", "/nothing"):
            _, headers, _ = self.server.get(path)
            self.assertRegex(headers["X-Request-Id"], "^req_[a-z0-9]{24}$")
            self.assertEqual(headers["X-Request-Id"], headers["Request-Id"])
            self.assertIn("application/json", headers["Content-Type"])
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            ids.add(headers["X-Request-Id"])
        self.assertEqual(len(ids), 3)

    def test_health_and_version(self):
        for path in ("/health", "/v1/health", "/livez", "/readyz"):
            self.assertEqual(self.server.get(path)[2], {"status": "ok"})
            self.assertEqual(self.server.ask("HEAD", path)[0], 200)
        self.assertRegex(self.server.get("/version")[2]["version"], r"^\d+\.\d+")

    def test_metrics_are_well_formed(self):
        self.alive()
        _, headers, text = self.server.get("/metrics")
        self.assertIn("text/plain", headers["Content-Type"])
        for line in text.decode().splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) raga_[a-z_]+ .+|raga_[a-z_]+ [0-9.e+-]+)$")
        metrics = self.server.metrics()
        self.assertGreaterEqual(metrics["raga_requests_done_total"], 1)
        self.assertGreaterEqual(metrics["raga_generated_tokens_total"], 2)

    def test_no_such_path_no_such_method(self):
        for path, shape in (("/nothing", "openai"), ("/v1/messages/nothing", "anthropic"), ("/api/nothing", "ollama")):
            status, _, answer = self.server.post(path, {})
            self.assertEqual(status, 404)
            if shape == "openai":
                self.assertEqual(answer["error"]["type"], "not_found_error")
            elif shape == "anthropic":
                self.assertEqual((answer["type"], answer["error"]["type"]), ("error", "not_found_error"))
                self.assertRegex(answer["request_id"], "^req_")
            else:
                self.assertIsInstance(answer["error"], str)
        for method, path in (("GET", CHAT), ("DELETE", "/v1/models"), ("PUT", "/health"), ("TRACE", "/health"), ("POST", "/health")):
            status, headers, _ = self.server.ask(method, path)
            self.assertEqual(status, 405, (method, path))
            self.assertIn(headers["Allow"], ("GET", "POST"))

    def test_H13_a_foreign_host_is_refused(self):
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "169.254.169.254", "[::2]:1", ""):
            status, _, answer = self.server.ask("POST", CHAT, HI, {"Host": host})
            self.assertEqual(status, 403, host)
            self.assertEqual(answer["error"]["type"], "permission_error")
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:8080", "my.localhost"):
            self.assertEqual(self.server.ask("GET", "/health", None, {"Host": host})[0], 200, host)
        self.assertEqual(self.server.ask("GET", "/health", None, {"Host": "evil.example"})[0], 403)

    def test_H13_pages_of_other_origins_may_not_ask(self):
        here = "127.0.0.1:%d" % self.server.port
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "https://" + here, "https://page.example.evil.example", "http://page.example"):
            for method, path in (("POST", CHAT), ("OPTIONS", CHAT), ("GET", "/metrics")):
                status, headers, _ = self.server.ask(method, path, None if method != "POST" else HI, {"Origin": origin, "Host": here})
                self.assertEqual(status, 403, (origin, method))
                self.assertIsNone(headers["Access-Control-Allow-Origin"])
        self.assertEqual(self.server.ask("POST", CHAT, HI, {"Origin": "http://" + here, "Host": here})[0], 200)
        status, headers, _ = self.server.ask("OPTIONS", CHAT, None, {"Origin": "https://page.example"})
        self.assertEqual((status, headers["Access-Control-Allow-Origin"], headers["Vary"]), (204, "https://page.example", "Origin"))
        self.assertIn("Authorization", headers["Access-Control-Allow-Headers"])
        status, headers, _ = self.server.ask("POST", CHAT, HI, {"Origin": "https://page.example"})
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, "https://page.example"))
        self.assertIsNone(headers["Access-Control-Allow-Credentials"])

    def test_H02_headers_and_addresses_that_are_too_long(self):
        self.assertIn(self.status(b"GET /" + b"x" * 1000000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"), (400, 414, 431, None))
        self.assertIn(self.status(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000000 + b"\r\n\r\n"), (400, 431, None))
        self.assertIn(self.status(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 10000 + b"\r\n"), (400, 431, None))
        self.alive()

    def test_H03_a_body_that_is_too_long(self):
        status, _, answer = self.server.post(CHAT, "x" * (1 << 20) + "y")
        self.assertEqual((status, "1048576" in answer["error"]["message"]), (413, True))
        # told to be small, or told in pieces
        big = b"x" * (3 << 20)
        chunked = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (CHAT.encode(), len(big), big)
        self.assertEqual(self.status(chunked, keep=True, wait=20), 413)
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n" % CHAT.encode()
        self.assertEqual(self.status(head, keep=True, wait=5), 413)
        self.alive()

    def test_H03_lengths_that_contradict(self):
        body = json.dumps(HI).encode()
        for head in (b"Content-Length: %d\r\nContent-Length: %d" % (len(body), len(body) + 1), b"Content-Length: %d\r\nTransfer-Encoding: chunked" % len(body),
                     b"Content-Length: +%d" % len(body), b"Content-Length: -1", b"Content-Length: 0x10", b"Content-Length: 99999999999999999999999",
                     b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"):
            status = self.status(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n" + body, wait=5)
            self.assertIn(status, (400, 413, None), head)
        for chunk in (b"zz\r\nabc\r\n0\r\n\r\n", b"+5\r\nabcde\r\n0\r\n\r\n", b"ffffffffffffffffff\r\nabc", b"5\r\nabcdefg\r\n0\r\n\r\n"):
            status = self.status(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk, wait=5)
            self.assertIn(status, (400, 413, None), chunk)
        self.alive()

    def test_H04_bodies_are_not_unpacked(self):
        self.assertEqual(self.server.post(CHAT, HI, headers={"Content-Encoding": "gzip"})[0], 415)
        self.assertEqual(self.server.post(CHAT, HI, headers={"Content-Encoding": "identity"})[0], 200)

    def test_H18_odd_requests(self):
        self.assertIn(self.status(b"CONNECT example.org:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", wait=5), (400, 404, 405, None))
        self.assertIn(self.status(b"GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\n\r\n", wait=5), (400, 403, 404))
        self.assertIn(self.status(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", wait=5), (400, 403, 404, 405, 505, None))
        for junk in (b"\0" * 100, b"\x16\x03\x01\x02\x00", b"GET", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 1000):
            self.server.raw(junk, wait=5)
        # two in a row are answered in order
        two = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        answer = self.server.raw(two, keep=True, wait=5)
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", answer), [b"200", b"404"])
        self.alive()

    def test_H09_a_client_that_leaves_at_each_byte(self):
        body = json.dumps({**HI, "stream": True}).encode()
        data = b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for n in range(0, len(data) + 1, 3):
            sock = socket.create_connection((self.server.host, self.server.port))
            sock.sendall(data[:n])
            sock.close()
        self.assertEqual(self.server.wait_for("raga_requests_running", 0), 0)
        self.alive()

    def test_H01_H11_many_that_are_idle(self):
        idle = [socket.create_connection((self.server.host, self.server.port)) for _ in range(50)]
        slow = [socket.create_connection((self.server.host, self.server.port)) for _ in range(10)]
        for sock in slow:
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n")
        began = time.monotonic()
        for i in range(4):
            self.alive()
            for sock in slow:
                sock.sendall(b"X-%d: y\r\n" % i)
        self.assertLess(time.monotonic() - began, 20)
        self.assertLess(rss_mb(self.server.process.pid), 300)
        for sock in idle + slow:
            sock.close()


class Slow(unittest.TestCase):
    def test_H01_headers_that_never_end_are_cut_off(self):
        server = Server(RAGA, MODEL)
        try:
            sock = socket.create_connection((server.host, server.port), timeout=30)
            sock.sendall(b"GET /health HTTP/1.1\r\n")
            began = time.monotonic()
            closed = False
            while not closed and time.monotonic() - began < 25:
                try:
                    sock.sendall(b"X: y\r\n")
                    sock.settimeout(0.5)
                    closed = sock.recv(1000) == b""
                except socket.timeout:
                    continue
                except OSError:
                    closed = True
            self.assertTrue(closed)
            self.assertGreater(time.monotonic() - began, 8)
            self.assertEqual(server.get("/health")[0], 200)
        finally:
            sock.close()
            self.assertEqual(server.stop(), 0)


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(RAGA, MODEL, "--api-key", "first-key", "--api-key", "second")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_H12_a_key_is_asked_for(self):
        wrong = ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"Authorization": "Bearer first-ke"}, {"Authorization": "Bearer first-key2"},
                 {"Authorization": "first-key"}, {"Authorization": "Basic first-key"}, {"X-Api-Key": "x" * 10000}, {"X-Api-Key": ""})
        for headers in wrong:
            for method, path in (("POST", CHAT), ("GET", "/v1/models"), ("GET", "/metrics"), ("GET", "/nothing"), ("POST", "/tokenize")):
                status, _, answer = self.server.ask(method, path, HI if method == "POST" else None, headers)
                self.assertEqual((status, answer["error"]["type"]), (401, "authentication_error"), headers)
        for headers in ({"Authorization": "Bearer first-key"}, {"authorization": "bearer second"}, {"X-Api-Key": "second"}, {"x-goog-api-key": "second"}):
            self.assertEqual(self.server.post(CHAT, HI, headers=headers)[0], 200, headers)
        self.assertEqual(self.server.get("/health")[0], 200)

    def test_K06_what_one_asked_is_nothing_to_the_other(self):
        long = {"messages": [{"role": "user", "content": "tell me " * 50}], "temperature": 0}

        def cached(key):
            answer = self.server.good(CHAT, long, headers={"Authorization": "Bearer " + key})
            return answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        cached("first-key")
        self.assertGreater(cached("first-key"), 300)
        self.assertLess(cached("second"), 20)
        self.assertGreater(cached("second"), 300)

    def test_a_key_from_the_environment(self):
        server = Server(RAGA, MODEL, env={**os.environ, "RAGA_API_KEY": "secret"})
        try:
            self.assertEqual(server.get("/v1/models")[0], 401)
            self.assertEqual(server.get("/v1/models", headers={"Authorization": "Bearer secret"})[0], 200)
        finally:
            server.stop()


class Command(unittest.TestCase):
    def run_it(self, *words):
        return subprocess.run([RAGA, "serve", *words], capture_output=True, timeout=60, check=False)

    def test_what_cannot_be_is_said(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            r = self.run_it(MODEL, "--port", str(taken.getsockname()[1]))
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"Address already in use", r.stderr)
        r = self.run_it(MODEL, "--host", "192.0.2.1", "--port", "0")
        self.assertEqual((r.returncode, b"192.0.2.1" in r.stderr), (1, True))
        self.assertEqual(self.run_it(MODEL, "--port", "70000").returncode, 2)
        self.assertEqual(self.run_it("no-such-model", "--port", "0").returncode, 1)
        self.assertEqual(self.run_it(MODEL, "--api-key", "", "--port", "0").returncode, 1)

    def test_other_names_and_other_hosts(self):
        server = Server(RAGA, MODEL, "--alias", "*", "--allow-host", "box.lan")
        try:
            self.assertEqual(server.chat(model="gpt-4o")["model"], "model")
            self.assertEqual(server.get("/health", headers={"Host": "box.lan:80"})[0], 200)
            self.assertEqual(server.get("/health", headers={"Host": "evil.example"})[0], 403)
        finally:
            server.stop()
        server = Server(RAGA, MODEL, "--host", "0.0.0.0")
        try:
            server.host = "127.0.0.1"
            self.assertEqual(server.get("/health", headers={"Host": "box.lan:80"})[0], 200)
        finally:
            server.stop()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
