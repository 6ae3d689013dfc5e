"""A chat server on localhost that writes inputs for functions of one parameter, after as many refusals as the
function's name says: `inverse_2` gets two answers without a block first, `never` gets no other."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WriterServer(ThreadingHTTPServer):
    """`with WriterServer() as server:` serves at `server.url`; `requests` holds what it was sent."""

    daemon_threads = True

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds = seconds
        self.requests: list[dict[str, Any]] = []
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self) -> WriterServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A client that was killed is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WriterServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = re.findall(r"def (\w+)\(", body["messages"][-1]["content"])[-1]
        with self.server.lock:
            self.server.requests.append(body)
            nth = self.server.asked[name] = self.server.asked[name] + 1
        time.sleep(self.server.seconds)
        refusals = 99 if name == "never" else int(name.rpartition("_")[2]) if name[-1].isdigit() else 0
        text = _answer(name) if nth > refusals else "I would rather not."
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny", "choices": [choice],
                 "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}  # fmt: skip
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def _answer(name: str) -> str:
    if name == "broken":
        return "```python\nexamples = [{'x': 1\n```"
    strange = ", {'x': open('f')}, {'x': lambda: 1}" if name == "strange" else ""
    return f"Sure!\n```python\nexamples = [{', '.join(f'dict(x={i})' for i in range(8))}{strange}]\n```\nDone."
