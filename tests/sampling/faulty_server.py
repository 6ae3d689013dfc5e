"""A chat server on localhost that answers truly, and misbehaves for the questions that ask for it.

The user message names the fault, for example `500x2`: the first two requests for it fail, the third is answered.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FaultyServer(ThreadingHTTPServer):
    """`with FaultyServer() as server:` serves at `server.url`; `requests` holds what it was sent."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, model="tiny", key=None, usage=True, after=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model, self.key, self.usage, self.after = model, key, usage, after
        self.requests, self.seen, self.running, self.most_at_once = [], Counter(), 0, 0
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def handle_error(self, *_):
        """A client that has hung up is no news."""

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append(body)
            server.running += 1
            server.most_at_once = max(server.most_at_once, server.running)
        try:
            self.respond(body)
        finally:
            with server.lock:
                server.running -= 1

    def respond(self, body):
        server, text = self.server, body["messages"][-1]["content"]
        if server.key and self.headers["Authorization"] != f"Bearer {server.key}":
            return self.send(401, {"error": {"message": f"wrong key {self.headers['Authorization']}"}})
        fault, _, times = text.partition("x")
        with server.lock:
            server.seen[text] += 1
            nth = server.seen[text]
            broken = server.after is not None and len(server.requests) > server.after
        if broken:
            return self.send(500, {"error": {"message": "down"}})
        if times.isdigit() and nth <= int(times):
            return getattr(self, f"fault_{fault}")(text)
        if re.fullmatch("finish .*", text):
            return self.send(200, self.completion(body, finish_reason=text.split()[1]))
        if text in ("nan", "say nan"):
            logprobs = {"content": [{"token": "a", "logprob": float("nan")}]}
            return self.send(200, self.completion(body, logprobs=logprobs))
        if text.startswith("slow"):
            time.sleep(0.1)
        if text == "think":
            return self.send(200, self.completion(body, thinking="hm"))
        self.send(200, self.completion(body))

    def fault_timeout(self, text):
        time.sleep(1.5)
        self.close_connection = True

    def fault_500(self, text):
        self.send(500, {"error": {"message": f"no luck with {self.headers['Authorization']}"}})

    def fault_429(self, text):
        self.send(429, {"error": {"message": "too many"}})

    def fault_400(self, text):
        self.send(400, {"error": {"message": f"too long, {self.headers['Authorization']}"}})

    def fault_cut(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "4000")
        self.end_headers()
        self.wfile.write(b'{"choices": [{"message"')
        self.close_connection = True

    def fault_broken(self, text):
        self.send_raw(200, b'{"choices": [{"message": {"content": ')

    def fault_empty(self, text):
        self.send(200, {"choices": []})

    def fault_html(self, text):
        self.send_raw(200, b"<html>Bad gateway</html>", "text/html")

    def completion(self, body, finish_reason="stop", logprobs=None, thinking=None):
        text = f"answer to {body['messages'][-1]['content']} with {body['seed']}"
        message = {"role": "assistant", "content": text, "reasoning_content": thinking}
        if body.get("logprobs") and logprobs is None:
            logprobs = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -0.25}]}
        choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": logprobs}
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": self.server.model, "choices": [choice]}
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        return reply | ({"usage": usage} if self.server.usage else {})

    def send(self, status, value):
        self.send_raw(status, json.dumps(value).encode())

    def send_raw(self, status, data, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass
