"""The table of attacks on the machine: its files, its other processes, its kernel."""

from __future__ import annotations

import platform

from tests.sandbox.attacks import Attack, harmed, heard, leaked, left, orphaned, touched, touched_soon, won

# fmt: off  one attack a line, or its program as it is
ON_THE_MACHINE = [
    Attack("files", "write", touched, "landlock identity", "open(FILE, 'w').write('x')"),
    Attack("files", "read", leaked, "landlock", "print(open(FILE).read())"),
    Attack("files", "list", won, "landlock", "import os; print('won!' if 'witness' in os.listdir(FOLDER) else '')"),
    Attack("files", "delete", touched, "landlock identity", "import os; os.unlink(FILE)"),
    Attack("files", "create", touched, "landlock identity", "open(FOLDER + '/new', 'w')"),
    Attack("files", "make a folder", touched, "landlock seccomp identity", "import os; os.mkdir(FOLDER + '/new')"),
    Attack("files", "make a folder that is hard to delete", won, "landlock seccomp", """
import os
os.mkdir('x')
print('won!')
"""),
    Attack("files", "make a named pipe", touched, "landlock seccomp identity", """
import os
os.mkfifo(FOLDER + '/pipe')
"""),
    Attack("files", "rename over", touched, "landlock identity", "import os; open('x', 'w'); os.rename('x', FILE)"),
    Attack("files", "rename away", touched, "landlock identity", "import os; os.rename(FILE, 'x')"),
    Attack("files", "truncate by path", touched, "landlock seccomp identity", "import os; os.truncate(FILE, 0)"),
    Attack("files", "truncate without write access", touched, "landlock seccomp identity", """
import os
os.open(FILE, os.O_RDONLY | os.O_TRUNC)
"""),
    Attack("files", "write by way of ..", touched, "landlock identity", """
import os
open(os.path.relpath(FILE), 'w').write('x')
"""),
    Attack("files", "write through memory", touched, "landlock identity", """
import mmap
file = open(FILE, 'r+b')
mmap.mmap(file.fileno(), 0)[0] = 0
"""),
    Attack("files", "write from C, past every audit hook", touched, "landlock identity", """
import ctypes
libc = ctypes.CDLL(None)
libc.write(libc.open(FILE.encode(), 1), b'x', 1)
"""),
    Attack("files", "write from a library", touched, "landlock identity", """
import sqlite3
sqlite3.connect(FOLDER + '/new').execute('create table t (x)')
"""),
    Attack("files", "make one without a name, then name it", touched, "landlock seccomp identity", """
import os
source = f"/proc/self/fd/{os.open(FOLDER, os.O_TMPFILE | os.O_RDWR)}"
call("linkat", -100, source.encode(), -100, (FOLDER + "/new").encode(), 0x400)  # AT_SYMLINK_FOLLOW
"""),
    Attack("files", "open by handle rather than by name", leaked, "seccomp identity", """
import ctypes, os, struct
handle, mount = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136), ctypes.c_int()
call("name_to_handle_at", -100, FILE.encode(), handle, ctypes.byref(mount), 0)
print(os.read(call("open_by_handle_at", os.open(".", 0), handle, 0), 100))
"""),

    Attack("links", "hard link beside", touched, "landlock seccomp identity", "import os; os.link(FILE, FILE + '2')"),
    Attack("links", "write through a hard link of one's own", touched, "landlock seccomp identity", """
import os
os.link(FILE, 'x')
open('x', 'w').write('x')
"""),
    Attack("links", "write through a symbolic link of one's own", touched, "landlock seccomp identity", """
import os
os.symlink(FILE, 'x')
open('x', 'w').write('x')
"""),
    Attack("links", "symbolic link for others to follow", touched, "landlock seccomp identity", """
import os
os.symlink('/etc/passwd', FOLDER + '/link')
"""),
    Attack("links", "write through /proc/self/root", touched, "landlock identity", """
open('/proc/self/root' + FILE, 'w')
"""),
    Attack("links", "open for nothing, then again for writing", touched, "landlock identity", """
import os
open(f'/proc/self/fd/{os.open(FILE, os.O_PATH)}', 'w').write('x')
"""),

    Attack("metadata", "chmod", touched, "seccomp identity", "import os; os.chmod(FILE, 0o777)"),
    Attack("metadata", "chown", touched, "seccomp identity", "import os; os.chown(FILE, 1, 1)"),
    Attack("metadata", "times", touched, "seccomp identity", "import os; os.utime(FILE, (1, 1))"),
    Attack("metadata", "extended attributes", touched, "seccomp identity", """
import os
os.setxattr(FILE, 'user.x', b'x')
"""),
    Attack("metadata", "chmod through a descriptor", touched, "seccomp identity", """
import os
os.chmod(f'/proc/self/fd/{os.open(FILE, os.O_PATH)}', 0o777)
"""),
    Attack("metadata", "lock what can be read", won, "seccomp", """
import fcntl, os
fcntl.flock(os.open('/usr/lib', 0), fcntl.LOCK_EX)
print('won!')
"""),
    Attack("metadata", "lease on what can be read", won, "seccomp identity", """
import fcntl, os
fcntl.fcntl(os.open('/usr/lib/os-release', 0), fcntl.F_SETLEASE, fcntl.F_RDLCK)
print('won!')
"""),
    Attack("metadata", "watch what others do", won, "seccomp", """
call('inotify_add_watch', call('inotify_init1', 0), b'/usr/lib', 0x100)
print('won!')
"""),

    Attack("network", "connect", heard, "landlock seccomp", "import socket; socket.create_connection(TCP)"),
    Attack("network", "datagram", heard, "seccomp", """
import socket as s
s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'x', UDP)
"""),
    Attack("network", "connect while sending", heard, "seccomp", """
import socket as s
s.socket().sendto(b'x', 0x20000000, TCP)  # MSG_FASTOPEN
"""),
    Attack("network", "Unix socket", heard, "seccomp identity", """
import socket as s
s.socket(s.AF_UNIX).connect(UNIX)
"""),
    Attack("network", "abstract socket", heard, "seccomp", "import socket as s; s.socket(s.AF_UNIX).connect(ABSTRACT)"),
    Attack("network", "listen", won, "landlock seccomp", """
import socket
socket.create_server(('127.0.0.1', 0))
print('won!')
"""),
    Attack("network", "netlink", won, "seccomp", """
import socket as s
s.socket(s.AF_NETLINK, s.SOCK_RAW, 0)
print('won!')
"""),

    Attack("processes", "fork", won, "seccomp rlimits+identity", """
import os
if os.fork() == 0: os._exit(0)
print('won!')
"""),
    Attack("processes", "clone", won, "seccomp rlimits+identity", """
import os
if call('clone', 17, 0, 0, 0, 0) == 0: os._exit(0)
print('won!')
"""),
    Attack("processes", "clone3", won, "seccomp rlimits+identity", """
import os, struct
if call('clone3', struct.pack('11Q', 0, 0, 0, 0, 17, *[0] * 6), 88) == 0: os._exit(0)
print('won!')
"""),
    Attack("processes", "become another program", touched, "landlock seccomp identity", """
import os
os.execv('/bin/sh', ['sh', '-c', 'echo x > ' + FILE])
"""),
    Attack("processes", "become a program without a file", won, "landlock seccomp", """
import os
fd = os.memfd_create("x", 0)
os.write(fd, b"#!/bin/sh\\necho won!\\n")
os.execve(fd, ["x"], {})
"""),
    Attack("processes", "subprocess", touched, "landlock seccomp identity", """
import subprocess
subprocess.run(['/bin/sh', '-c', 'echo x > ' + FILE])
"""),
    Attack("processes", "spawn", touched, "landlock seccomp identity", """
import os
os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', 'echo x > ' + FILE], {}), 0)
"""),
    Attack("processes", "many at once", won, "seccomp rlimits+identity", """
import os
for _ in range(4): os.fork()
os.write(1, b'won!')
"""),
    Attack("processes", "a background process that outlives the program", touched_soon, "landlock seccomp identity", """
import os, time
parent = os.getpid()
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(writing, b"x")
    os.close(1)
    os.close(3)
    while os.getppid() == parent: time.sleep(0.001)
    open(FILE, "w")
    os._exit(0)
os.read(reading, 1)
"""),

    Attack("threads", "start one", won, "seccomp", """
import _thread
_thread.start_new_thread(print, ())
print('won!')
"""),
    Attack("threads", "executor", won, "seccomp", """
from concurrent.futures import ThreadPoolExecutor as E
print(E(1).submit(lambda: 'won!').result())
"""),

    Attack("memory", "take a lot", won, "rlimits", "x = bytearray(200 << 20); print('won!')"),
    Attack("memory", "map a lot", won, "rlimits", "import mmap; x = mmap.mmap(-1, 200 << 20); print('won!')"),
    Attack("memory", "map /dev/zero", won, "rlimits", """
import mmap, os
x = mmap.mmap(os.open('/dev/zero', os.O_RDONLY), 200 << 20, prot=1, flags=2)
print('won!')
"""),
    Attack("memory", "raise the limit", won, "rlimits+identity", """
import resource
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
x = bytearray(200 << 20)
print('won!')
"""),
    Attack("memory", "lock it", won, "seccomp rlimits+identity", """
import mmap, ctypes
x = mmap.mmap(-1, 1 << 20)
call('mlock', ctypes.byref(ctypes.c_char.from_buffer(x)), 1 << 20)
print('won!')
"""),
    Attack("memory", "keep it in a file without a name", won, "seccomp rlimits", """
import os
os.ftruncate(os.memfd_create('x'), 100 << 20)
print('won!')
"""),
    Attack("memory", "a huge file", won, "rlimits", """
f = open('x', 'wb')
f.seek(20 << 20)
f.write(b'x')
f.flush()
print('won!')
"""),
    Attack("memory", "many descriptors", won, "rlimits", "x = [open('/dev/null') for _ in range(200)]; print('won!')"),

    Attack("signals", "kill", harmed, "landlock seccomp identity", "import os; os.kill(PID, 9)"),
    Attack("signals", "kill a group", harmed, "landlock seccomp identity", "import os; os.killpg(PID, 9)"),
    Attack("signals", "kill the parent", orphaned, "seccomp", "import os; os.kill(os.getppid(), 9)"),
    Attack("signals", "reach everybody", won, "seccomp", "import os; os.kill(-1, 0); print('won!')"),
    Attack("signals", "queue one", harmed, "landlock seccomp identity", """
import struct
call('rt_sigqueueinfo', PID, 9, struct.pack('3i', 9, 0, -1) + bytes(116))
"""),
    Attack("signals", "by descriptor", harmed, "landlock seccomp identity", """
call('pidfd_send_signal', call('pidfd_open', PID, 0), 9, None, 0)
"""),
    Attack("signals", "signal-driven I/O", harmed, "landlock seccomp identity", """
import fcntl, os
reading, writing = os.pipe()
fcntl.fcntl(reading, 10, 9)  # F_SETSIG, SIGKILL
fcntl.fcntl(reading, 8, PID)  # F_SETOWN
fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
os.write(writing, b"x")
"""),
    Attack("signals", "lose the death signal", won, "seccomp", "call('prctl', 1, 0, 0, 0, 0); print('won!')"),

    Attack("other processes", "priority", harmed, "seccomp identity", """
import os
os.setpriority(os.PRIO_PROCESS, PID, 19)
"""),
    Attack("other processes", "processors", harmed, "seccomp identity", "import os; os.sched_setaffinity(PID, {0})"),
    Attack("other processes", "scheduler", harmed, "seccomp identity", """
import os
os.sched_setscheduler(PID, os.SCHED_BATCH, os.sched_param(0))
"""),
    Attack("other processes", "I/O priority", harmed, "seccomp identity", "call('ioprio_set', 1, PID, 3 << 13)"),
    Attack("other processes", "limits", harmed, "seccomp identity", """
import resource
resource.prlimit(PID, resource.RLIMIT_NOFILE, (9, 9))
"""),
    Attack("other processes", "trace", won, "landlock seccomp identity", """
call('ptrace', 0x4206, PID, 0, 0)
print('won!')
"""),
    Attack("other processes", "read its memory", leaked, "landlock seccomp identity", """
import ctypes
mine, theirs = ctypes.create_string_buffer(200), (ctypes.c_void_p * 2)(PASSWORD_ADDRESS, 40)
call("process_vm_readv", PID, (ctypes.c_void_p * 2)(ctypes.addressof(mine), 200), 1, theirs, 1, 0)
print(mine.raw)
"""),
    Attack("other processes", "write its memory", harmed, "landlock seccomp identity", """
import ctypes
mine, theirs = ctypes.create_string_buffer(b"x" * 9), (ctypes.c_void_p * 2)(PASSWORD_ADDRESS, 9)
call("process_vm_writev", PID, (ctypes.c_void_p * 2)(ctypes.addressof(mine), 9), 1, theirs, 1, 0)
"""),
    Attack("other processes", "steal its open file", touched, "landlock seccomp identity", """
import os
os.write(call('pidfd_getfd', call('pidfd_open', PID, 0), 0, 0), b'x')
"""),

    Attack("/proc", "environment", leaked, "landlock identity", "print(open(f'/proc/{PID}/environ').read())"),
    Attack("/proc", "write memory", harmed, "landlock identity", """
f = open(f'/proc/{PID}/mem', 'r+b', buffering=0)
f.seek(PASSWORD_ADDRESS)
f.write(b'x')
"""),
    Attack("/proc", "memory of the parent", won, "landlock", """
import os
print('won!' if open(f'/proc/{os.getppid()}/maps').read() else '')
"""),
    Attack("/proc", "offer a process to the kernel", harmed, "landlock identity", """
open(f'/proc/{PID}/oom_score_adj', 'w').write('999')
"""),
    Attack("/proc", "open file of a process", touched, "landlock identity", """
open(f'/proc/{PID}/fd/0', 'r+b').write(b'x')
"""),
    Attack("/proc", "folder of a process", leaked, "landlock identity", """
print(open(f'/proc/{PID}/cwd/witness').read())
"""),
    Attack("/proc", "where a process works", won, "landlock identity", """
import os
print('won!' if os.readlink(f'/proc/{PID}/cwd') == FOLDER else '')
"""),

    Attack("raw system calls", "io_uring", won, "seccomp", """
import ctypes
call('io_uring_setup', 4, ctypes.create_string_buffer(120))
print('won!')
"""),
    Attack("raw system calls", "bpf", won, "seccomp", """
import struct
call('bpf', 0, struct.pack('4I', 2, 4, 4, 1) + bytes(104), 72)
print('won!')
"""),
    Attack("raw system calls", "userfaultfd", won, "seccomp", "call('userfaultfd', 0); print('won!')"),
    Attack("raw system calls", "perf", won, "seccomp", """
import struct
call('perf_event_open', struct.pack('2IQ', 1, 112, 0) + bytes(96), 0, -1, -1, 0)
print('won!')
"""),
    Attack("raw system calls", "keyring", won, "seccomp", "call('add_key', b'user', b'x', b'y', 1, -2); print('won!')"),
    Attack("raw system calls", "keyctl", won, "seccomp", "call('keyctl', 0, -2, 1); print('won!')"),
    Attack("raw system calls", "new namespace", won, "seccomp", "call('unshare', 0x10000000); print('won!')"),
    Attack("raw system calls", "file system", won, "seccomp identity", "call('fsopen', b'tmpfs', 0); print('won!')"),
    Attack("raw system calls", "change the root", won, "seccomp identity", "import os; os.chroot('.'); print('won!')"),
    Attack("raw system calls", "log of the kernel", won, "seccomp", """
import ctypes
call('syslog', 3, ctypes.create_string_buffer(99), 99)
print('won!')
"""),
    Attack("raw system calls", "weaken memory layout", won, "seccomp", "call('personality', 0x40000); print('won!')"),
    Attack("raw system calls", "become root", won, "seccomp identity", """
import os
os.setresuid(0, 0, 0)
print('won!')
"""),

    Attack("objects that outlive", "shared memory", left, "seccomp", """
import ctypes
libc = ctypes.CDLL(None)
libc.shmget(KEY, 4096, 0o1666)
"""),
    Attack("objects that outlive", "semaphore", left, "seccomp", """
import ctypes
libc = ctypes.CDLL(None)
libc.semget(KEY, 1, 0o1666)
"""),
    Attack("objects that outlive", "message queue", left, "seccomp", """
import ctypes
libc = ctypes.CDLL(None)
libc.msgget(KEY, 0o1666)
"""),
    Attack("objects that outlive", "POSIX message queue", left, "seccomp", """
import ctypes
libc = ctypes.CDLL(None)
libc.mq_open(f'/lit-reason-{KEY}'.encode(), 0o100, 0o666, None)
"""),
    Attack("objects that outlive", "/dev/shm", left, "landlock", "open(f'/dev/shm/lit-reason-{KEY}', 'w')"),

]
if platform.machine() == "x86_64":
    ON_THE_MACHINE.append(
    Attack("raw system calls", "32-bit table", won, "seccomp", """
import ctypes, mmap, os
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
memory.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20 (getpid in that table); int 0x80; ret
pid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
print("won!" if pid == os.getpid() else pid)
""")
    )
