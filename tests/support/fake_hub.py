"""A model hub on 127.0.0.1 that speaks the part of the Hugging Face hub's API which a download uses.

usage: fake_hub.py ROOT     serves ROOT/ORGANISATION/MODEL/…; prints its port; ends when standard input closes

GET /MODE/api/models/NAME?blobs=true       the description with the list of files
GET /MODE/NAME/resolve/main/FILE           the file; large ones by redirect to /MODE/cdn/…, as the real one does
GET /MODE/log                              the requests so far in this mode, one "PATH RANGE" per line

The first part of every path selects what goes wrong:
  plain       nothing
  bare        the list has neither sizes nor checksums; the files' replies carry them
  cut         the first reply with the weights ends in the middle
  cut-always  every reply with the weights ends early
  no-ranges   as cut, and Range is ignored
  wrong-sum   the promised checksum of the weights is another
  busy        the first request for each path gets 503
  gated       401 for everything
  evil        the list names ../../evil
  torch       the list has no model.safetensors
  garbage     the description is not JSON
"""

import hashlib
import json
import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = "model.safetensors"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def first_time(self, key):
        with self.server.lock:
            new = key not in self.server.seen
            self.server.seen.add(key)
            return new

    def do_GET(self):
        mode, _, path = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        if path == "log":
            return self.reply(200, "".join(self.server.log.get(mode, [])).encode())
        with self.server.lock:
            self.server.log.setdefault(mode, []).append(f"{path} {self.headers.get('Range', '-')}\n")
        if mode == "gated":
            return self.reply(401, b'{"error":"Invalid username or password."}')
        if mode == "busy" and self.first_time((mode, path)):
            return self.reply(503, b"try later")
        if path.startswith("api/models/"):
            return self.describe(mode, path.removeprefix("api/models/"))
        if path.startswith("cdn/"):
            return self.send_file(mode, self.server.root / path.removeprefix("cdn/"))
        model, _, name = path.partition("/resolve/main/")
        self.resolve(mode, model, name)

    def describe(self, mode, model):
        directory = self.server.root / model
        if not directory.is_dir():
            return self.reply(404, b'{"error":"Repository not found"}')
        files = [self.entry(mode, path, directory) for path in sorted(directory.rglob("*")) if path.is_file()]
        if mode == "evil":
            files.append({"rfilename": "../../evil", "size": 4})
        if mode == "torch":
            files = [file for file in files if file["rfilename"] != LARGE]
        body = b"<html>" if mode == "garbage" else json.dumps({"id": model, "siblings": files}).encode()
        self.reply(200, body, Content_Type="application/json")

    def entry(self, mode, path, directory):
        entry = {"rfilename": path.relative_to(directory).as_posix()}
        if mode != "bare":
            entry |= {"size": path.stat().st_size, "blobId": "0" * 40}
            if path.name == LARGE:
                entry["lfs"] = {"sha256": self.sha256(mode, path), "size": path.stat().st_size, "pointerSize": 133}
        return entry

    def sha256(self, mode, path):
        return "0" * 64 if mode == "wrong-sum" else hashlib.sha256(path.read_bytes()).hexdigest()

    def resolve(self, mode, model, name):
        path = self.server.root / model / name
        if not path.is_file():
            return self.reply(404, b"Entry not found")
        if path.name == LARGE and mode != "bare":
            target = f"http://{self.headers['Host']}/{mode}/cdn/{model}/{name}"
            return self.reply(302, Location=target, X_Linked_Size=str(path.stat().st_size),
                              X_Linked_Etag=f'"{self.sha256(mode, path)}"')
        self.send_file(mode, path)

    def send_file(self, mode, path):
        data = path.read_bytes()
        begin = 0
        requested = self.headers.get("Range", "")
        if requested.startswith("bytes=") and mode != "no-ranges":
            begin = int(requested[len("bytes="):].split("-")[0])
            if begin >= len(data):
                return self.reply(416, Content_Range=f"bytes */{len(data)}")
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if mode == "bare" and path.name == LARGE:
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("X-Linked-Etag", f'"{self.sha256(mode, path)}"')
        self.end_headers()
        end = len(data)
        if path.name == LARGE and (mode == "cut-always" or
                                   mode in ("cut", "no-ranges") and self.first_time((mode, "cut"))):
            end = begin + (len(data) - begin) // 2
            self.close_connection = True
        self.wfile.write(data[begin:end])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.root = pathlib.Path(sys.argv[1])
    server.lock = threading.Lock()
    server.seen = set()
    server.log = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
