#!/usr/bin/env python3
"""Many requests at once: sessions, the queue, clients that leave, the end. usage: test_jobs.py RAGA ROOT"""
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from scripted_model import make  # noqa: E402
from serving import Server  # noqa: E402

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
CHAT = "/v1/chat/completions"
FOLDER = tempfile.TemporaryDirectory()
MODEL = os.path.join(FOLDER.name, "model")
make(MODEL, {"plain": ["Hello", " there."]}, "plain", context=200000)
# an answer of some minutes
LONG = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0, "ignore_eos": True, "max_tokens": 190000}


class Case(unittest.TestCase):
    words = ["--slots", "2", "--queue", "2"]

    def setUp(self):
        self.server = Server(RAGA, MODEL, *self.words)
        self.socks = []

    def tearDown(self):
        for sock in self.socks:
            sock.close()
        status = self.server.stop()
        self.assertEqual(status, 0)

    def long(self, n, **more):
        """n requests that take long, once they are answered or wait."""
        before = sum(self.server.metrics()[m] for m in ("raga_requests_running", "raga_requests_waiting"))
        for _ in range(n):
            self.socks.append(self.server.open_stream(CHAT, {**LONG, "stream": True, **more}))
        until = time.monotonic() + 30
        while time.monotonic() < until:
            now = self.server.metrics()
            if now["raga_requests_running"] + now["raga_requests_waiting"] == before + n:
                return
            time.sleep(0.02)
        self.fail("the requests do not arrive: %s" % now)


class Leaving(Case):
    def test_H09_a_stream_that_nobody_reads_ends(self):
        self.long(1)
        self.assertIn(b"data: ", self.socks[0].recv(100000))
        self.socks[0].close()
        self.assertEqual(self.server.wait_for("raga_requests_running", 0, 5), 0)
        self.assertEqual(self.server.metrics()["raga_requests_cancelled_total"], 1)

    def test_H09_one_that_waits_for_the_whole_answer_may_leave_too(self):
        self.long(1, stream=False)
        self.socks[0].close()
        self.assertEqual(self.server.wait_for("raga_requests_running", 0, 5), 0)

    def test_H09_in_the_middle_of_a_prompt(self):
        self.long(1, messages=[{"role": "user", "content": "x" * 150000}], max_tokens=1)
        self.socks[0].close()
        self.assertEqual(self.server.wait_for("raga_requests_running", 0, 5), 0)

    def test_H09_while_it_waits(self):
        self.long(3)
        self.assertEqual(self.server.metrics()["raga_requests_waiting"], 1)
        self.socks[2].close()
        self.assertEqual(self.server.wait_for("raga_requests_waiting", 0, 5), 0)
        self.assertEqual(self.server.metrics()["raga_requests_running"], 2)

    def test_the_others_go_on(self):
        self.long(1)
        self.assertEqual(self.server.chat()["choices"][0]["message"]["content"], "Hello there.")
        self.socks[0].close()
        self.assertEqual(self.server.wait_for("raga_requests_running", 0, 5), 0)
        self.assertEqual(self.server.chat()["choices"][0]["message"]["content"], "Hello there.")

    def test_H10_a_client_that_does_not_read_holds_up_nobody(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((self.server.host, self.server.port))
        self.socks.append(sock)
        body = json.dumps({**LONG, "stream": True}).encode()
        sock.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (CHAT.encode(), len(body), body))
        # some 200 bytes a token: the bound on what waits is reached, and it is cut off
        self.assertEqual(self.server.wait_for("raga_requests_cancelled_total", 1, 200), 1)
        self.assertEqual(self.server.wait_for("raga_requests_running", 0, 5), 0)


