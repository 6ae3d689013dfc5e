"""The table of attacks on whoever runs the program: its results, its time, its other programs.

They need no forbidden system call, so the control is an executor that lacks every precaution: `naive.py`.
"""

from __future__ import annotations

from tests.sandbox.attacks import Attack, Witness, crashed, endless, filled, flooded, passed, poisoned, touched, won


def _naive(mechanism: str, name: str, witness: Witness, source: str) -> Attack:
    return Attack(mechanism, name, witness, "", source, naive=True)


# fmt: off  one attack a line, or its program as it is
ON_THE_GRADER = [
    _naive("result channel", "close it", crashed, "import os; os.closerange(3, 200)"),
    _naive("result channel", "replace it", crashed, """
import os
for fd in range(3, 20): os.dup2(1, fd)
"""),
    _naive("result channel", "write noise", crashed, """
import os
for fd in range(3, 20):
    try: os.write(fd, b'\\xff' * 50_000)
    except OSError: pass
"""),
    _naive("result channel", "promise more", crashed, """
import os
for fd in range(3, 20):
    try: os.write(fd, b'\\0\\1\\0\\0')
    except OSError: pass
os._exit(0)
"""),
    _naive("result channel", "end without a word", crashed, "import os; os._exit(0)"),
    _naive("result channel", "stop oneself", endless, "import os; os.kill(os.getpid(), 19)"),
    _naive("result channel", "forge a result", won, """
import os, pickle, struct
class Bomb:
    def __reduce__(self): return (exec, (f"open({FILE!r}, 'w')",))
data = pickle.dumps('won!')
for fd in range(3, 20):
    try: os.write(fd, struct.pack("!i", len(data)) + data)
    except OSError: pass
"""),
    _naive("result channel", "flood standard output", flooded, "for _ in range(20): print('x' * 1_000_000)"),

    _naive("crashes", "a result that cannot be sent", crashed, "def f(): return lambda: 0"),
    _naive("crashes", "a deep result", crashed, """
def f():
    x = []
    for _ in range(100_000): x = [x]
    return x
"""),
    _naive("crashes", "overflow the stack", crashed, """
import sys
sys.setrecursionlimit(10 ** 9)
class C:
    def __repr__(self): return repr(self)
def f(): return C()
"""),
    _naive("crashes", "null pointer", crashed, """
import ctypes
def f(): return ctypes.string_at(0)
"""),
    _naive("crashes", "abort", crashed, """
import os
def f(): os.abort()
"""),

    _naive("frames and objects of the harness", "read the expected answer", passed, """
import sys
def find(name):
    frame = sys._getframe()
    while frame:
        if name in frame.f_locals: return frame.f_locals[name]
        frame = frame.f_back
def f(): return find('expected')
"""),
    _naive("frames and objects of the harness", "search every object", passed, """
import gc
def f(): return [d for d in gc.get_objects() if type(d) is dict and 'ANSWER' in d][0]['ANSWER']
"""),
    _naive("frames and objects of the harness", "overwrite the expected answer", passed, """
import sys
def find(name):
    frame = sys._getframe()
    while frame:
        if name in frame.f_locals: return frame.f_locals[name]
        frame = frame.f_back
import ctypes
def f():
    text = find('expected')
    ctypes.memmove(id(text) + sys.getsizeof('') - 1, b'x' * len(text), len(text))
    return 'x' * len(text)
"""),
    _naive("frames and objects of the harness", "equal everything", passed, """
class C:
    def __ne__(self, other): return False
def f(): return C()
"""),
    _naive("frames and objects of the harness", "replace the comparison", passed, """
import sys
def find(name):
    frame = sys._getframe()
    while frame:
        if name in frame.f_locals: return frame.f_locals[name]
        frame = frame.f_back
import builtins
class C(str):
    __eq__ = lambda s, o: True
    __ne__ = lambda s, o: False
def f(): return C()
"""),
    _naive("frames and objects of the harness", "write to open files", touched, """
import gc, io
for o in gc.get_objects():
    if isinstance(o, io.TextIOWrapper):
        try: o.write('x'); o.flush()
        except OSError: pass
"""),

    _naive("inherited descriptors", "write to all", touched, """
import os
for fd in range(3, 200):
    try: os.write(fd, b'x')
    except OSError: pass
"""),
    _naive("inherited descriptors", "empty all", touched, """
import os
for fd in range(3, 200):
    try: os.ftruncate(fd, 0)
    except OSError: pass
"""),

    _naive("pickles", "in the result", touched, """
class C:
    def __reduce__(self): return (exec, (f"open({FILE!r}, 'w')",))
def f(): return [C()]
"""),
    _naive("pickles", "in an exception", touched, """
class C(Exception):
    def __reduce__(self): return (exec, (f"open({FILE!r}, 'w')",))
def f(): raise C
"""),
    _naive("pickles", "in a forged result", touched, """
import os, pickle, struct
class Bomb:
    def __reduce__(self): return (exec, (f"open({FILE!r}, 'w')",))
data = pickle.dumps(Bomb())
for fd in range(3, 20):
    try: os.write(fd, struct.pack("!i", len(data)) + data)
    except OSError: pass
"""),
    _naive("pickles", "by registration", touched, """
import copyreg
copyreg.pickle(complex, lambda c: (exec, (f"open({FILE!r}, 'w')",)))
def f(): return 1j
"""),

    _naive("huge values", "integer", endless, "def f(): return 7 ** (3 * 10 ** 7)"),
    _naive("huge values", "text of an integer", endless, """
import sys
sys.set_int_max_str_digits(0)
x = 1 << 5 * 10 ** 6
def f(): return str(x)
"""),
    _naive("huge values", "doubling repr", endless, """
def f():
    x = []
    for _ in range(60): x = [x, x]
    return x
"""),
    _naive("huge values", "infinite repr", endless, """
class C:
    def __repr__(self):
        while True: pass
def f(): return C()
"""),
    _naive("huge values", "infinite text of an exception", endless, """
class C(Exception):
    def __str__(self):
        while True: pass
def f(): raise C
"""),
    _naive("huge values", "string", flooded, "def f(): return 'x' * 30_000_000"),
    _naive("huge values", "list", flooded, "def f(): return [0] * 3_000_000"),
    _naive("huge values", "text of an exception", flooded, "def f(): raise ValueError('x' * 8_000_000)"),

    _naive("time", "close everything and live on", crashed, """
import os
def f():
    os.closerange(0, 200)
    while True: pass
"""),
    _naive("time", "loop", endless, """
def f():
    while True: pass
"""),
    _naive("time", "sleep", endless, """
import time
def f(): time.sleep(60)
"""),
    _naive("time", "swallow the alarm", endless, """
def f():
    while True:
        try:
            while True: pass
        except BaseException: pass
"""),
    _naive("time", "ignore the alarm", endless, """
import signal
def f():
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True: pass
"""),
    _naive("time", "block every signal", endless, """
import signal
def f():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True: pass
"""),
    _naive("time", "search a pattern", endless, """
import re
def f(): return re.match('(a+)+$', 'a' * 40 + 'b')
"""),
    _naive("time", "wait for a pipe", endless, """
import os
def f(): return os.read(os.pipe()[0], 1)
"""),

    _naive("disk", "many files", won, """
import time
for i in range(1500): open(str(i), 'w').close()
time.sleep(0.3)
print('won!')
"""),
    _naive("disk", "large files", won, """
import os, time
for i in range(9): os.ftruncate(os.open(str(i), os.O_CREAT | os.O_RDWR), 8 << 20)
time.sleep(0.3)
print('won!')
"""),
    _naive("disk", "large files behind closed streams", filled, """
import os, time
def f():
    os.closerange(0, 200)
    for i in range(9): os.ftruncate(os.open(str(i), os.O_CREAT | os.O_RDWR), 8 << 20)
    time.sleep(0.3)
    os._exit(42)
"""),

    _naive("exit hooks", "atexit", won, """
import os
def say(): os.write(1, b'won!')
import atexit; atexit.register(say)
"""),
    _naive("exit hooks", "after threads", won, """
import os
def say(): os.write(1, b'won!')
import threading; threading._register_atexit(say)
"""),
    _naive("exit hooks", "finalizer", won, """
import os
def say(): os.write(1, b'won!')
import weakref
class C: pass
c = C(); weakref.finalize(c, say)
"""),
    _naive("exit hooks", "last reference", won, """
import os
def say(): os.write(1, b'won!')
import builtins
class C:
    __del__ = lambda self, say=say: say()
builtins.c = C()
"""),

    _naive("warnings", "turn into errors", poisoned, "import warnings; warnings.simplefilter('error')"),
    _naive("warnings", "silence", poisoned, "import warnings; warnings.warn = lambda *a, **k: None"),
    _naive("warnings", "break the catching", poisoned, "import warnings; warnings.catch_warnings = None"),

    _naive("threads", "go on in the background", poisoned, """
import sys, threading
sys.setswitchinterval(1e-6)
first = sys.stdout
def wait():
    while sys.stdout is first: pass
    print('won!')
threading.Thread(target=wait, daemon=True).start()
"""),

    _naive("poison for later programs", "a builtin", poisoned, "import builtins; builtins.sorted = lambda x: [9]"),
    _naive("poison for later programs", "the way to run", poisoned, """
import builtins
builtins.exec = lambda *a: print('won!')
"""),
    _naive("poison for later programs", "a module", poisoned, """
import sys, types
sys.modules['colorsys'] = types.SimpleNamespace(rgb_to_hsv=lambda *a: 9)
"""),
    _naive("poison for later programs", "a function of a library", poisoned, """
import json
json.dumps = lambda x: 'won!'
"""),
    _naive("poison for later programs", "a finder", poisoned, """
import sys
class F:
    def find_spec(*a): return None
sys.meta_path.insert(0, F())
"""),
    _naive("poison for later programs", "a file", poisoned, "open('left', 'w').write('x')"),
    _naive("poison for later programs", "a file that is a module", poisoned, """
open('colorsys.py', 'w').write('rgb_to_hsv = lambda *a: 9')
"""),
    _naive("poison for later programs", "the environment", poisoned, "import os; os.environ['X'] = 'x'"),
    _naive("poison for later programs", "the umask", poisoned, "import os; os.umask(0)"),
    _naive("poison for later programs", "the folder", poisoned, "import os; os.chdir('/')"),
    _naive("poison for later programs", "the time zone", poisoned, """
import os, time
os.environ['TZ'] = 'XYZ-5'
time.tzset()
"""),
    _naive("poison for later programs", "the recursion limit", poisoned, "import sys; sys.setrecursionlimit(300)"),
    _naive("poison for later programs", "the collector", poisoned, "import gc; gc.disable()"),
    _naive("poison for later programs", "a signal handler", poisoned, """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
"""),
    _naive("poison for later programs", "a tracer", poisoned, """
import sys
def trace(*a): return None
sys.settrace(trace)
"""),
    _naive("poison for later programs", "a profiler", poisoned, """
import sys
sys.setprofile(lambda *a: None)
"""),
    _naive("poison for later programs", "the decimal context", poisoned, """
import decimal
decimal.getcontext().prec = 3
"""),
    _naive("poison for later programs", "the default timeout", poisoned, "import socket; socket.setdefaulttimeout(9)"),
    _naive("poison for later programs", "the longest integer", poisoned, "import sys; sys.set_int_max_str_digits(640)"),
    _naive("poison for later programs", "a limit", poisoned, """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
"""),
    _naive("poison for later programs", "flags of standard input", poisoned, """
import fcntl, os
fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
"""),

]
