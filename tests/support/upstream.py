"""A scripted OpenAI-compatible chat server, nastier than a real one. The model name selects what goes wrong.

  good        streams a cited answer in small pieces, with usage
  split       splits the bytes of the stream anywhere, inside UTF-8 sequences and markers
  late-usage  sends usage in a chunk with empty choices after the finish_reason
  refuses     500 before anything
  busy        429 with Retry-After
  wrong       400 with an OpenAI error body
  cut         closes the connection in the middle of the answer
  cut-early   closes the connection after the role chunk, before any text
  error-event sends an error object in the stream after some text
  garbage     sends a line that is not JSON
  stuck       sends the role chunk and then nothing
  stall       sends some text and then nothing
  endless     streams words until the client goes away; `disconnects` counts those
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = "The idle speed is 412 revolutions per minute [1]. 转速为412转[1]。 Nothing else is known [9]."


def chunk(model, delta, finish=None, **extra):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **extra}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send_json(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def write_chunked(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, body):
        self.write_chunked(b"data: " + (body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()) + b"\n\n")

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), request))
        model = request["model"]
        if model == "refuses" or self.server.down:
            return self.send_json(500, {"error": {"message": "out of memory", "type": "server_error"}})
        if model == "busy":
            return self.send_json(429, {"error": {"message": "too many"}}, [("Retry-After", "1")])
        if model == "wrong":
            return self.send_json(400, {"error": {"message": "context too long", "type": "invalid_request_error"}})
        if not request.get("stream"):
            return self.send_json(200, {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 111, "completion_tokens": 22, "total_tokens": 133}})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            getattr(self, "stream_" + model.replace("-", "_"), self.stream_good)(model)
        except OSError:
            with self.server.lock:
                self.server.disconnects += 1
            self.close_connection = True

    def words(self, model):
        self.event(chunk(model, {"role": "assistant", "content": ""}))
        for i in range(0, len(ANSWER), 3):
            self.event(chunk(model, {"content": ANSWER[i:i + 3]}))

    def finish(self, model, **extra):
        self.event(chunk(model, {}, "stop", **extra))

    def done(self):
        self.event(b"[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def stream_good(self, model):
        self.words(model)
        self.finish(model, usage={"prompt_tokens": 111, "completion_tokens": 22, "total_tokens": 133})
        self.done()

    def stream_late_usage(self, model):
        self.words(model)
        self.finish(model)
        self.event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [],
                    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
        self.done()

    def stream_split(self, model):
        pieces = [chunk(model, {"role": "assistant"})]
        pieces += [chunk(model, {"content": ANSWER[i:i + 5]}) for i in range(0, len(ANSWER), 5)]
        pieces += [chunk(model, {}, "stop")]
        data = ": keep-alive\r\n\r\n".encode()
        data += b"".join(b"data: " + json.dumps(p, ensure_ascii=False).encode() + b"\r\n\r\n" for p in pieces)
        data += b"data: [DONE]\r\n\r\n"
        for i in range(0, len(data), 7):
            self.write_chunked(data[i:i + 7])
        self.wfile.write(b"0\r\n\r\n")

    def abort(self):
        self.close_connection = True
        self.connection.close()

    def stream_cut(self, model):
        self.event(chunk(model, {"role": "assistant", "content": "The idle speed"}))
        self.event(chunk(model, {"content": " is"}))
        self.abort()

    def stream_cut_early(self, model):
        self.event(chunk(model, {"role": "assistant", "content": ""}))
        self.abort()

    def stream_error_event(self, model):
        self.event(chunk(model, {"role": "assistant", "content": "The idle"}))
        time.sleep(0.1)  # What arrives with the first words can still be replaced.
        self.event({"error": {"message": "the engine died", "code": 500}})
        self.done()

    def stream_garbage(self, model):
        self.event(chunk(model, {"role": "assistant", "content": "The idle"}))
        time.sleep(0.1)
        self.event(b"{this is not json")
        self.done()

    def stream_stuck(self, model):
        self.event(chunk(model, {"role": "assistant", "content": ""}))
        self.server.release.wait(60)
        self.abort()

    def stream_stall(self, model):
        self.event(chunk(model, {"role": "assistant", "content": "The idle speed"}))
        self.server.release.wait(60)
        self.abort()

    def stream_endless(self, model):
        self.event(chunk(model, {"role": "assistant", "content": ""}))
        while not self.server.release.is_set():
            self.event(chunk(model, {"content": "word "}))
            time.sleep(0.01)


class Upstream(ThreadingHTTPServer):
    """Context manager: `with Upstream() as upstream: upstream.url`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.disconnects = [], 0
        self.down = False  # True: every model refuses.
        self.lock, self.release = threading.Lock(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)

    def handle_error(self, *_):
        pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.release.set()
        self.shutdown()
        self.server_close()
