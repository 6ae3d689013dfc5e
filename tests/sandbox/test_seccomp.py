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
from tests.sandbox.syscall_numbers import FORBIDDEN, FORBIDDEN_BY_FAMILY, FORBIDDEN_X86, FORBIDDEN_YOUNG, MACHINES

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x80000000
PROGRAMS = {machine: seccomp.build(machine) for machine in MACHINES}


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
@pytest.mark.parametrize("family", FORBIDDEN_BY_FAMILY)
def test_forbidden_calls_are_refused(machine: str, family: str) -> None:
    column = MACHINES.index(machine)
    numbers = {name: pair[column] for name, pair in FORBIDDEN_BY_FAMILY[family].items()}
    assert {name for name, number in numbers.items() if evaluate(machine, number) != EPERM} == set()


def test_forbidden_calls_of_one_machine_and_of_all() -> None:
    """Among them clone3, io_uring and pidfd, which answer that they do not exist."""
    assert {name for name, number in FORBIDDEN_X86.items() if evaluate("x86_64", number) != EPERM} == set()
    for machine in MACHINES:
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
    # F_SETLK, SETOWN, SETSIG, SETOWN_EX, OFD_SETLK, SETLEASE, NOTIFY, SETPIPE_SZ
    for command in (6, 8, 10, 15, 37, 1024, 1026, 1031):
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
