"""An executor as many graders have it, for controls: no walls, no limits, results by pickle, programs in one process.

    python naive.py REQUEST_JSON

The request holds `source`, `later` and `file`. A child executes the source, calls its `f` if there is one, and sends
what came of it as a pickle; the same child then executes the later program. The grader unpickles both and prints them
as JSON. It keeps its log open and its expected answer in a local variable, and children inherit its descriptors.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import Any, TextIO

ANSWER = "the expected answer, kept from programs"


def grade(request: dict[str, str]) -> dict[str, Any]:
    """What the programs gave, unpickled."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    os.set_inheritable(sending.fileno(), True)
    command = [sys.executable, "-S", "-P", __file__, json.dumps(request), str(sending.fileno())]
    with open("stdout", "w+") as output:
        child = subprocess.Popen(command, stdout=output, close_fds=False)
        sending.close()
        result, later = receiving.recv(), receiving.recv()
        status = child.wait()
        output.seek(0)
        return {"text": f"{output.read()}{result!r} status {status}", "later": later}


def execute(request: dict[str, str], channel: Connection) -> None:
    """The child's side."""
    expected, log = ANSWER, open(request["file"], "a")  # noqa: SIM115  open while the program runs: that is the point
    sys.path.insert(0, os.getcwd())
    open("started", "w").close()
    channel.send(_call(request["source"], expected, log))
    later = io.StringIO()
    with contextlib.redirect_stdout(later):
        exec(request["later"], {"__name__": "__main__"})
    channel.send(later.getvalue())
    log.close()


def _call(source: str, expected: str, log: TextIO) -> object:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(source, namespace)
        result = namespace["f"]() if "f" in namespace else None
    except Exception as error:
        log.write(f"{error}"[:0])  # as text, for the log, as one does; cut so that the log itself is no witness
        return error
    log.write(repr(result)[:0])
    return result if result != expected else "passed"


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if len(sys.argv) > 2:
        execute(asked, Connection(int(sys.argv[2]), readable=False))
    else:
        sys.stdout.write(json.dumps(grade(asked)))
