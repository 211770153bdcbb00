"""A hub on this machine that behaves as the real ones do: Hugging Face's, ModelScope's and Ollama's protocols on one port, the
files behind redirects on a second one. Faults are switched on by fields of `Hub.faults`."""
import hashlib
import json
import re
import socket
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Faults:
    """What goes wrong. Counters go down to zero as they are used up."""

    def __init__(self):
        self.statuses = []        # (status, headers) of the next answers with a file's bytes
        self.hub_statuses = []    # of the next answers of the hub's own
        self.drops = 0            # connections that end in the middle
        self.drop_after = 300000  # bytes
        self.corrupt = 0          # answers with a byte changed
        self.no_ranges = False    # Range is ignored
        self.total_delta = 0      # sizes that Content-Range and Content-Length state are off by this
        self.stalls = 0           # connections that stop and stay open
        self.bytes_s = 0          # a connection's speed
        self.expired = 0          # signed addresses that are refused
        self.redirect = None      # another Location for files
        self.linked_etag = None
        self.no_length = False


class Repo:
    def __init__(self, files, lfs=(), license="apache-2.0", gated=False, token=None):
        self.files, self.lfs, self.license, self.gated, self.token = dict(files), set(lfs), license, gated, token
        self.commit = hashlib.sha1(repr(sorted((k, sha256(v)) for k, v in self.files.items())).encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value, headers=()):
        self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json", **dict(headers)})

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub = self.server.hub
        port = self.server.server_port
        if self.path.startswith("http://"):  # asked as a proxy: it answers for every host
            place = urllib.parse.urlsplit(self.path)
            port = hub.cdn_port if place.port == hub.cdn_port else port
            self.path = urllib.parse.urlunsplit(("", "", place.path, place.query, ""))
        with hub.lock:
            hub.requests.append((port, self.command, self.path, dict(self.headers)))
        try:
            if port == hub.cdn_port:
                self.cdn()
            else:
                self.hub()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # ---- files ----

    def send_file(self, data, headers=()):
        hub, faults = self.server.hub, self.server.hub.faults
        headers = {"Accept-Ranges": "bytes", **dict(headers)}
        with hub.lock:
            status = faults.statuses.pop(0) if faults.statuses and self.command == "GET" else None
            drop = faults.drops > 0 and len(data) > faults.drop_after
            faults.drops -= drop
            stall = faults.stalls > 0 and len(data) > faults.drop_after and self.command == "GET"
            faults.stalls -= stall
            corrupt = faults.corrupt > 0 and self.command == "GET"
            faults.corrupt -= corrupt
        if status:
            return self.answer(status[0], b"an error's page", status[1])
        total = len(data) + faults.total_delta
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        begin, end = 0, len(data)
        if match and not faults.no_ranges:
            begin = int(match[1])
            end = min(int(match[2]) + 1, len(data)) if match[2] else len(data)
            if begin >= len(data):
                return self.answer(416, b"", {"Content-Range": f"bytes */{total}"})
            self.send_response(206)
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{total}"
            headers["Content-Length"] = str(end - begin)
        else:
            self.send_response(200)
            headers["Content-Length"] = str(total)
        if faults.no_length:
            del headers["Content-Length"]
            self.close_connection = True
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        part = bytearray(data[begin:end])
        if corrupt and part:
            part[len(part) // 2] ^= 0x55
        step = 65536
        for at in range(0, len(part), step):
            if (drop or stall) and at >= faults.drop_after:
                if stall:
                    time.sleep(20)
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.wfile.write(part[at:at + step])
            with hub.lock:
                hub.served += len(part[at:at + step]) if hub.faults is faults else 0  # not what a killed client left
            if faults.bytes_s:
                time.sleep(step / faults.bytes_s)

    def cdn(self):
        hub = self.server.hub
        path, _, query = self.path.partition("?")
        with hub.lock:
            expired = hub.faults.expired > 0
            hub.faults.expired -= expired
        if expired or "sig=" not in query:
            return self.answer(403, b"<Error>expired</Error>")
        data = hub.blobs.get(path[1:])
        return self.answer(404) if data is None else self.send_file(data, {"ETag": '"cdn-tag"'})

    # ---- the hubs ----

    def redirect_to_cdn(self, data, headers=()):
        hub = self.server.hub
        hub.blobs[sha256(data)] = data
        place = hub.faults.redirect or f"http://127.0.0.1:{hub.cdn_port}/{sha256(data)}?sig={time.time()}"
        self.answer(302, b"Found", {"Location": place, **dict(headers)})

    def hub(self):
        hub, faults = self.server.hub, self.server.hub.faults
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        with hub.lock:
            status = faults.hub_statuses.pop(0) if faults.hub_statuses else None
        if status:
            return self.answer(status[0], b"{}", status[1])
        for pattern, method in ((r"/api/models", self.hf_search),
                                (r"/api/models/([^/]+/[^/]+)/revision/(.+)", self.hf_facts),
                                (r"/api/models/([^/]+/[^/]+)/tree/(.+)", self.hf_tree),
                                (r"/api/v1/models/([^/]+/[^/]+)/repo/files", self.ms_files),
                                (r"/api/v1/models/([^/]+/[^/]+)/repo", self.ms_file),
                                (r"/api/v1/models/([^/]+/[^/]+)", self.ms_facts),
                                (r"/v2/([^/]+/[^/]+)/manifests/(.+)", self.ollama_manifest),
                                (r"/v2/([^/]+/[^/]+)/blobs/sha256:(.+)", self.ollama_blob),
                                (r"/file/(.+)", self.plain_file),
                                (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.hf_file)):
            match = re.fullmatch(pattern, path)
            if match:
                return method(query, *[urllib.parse.unquote(g) for g in match.groups()])
        self.answer(404)

    def repo(self, name, revision=None):
        """The repository; None when an answer is given already, as the hub gives it: 401 for what is not there."""
        repo = self.server.hub.repos.get(name)
        if repo is None or (repo.token and self.headers.get("Authorization") != f"Bearer {repo.token}"):
            self.answer(401, b'{"error":"Invalid username or password."}', {"X-Error-Code": "RepoNotFound"})
            return None
        if revision not in (None, "main", "master", repo.commit):
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return None
        return repo

    def hf_search(self, query):
        word, author = query.get("search", "").lower(), query.get("author", "")
        self.answer_json([{"id": name} for name in self.server.hub.repos if word in name.lower() and name.startswith(author)])

    def hf_facts(self, query, name, revision):
        repo = self.repo(name, revision)
        if repo:
            self.answer_json({"id": name, "sha": repo.commit, "cardData": {"license": repo.license}})

    def hf_tree(self, query, name, revision):
        repo = self.repo(name, revision)
        if not repo:
            return
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "a-folder"}]
        for path, data in repo.files.items():
            entry = {"type": "file", "oid": git_hash(data), "size": len(data), "path": path}
            if path in repo.lfs:
                entry["oid"] = git_hash(b"a pointer")
                entry["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 134}
            entries.append(entry)
        at, page = int(query.get("cursor", 0)), 5
        headers = {}
        if at + page < len(entries):
            headers["Link"] = f"<{self.server.hub.endpoint}{self.path.partition('?')[0]}?recursive=true&cursor={at + page}>; rel=\"next\""
        self.answer_json(entries[at:at + page], headers)

    def hf_file(self, query, name, revision, path):
        repo = self.repo(name, revision)
        if not repo:
            return
        if repo.gated:
            return self.answer(401, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "restricted"})
        data = repo.files.get(path)
        if data is None:
            return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        headers = {"X-Repo-Commit": repo.commit}
        if path in repo.lfs:
            tag = self.server.hub.faults.linked_etag or sha256(data)
            return self.redirect_to_cdn(data, {"X-Linked-ETag": f'"{tag}"', "X-Linked-Size": str(len(data)), **headers})
        self.send_file(data, {"ETag": f'"{git_hash(data)}"', **headers})

    def ms_facts(self, query, name):
        repo = self.repo(name)
        if repo:
            self.answer_json({"Code": 200, "Data": {"License": repo.license, "Name": name}, "Success": True})

    def ms_files(self, query, name):
        repo = self.repo(name, query.get("Revision"))
        if repo:
            files = [{"Name": "folder", "Path": "folder", "Type": "tree", "Size": 0, "Sha256": ""}]
            files += [{"Name": p.split("/")[-1], "Path": p, "Type": "blob", "Size": len(d), "Sha256": sha256(d),
                       "IsLFS": p in repo.lfs, "Revision": repo.commit} for p, d in repo.files.items()]
            self.answer_json({"Code": 200, "Data": {"Files": files}, "Success": True})

    def ms_file(self, query, name):
        repo = self.repo(name, query.get("Revision"))
        if repo:
            data = repo.files.get(query.get("FilePath"))
            if data is None:
                return self.answer(404)
            return self.redirect_to_cdn(data) if query["FilePath"] in repo.lfs else self.send_file(data)

    def ollama_manifest(self, query, name, tag):
        manifest = self.server.hub.manifests.get((name, tag))
        return self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}') if manifest is None else self.answer_json(manifest)

    def ollama_blob(self, query, name, digest):
        data = self.server.hub.layers.get(digest)
        return self.answer(404) if data is None else self.redirect_to_cdn(data)

    def plain_file(self, query, name):
        data = self.server.hub.plain.get(name)
        if data is None:
            return self.answer(404)
        self.send_file(data, self.server.hub.plain_headers)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class Hub:
    def __init__(self):
        self.lock = threading.Lock()
        self.repos, self.manifests, self.layers, self.blobs, self.plain = {}, {}, {}, {}, {}
        self.plain_headers = {"ETag": '"v1"'}
        self.faults = Faults()
        self.requests, self.served = [], 0
        self.servers = [Server(("127.0.0.1", 0), Handler) for _ in range(2)]
        self.port, self.cdn_port = (s.server_port for s in self.servers)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        for server in self.servers:
            server.hub = self
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def ollama(self, name, tag, model, license=b"MIT License\n\nPermission is granted"):
        layers = []
        for kind, data in (("model", model), ("license", license), ("template", b"{{ .Prompt }}"), ("projector", b"not wanted")):
            self.layers[sha256(data)] = data
            layers.append({"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{sha256(data)}", "size": len(data)})
        self.manifests[(name, tag)] = {"schemaVersion": 2, "layers": layers,
                                       "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
        return self.manifests[(name, tag)]

    def reset(self):
        with self.lock:
            self.faults = Faults()
            self.requests, self.served = [], 0

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
