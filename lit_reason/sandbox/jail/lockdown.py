"""The walls around a program: made once in the zygote, entered by every child before a line of the program runs."""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import signal
import sys
from collections.abc import Callable, Iterable

from . import identity, landlock, seccomp
from .linux import ON_LINUX, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, Call, prctl, prepared_prctl

WALLS = ("identity", "rlimits", "landlock", "seccomp")

LARGEST_FILE = 8 << 20
OPEN_FILES = 64
ROOM_TO_REPORT = 32 << 20
"""Memory between the soft and the hard limit: enough for the harness to tell that the program used up its own."""

_DATA = ["/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/mime.types", "/dev/zero", "/dev/urandom"]
_LIBRARIES = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"]


class Lockdown:
    """Every wall of `WALLS` that this machine has and that is not in `without`; `standing` names them.

    Building it moves this process into the directory and gives up root for good; all other walls are tried in a child.

    Args:
        directory: where programs may write; they start in it.
        packages: further files and directories that programs may read.
        without: walls to leave out.
        spare: descriptors that programs keep beside 0 to 3.
    """

    def __init__(self, directory: str, packages: Iterable[str], without: Iterable[str], spare: range) -> None:
        os.chdir(directory)
        os.umask(0o077)
        self._parent = os.getpid()
        self._spare = spare
        self.standing = set(WALLS) - set(without)
        self._entrances: dict[str, Call] = {}
        rights = _rights(directory, packages)
        if ON_LINUX:
            prctl(PR_SET_NO_NEW_PRIVS, 1)
            prctl(PR_SET_DUMPABLE, 0)  # a crash must not wake the machine's handler of core dumps
            self._die_with_parent = prepared_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if "rlimits" in self.standing:
            _limit_this_process_too()
        if "landlock" in self.standing and landlock.abi():
            self._entrances["landlock"] = landlock.entrance(landlock.ruleset(rights))
        else:
            self.standing.discard("landlock")
        if "seccomp" in self.standing and ON_LINUX and seccomp.supported():
            self._entrances["seccomp"] = seccomp.Filter(seccomp.build(platform.machine())).entrance()
        else:
            self.standing.discard("seccomp")
        if "identity" in self.standing and not identity.drop():
            self.standing.discard("identity")
        self.standing -= self._holes()

    def enter(self, seconds: float, memory_mb: int) -> None:
        """Enter every standing wall, close descriptors from 4 on. Raises OSError if one fails: nothing may run."""
        self._detach()
        for wall in WALLS:
            if wall in self.standing:
                self._enter(wall, seconds, memory_mb)
        os.closerange(4, self._spare.start)
        os.closerange(self._spare.stop, 1 << 16)

    def _detach(self) -> None:
        if ON_LINUX:
            self._die_with_parent()
            if os.getppid() != self._parent:
                raise ProcessLookupError("the parent died before it could take this process along")

    def _enter(self, wall: str, seconds: float, memory_mb: int) -> None:
        if wall == "rlimits":
            limit_resources(seconds, memory_mb)
        elif wall in self._entrances:
            self._entrances[wall]()

    def _holes(self) -> set[str]:
        """Enter the walls one by one in a child and try there what each forbids; the walls that let it through."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self._detach()
                holes = [wall for wall in WALLS if wall in self.standing and not self._holds(wall)]
                os.write(writing, json.dumps(holes).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            answer = stream.read()
        os.waitpid(pid, 0)
        return set(json.loads(answer)) if answer else set(self.standing)

    def _holds(self, wall: str) -> bool:
        try:
            self._enter(wall, seconds=60, memory_mb=1024)
        except (OSError, ValueError):
            return False
        if wall == "rlimits":
            return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
        if wall == "landlock":
            return _refused(lambda: os.close(os.open("/", os.O_RDONLY)))
        if wall == "seccomp":
            return _refused(lambda: os.kill(os.getpid(), 0))
        return True


def limit_resources(seconds: float, memory_mb: int) -> None:
    """Bound this process further; every limit is one that it cannot raise again.

    RLIMIT_CPU ends what the parent's wall clock somehow misses. RLIMIT_NPROC does not bind root, but seccomp denies
    the fork anyway.
    """
    memory = memory_mb << 20
    cpu = math.ceil(seconds) + 1
    _limit(resource.RLIMIT_AS, memory, memory + ROOM_TO_REPORT)
    _limit(resource.RLIMIT_CPU, cpu, cpu)
    _limit(resource.RLIMIT_NPROC, 0, 0)


def _limit_this_process_too() -> None:
    """The limits that do not hinder the zygote: children inherit them."""
    _limit(resource.RLIMIT_FSIZE, LARGEST_FILE, LARGEST_FILE)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0, 0)
    _limit(resource.RLIMIT_MEMLOCK, 0, 0)


def _limit(kind: int, soft: int, hard: int) -> None:
    ceiling = resource.getrlimit(kind)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))


def _refused(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except PermissionError:
        return True
    return False


def _rights(directory: str, packages: Iterable[str]) -> list[tuple[str, int]]:
    """What programs may open: the standard library without its site-packages, shared libraries, a few data files."""
    library = os.path.dirname(os.__file__)
    parts = [os.path.join(library, name) for name in os.listdir(library) if not name.endswith("-packages")]
    beside = os.path.join(sys.base_prefix, "lib")
    shared = [entry.path for entry in os.scandir(beside) if ".so" in entry.name] if os.path.isdir(beside) else []
    readable = [*parts, *_LIBRARIES, *shared, *_DATA, *packages]
    return [
        *((path, landlock.READ) for path in readable if os.path.exists(path)),
        (library, landlock.READ_DIR),
        ("/dev/null", landlock.READ_FILE | landlock.WRITE_FILE),
        (directory, landlock.WRITE),
    ]
