"""Running untrusted Python: model-written programs, harvested functions.

    with Sandbox(workers=2) as sandbox:
        outcome = sandbox.run(Program("def f(x): return x + 1", function="f", calls=("{'x': 1}",)))
        outcome.calls[0].text  # "2"

How it works. Each worker is a *zygote*: a small interpreter that never imported anything heavy and forks one child
per program. Before a line of the program runs, the child has its own session, no root and no capabilities, resource
limits, a Landlock domain (it reads the standard library, shared libraries, a few data files and `PACKAGES`; it writes
in one directory of its own), a seccomp filter that lets pass what a single-threaded Python program needs and nothing
else, and no descriptor but /dev/null and two bounded pipes. The zygote kills it at its wall clock, on too much
output, on too many files. It knows when the parent dies, and the child when the zygote does. At the start every wall
is tried out in a child; a machine on which one does not hold is refused (`SandboxUnavailable`) unless
`allow_unprotected` says otherwise.

What it does NOT cover:
- **A program can lie about itself.** It shares its process with the harness that reports on it. A record without the
  run's token makes the outcome `refused`, but a program that looks for the token (walking frames, reading memory)
  finds it and can claim any result, or that a script ran to its end. So nothing secret goes in: in function mode the
  expected results stay with the caller, and lying gains no more than guessing. A script that holds its own tests can
  always claim that they passed: grade by calls.
- Calls of one program share a process: an earlier call can change what a later one does, and the program can see all
  calls beforehand.
- Kernel and processor bugs, and side channels (timing, cache, load). The kernel's surface is small but it is the
  machine's own kernel.
- Metadata: Landlock does not hide whether a path exists, its size, times and owner, nor the target of a symbolic link;
  what user nobody may not look up stays hidden where the sandbox was started as root. The machine's name and load show.
- World-readable files below /lib and /usr/lib can be read, among them packages of a system's own Python.
- Processor time is bounded per program, not shared fairly; memory is bounded per process (address space), page cache
  and the program's directory (about 64 MB, checked ten times a second, plus files open but deleted: 64 of 8 MB) are
  not part of it.
- No threads, processes, sockets, subdirectories, file locks: honest programs that need them fail too (`asyncio` needs
  a socket pair, a database in a file its locks).
- Without walls (`allow_unprotected` on macOS, old kernels) limits on time and output still work, and nothing else is
  promised.
"""

from __future__ import annotations

from .pool import Sandbox, require_protections
from .records import CallResult, Limits, Outcome, Program, Protections, SandboxUnavailable

__all__ = [
    "CallResult",
    "Limits",
    "Outcome",
    "Program",
    "Protections",
    "Sandbox",
    "SandboxUnavailable",
    "require_protections",
]