class Queue(Case):
    def test_H11_a_full_queue_says_when_to_come_again(self):
        self.long(4)
        status, headers, answer = self.server.post(CHAT, LONG)
        self.assertEqual((status, answer["error"]["type"]), (429, "rate_limit_error"))
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        self.assertEqual(headers["X-Should-Retry"], "true")
        # what needs no session is answered
        self.assertEqual(self.server.get("/health")[0], 200)
        self.assertEqual(self.server.good("/tokenize", {"content": "a"})["tokens"] != [], True)
        self.assertEqual(self.server.metrics()["raga_requests_rejected_total"], 1)
        self.assertEqual(self.server.metrics()["raga_requests_running"], 2)

    def test_those_who_wait_get_their_turn(self):
        self.long(2)
        answers = []
        waiting = [threading.Thread(target=lambda: answers.append(self.server.chat()["choices"][0]["message"]["content"])) for _ in range(2)]
        for thread in waiting:
            thread.start()
        self.assertEqual(self.server.wait_for("raga_requests_waiting", 2), 2)
        self.socks[1].close()
        for thread in waiting:
            thread.join(30)
        self.assertEqual(answers, ["Hello there."] * 2)

    def test_two_at_once_share(self):
        self.long(2)
        counts = [0, 0]
        until = time.monotonic() + 3
        for i, sock in enumerate(self.socks):
            sock.setblocking(False)
        while time.monotonic() < until:
            for i, sock in enumerate(self.socks):
                try:
                    counts[i] += sock.recv(1 << 16).count(b"data: ")
                except BlockingIOError:
                    pass
            time.sleep(0.001)
        self.assertGreater(min(counts), 20)
        self.assertGreater(min(counts) * 4, max(counts))

    def test_many_at_once_with_the_same_answers(self):
        server = Server(RAGA, MODEL, "--slots", "3", "--queue", "100")
        answers = []
        lock = threading.Lock()

        def ask(i):
            for k in range(3):
                said = "tell me " * (i % 5) + "about %d" % (i + k)
                got = server.chat(said, stop="re") if k else server.chat(said)
                with lock:
                    answers.append(got["choices"][0]["message"]["content"])
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(24)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
            self.assertEqual((answers.count("Hello there."), answers.count("Hello the")), (24, 48))
        finally:
            self.assertEqual(server.stop(), 0)


class Cache(Case):
    def usage(self, text, **more):
        usage = self.server.chat(text, max_tokens=1, **more)["usage"]
        return usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]

    def test_a_conversation_goes_on_where_it_was(self):
        first = [{"role": "user", "content": "a" * 1000}]
        n, cached = self.usage(first)
        self.assertEqual(cached, 0)
        n2, cached = self.usage(first + [{"role": "assistant", "content": "Hello there."}, {"role": "user", "content": "b"}])
        self.assertGreater(n2, n)
        self.assertGreaterEqual(cached, n - 2)

    def test_two_conversations_do_not_drive_each_other_out(self):
        # they begin alike, then go apart
        def said(letter):
            return "shared " * 40 + letter * 1000
        n, _ = self.usage(said("a"))
        _, cached = self.usage(said("b"))
        self.assertGreater(cached, 200)  # a copy of what they have in common
        self.assertLess(cached, 400)
        for letter in "abab":
            _, cached = self.usage(said(letter))
            self.assertEqual(cached, n - 1)

    def test_answers_are_the_same_with_and_without(self):
        said = [{"role": "user", "content": "c" * 700}]
        fresh = self.server.chat(said, logprobs=True)["choices"]
        again = self.server.chat(said, logprobs=True)
        self.assertGreater(again["usage"]["prompt_tokens_details"]["cached_tokens"], 600)
        self.assertEqual([c["message"] for c in fresh], [c["message"] for c in again["choices"]])


class End(unittest.TestCase):
    def end(self, sig, *words, body=None):
        server = Server(RAGA, MODEL, "--slots", "1", *words)
        sock = server.open_stream(CHAT, body or {**LONG, "stream": True})
        sock.recv(1000)
        began = time.monotonic()
        server.process.send_signal(sig)
        got = b""
        while True:
            part = sock.recv(1 << 16)
            if not part:
                break
            got = (got + part)[-2000:]
        sock.close()
        status = server.process.wait(30)
        took = time.monotonic() - began
        server.stop()
        return status, got, took

    def test_H22_an_answer_has_its_time_then_it_is_told(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            status, got, took = self.end(sig, "--grace", "1")
            self.assertEqual(status, 0)
            self.assertIn(b'"error"', got)
            self.assertIn(b"data: [DONE]", got)
            self.assertLess(took, 10)

    def test_H22_an_answer_that_is_soon_done_is_whole(self):
        status, got, _ = self.end(signal.SIGTERM, "--grace", "60", body={**LONG, "stream": True, "max_tokens": 3000})
        self.assertEqual(status, 0)
        self.assertIn(b'"finish_reason":"length"', got)
        self.assertNotIn(b'"error"', got)

    def test_H22_the_second_signal_ends_at_once(self):
        server = Server(RAGA, MODEL, "--slots", "1", "--grace", "600")
        sock = server.open_stream(CHAT, {**LONG, "stream": True})
        sock.recv(1000)
        server.process.terminate()
        time.sleep(0.3)
        self.assertIsNone(server.process.poll())
        server.process.terminate()
        self.assertEqual(server.process.wait(5), -signal.SIGTERM)
        sock.close()
        server.stop()

    def test_idle_connections_do_not_hold_it_up(self):
        server = Server(RAGA, MODEL)
        idle = [socket.create_connection((server.host, server.port)) for _ in range(20)]
        began = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - began, 5)
        for sock in idle:
            sock.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
