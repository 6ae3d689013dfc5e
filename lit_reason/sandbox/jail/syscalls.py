"""The system calls that a single-threaded Python program needs, by number. Everything that is not here is denied.

Left out on purpose, beside the obvious (sockets, processes, signals to others, mounts, keys, ptrace, io_uring, bpf
...): chmod, chown, utime, extended attributes, link and symlink, because Landlock lets them through; truncate by
path, which Landlock knows since ABI 3 only; mkdir, so that a program's directory stays flat; prctl, so that the death
signal stays set; file locks, which need no more than a file that is open for reading; statfs and System V objects,
which nobody needs.
"""

from __future__ import annotations

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name, number on x86_64, number on aarch64 ("-": that architecture never had the call)
_TABLE = """
read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, pwrite64 18 68, lseek 8 62, close 3 57
close_range 436 436
stat 4 -, fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291, access 21 -, faccessat 269 48, faccessat2 439 439
readlink 89 -, readlinkat 267 78, getdents 78 -, getdents64 217 61, getcwd 79 17, chdir 80 49, fchdir 81 50
umask 95 166
rename 82 -, renameat 264 38, renameat2 316 276, unlink 87 -, unlinkat 263 35
ftruncate 77 46, fsync 74 82, fdatasync 75 83, fadvise64 221 223
dup 32 23, dup2 33 -, dup3 292 24, pipe 22 -, pipe2 293 59
poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72
epoll_create 213 -, epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22
mmap 9 222, munmap 11 215, mprotect 10 226, mremap 25 216, madvise 28 233, brk 12 214
rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136, rt_sigtimedwait 128 137
rt_sigsuspend 130 133, sigaltstack 131 132, pause 34 -, alarm 37 -, getitimer 36 102, setitimer 38 103
restart_syscall 219 128
nanosleep 35 101, clock_nanosleep 230 115, clock_gettime 228 113, clock_getres 229 114, gettimeofday 96 169
time 201 -, times 100 153
getpid 39 172, getppid 110 173, gettid 186 178, getpgrp 111 -, getpgid 121 155, getsid 124 156
getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177, getgroups 115 158, getresuid 118 148
getresgid 120 150
uname 63 160, sysinfo 99 179, getrusage 98 165, getrlimit 97 163, getrandom 318 278, getcpu 309 168
sched_getaffinity 204 123, sched_yield 24 124, futex 202 98, set_robust_list 273 99, set_tid_address 218 96
rseq 334 293, exit 60 93, exit_group 231 94
"""

# Allowed for some values of one argument only; see seccomp.py for the values.
_CHECKED_TABLE = "open 2 -, openat 257 56, fcntl 72 25, ioctl 16 29, prlimit64 302 261"

UNIFIED = 424
"""From here on all architectures share the numbers. They are young: libc tries them and knows what ENOSYS means."""


def _column(table: str, machine: str) -> dict[str, int]:
    column = 1 + list(AUDIT_ARCH).index(machine)
    rows = [entry.split() for line in table.strip().splitlines() for entry in line.split(",")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def allowed(machine: str) -> dict[str, int]:
    """Calls that are allowed whatever their arguments, name to number, on `x86_64` or `aarch64`."""
    return _column(_TABLE, machine)


def checked(machine: str) -> dict[str, int]:
    """Calls whose arguments decide, name to number, on `x86_64` or `aarch64`."""
    return _column(_CHECKED_TABLE, machine)
