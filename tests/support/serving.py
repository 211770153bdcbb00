"""A server under test: started on a port of its own, asked over plain sockets, stopped."""
import http.client
import json
import re
import select
import socket
import subprocess
import time


class Server:
    def __init__(self, raga, *args, env=None):
        self.process = subprocess.Popen([raga, "serve", *args, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline().decode() if ready else ""
        at = re.search(r"http://(\[?[0-9a-z.:]+?\]?):(\d+)/v1", line)
        if at is None:
            self.process.kill()
            raise RuntimeError("the server does not start: " + line + self.process.stderr.read().decode())
        self.host, self.port = at.group(1).strip("[]"), int(at.group(2))

    def stop(self):
        """Ends it politely; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def ask(self, method, path, body=None, headers=None, timeout=120):
        """(status, headers, body as JSON or bytes)"""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            data = body if body is None or isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
            if "json" in (answer.getheader("Content-Type") or "") and text:
                text = json.loads(text)
            return answer.status, answer.headers, text
        finally:
            connection.close()

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body, **more):
        return self.ask("POST", path, body, **more)

    def good(self, path, body, **more):
        status, _, answer = self.post(path, body, **more)
        assert status == 200, (status, answer)
        return answer

    def chat(self, content="hi", **more):
        messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
        return self.good("/v1/chat/completions", {"messages": messages, "temperature": 0, **more})

    def open_stream(self, path, body, headers=None):
        """A socket with the request sent."""
        data = json.dumps(body).encode()
        sock = socket.create_connection((self.host, self.port), timeout=60)
        head = "".join("%s: %s\r\n" % pair for pair in (headers or {}).items())
        sock.sendall(("POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n" % (path, head, len(data))).encode() + data)
        return sock

    def events(self, path, body, **more):
        """(status, headers, events): each event's text behind "data: "; fails when the bytes are no event stream."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **more})
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                return answer.status, answer.headers, json.loads(text)
            blocks = text.split("\n\n")
            assert blocks[-1] == "", text
            events = []
            for block in blocks[:-1]:
                if not block.startswith(":"):
                    assert block.startswith("data: ") and "\n" not in block, block
                    events.append(block[6:])
            return answer.status, answer.headers, events
        finally:
            connection.close()

    def metrics(self):
        text = self.get("/metrics")[2].decode()
        return {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if not line.startswith("#")}

    def wait_for(self, name, value, seconds=30):
        """Until a metric has this value; what it has in the end."""
        until = time.monotonic() + seconds
        while self.metrics()[name] != value and time.monotonic() < until:
            time.sleep(0.02)
        return self.metrics()[name]

    def raw(self, data, wait=10, keep=False):
        """Sends bytes as they are; what comes back until the other side closes, or for `wait` seconds."""
        sock = socket.create_connection((self.host, self.port), timeout=wait)
        got = b""
        try:
            sock.sendall(data)
            if not keep:
                sock.shutdown(socket.SHUT_WR)
            while True:
                part = sock.recv(65536)
                if not part:
                    break
                got += part
        except (OSError, socket.timeout):
            pass
        sock.close()
        return got
