"""The filter program, run by a small interpreter of its language, on both architectures whatever this machine is."""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.sandbox.jail import seccomp, syscalls

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x80000000
MACHINES = ["x86_64", "aarch64"]
PROGRAMS = {machine: seccomp.build(machine) for machine in MACHINES}

# From the kernel's tables: what must never pass, on x86_64 and on aarch64.
FORBIDDEN = {
    "clone": (56, 220), "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117), "kill": (62, 129),
    "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "sendto": (44, 206), "sendmsg": (46, 211),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "memfd_create": (319, 279), "bpf": (321, 280),
    "perf_event_open": (298, 241), "mount": (165, 40), "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268),
    "keyctl": (250, 219), "add_key": (248, 217), "fchmod": (91, 52), "fchmodat": (268, 53), "fchown": (93, 55),
    "fchownat": (260, 54), "utimensat": (280, 88), "setxattr": (188, 5), "fsetxattr": (190, 7), "linkat": (265, 37),
    "symlinkat": (266, 36), "mknodat": (259, 33), "mkdirat": (258, 34), "truncate": (76, 45), "prctl": (157, 167),
    "setrlimit": (160, 164), "setuid": (105, 146), "setresuid": (117, 147), "capset": (126, 91), "chroot": (161, 51),
    "pivot_root": (155, 41), "userfaultfd": (323, 282), "shmget": (29, 194), "mq_open": (240, 180),
    "seccomp": (317, 277), "init_module": (175, 105),
    "kexec_load": (246, 104), "reboot": (169, 142), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "setsid": (112, 157), "setpriority": (141, 140), "timer_create": (222, 107),
    "vmsplice": (278, 75), "splice": (275, 76), "fanotify_init": (300, 262), "inotify_init1": (294, 26),
}  # fmt: skip
FORBIDDEN_X86 = {
    "fork": 57,
    "vfork": 58,
    "chmod": 90,
    "chown": 92,
    "utime": 132,
    "utimes": 235,
    "link": 86,
    "symlink": 88,
}
FORBIDDEN_YOUNG = {"io_uring_setup": 425, "pidfd_send_signal": 424, "pidfd_open": 434, "clone3": 435, "openat2": 437}


def evaluate(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the kernel would answer to a call."""
    architecture = syscalls.AUDIT_ARCH[machine] if architecture is None else architecture
    data = struct.pack("<IIQ6Q", number, architecture, 0, *(*arguments, *[0] * (6 - len(arguments))))
    program = list(struct.iter_unpack("<HBBI", PROGRAMS[machine]))
    accumulator = position = 0
    while True:
        code, if_true, if_false, constant = program[position]
        position += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, constant)
        elif code == 0x54:
            accumulator &= constant
        elif code in (0x15, 0x35):
            hit = accumulator == constant if code == 0x15 else accumulator >= constant
            position += if_true if hit else if_false
        else:
            assert code == 0x06
            return constant


@pytest.mark.parametrize("machine", MACHINES)
def test_forbidden_calls_are_refused(machine: str) -> None:
    column = MACHINES.index(machine)
    numbers = {name: pair[column] for name, pair in FORBIDDEN.items()} | (FORBIDDEN_X86 if column == 0 else {})
    assert {name for name, number in numbers.items() if evaluate(machine, number) != EPERM} == set()
    assert {name for name, number in FORBIDDEN_YOUNG.items() if evaluate(machine, number) != ENOSYS} == set()


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(0, 2**32 - 1), arguments=st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6))
def test_only_listed_numbers_pass(machine: str, number: int, arguments: list[int]) -> None:
    listed = {*syscalls.allowed(machine).values(), *syscalls.checked(machine).values()}
    verdict = evaluate(machine, number, *arguments)
    if number in syscalls.allowed(machine).values():
        assert verdict == ALLOW
    elif number not in listed:
        assert verdict == (ENOSYS if number >= 424 else EPERM)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_allowed_call_passes_and_x32_twins_do_not(machine: str) -> None:
    for name, number in syscalls.allowed(machine).items():
        assert evaluate(machine, number) == ALLOW, name
        assert evaluate(machine, number | 0x40000000) == ENOSYS, name


@pytest.mark.parametrize("machine", MACHINES)
def test_a_foreign_abi_kills(machine: str) -> None:
    for architecture in (0x40000003, 0x40000028, syscalls.AUDIT_ARCH[MACHINES[1 - MACHINES.index(machine)]]):
        assert evaluate(machine, syscalls.allowed(machine)["read"], architecture=architecture) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments_decide(machine: str) -> None:
    numbers = syscalls.checked(machine)
    plain, truncate = os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC
    assert evaluate(machine, numbers["openat"], 0, 0, plain) == ALLOW
    assert evaluate(machine, numbers["openat"], 0, 0, truncate | os.O_CLOEXEC) == EPERM
    if machine == "x86_64":
        assert evaluate(machine, numbers["open"], 0, plain) == ALLOW
        assert evaluate(machine, numbers["open"], 0, truncate) == EPERM
    assert evaluate(machine, numbers["fcntl"], 5, 3) == ALLOW  # F_GETFL
    for command in (8, 10, 15, 1024, 1026):  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
        assert evaluate(machine, numbers["fcntl"], 5, command) == EPERM
    assert evaluate(machine, numbers["ioctl"], 0, 0x5401) == ALLOW  # TCGETS, which isatty() asks
    assert evaluate(machine, numbers["ioctl"], 0, 0x5412) == EPERM  # TIOCSTI types into a terminal
    assert evaluate(machine, numbers["prlimit64"], 0) == ALLOW
    assert evaluate(machine, numbers["prlimit64"], 1) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_libseccomp(machine: str) -> None:
    path = ctypes.util.find_library("seccomp")
    if path is None:
        pytest.skip("no libseccomp here to compare with")
    library = ctypes.CDLL(path)
    resolve = library.seccomp_syscall_resolve_name_arch
    resolve.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    table = syscalls.allowed(machine) | syscalls.checked(machine)
    found = {name: resolve(syscalls.AUDIT_ARCH[machine], name.encode()) for name in table}
    assert found == table
    column = MACHINES.index(machine)
    assert {n: resolve(syscalls.AUDIT_ARCH[machine], n.encode()) for n in FORBIDDEN} == {
        name: pair[column] for name, pair in FORBIDDEN.items()
    }
