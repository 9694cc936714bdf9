"""Programs that want out, or to do harm. Each prints ESCAPED if it got what it wanted.

``{secret}`` is a file of the host that everybody may read, ``{outside}`` a folder that everybody may write to,
``{port}`` a port of the host that takes connections, ``{host}`` the number of the process that runs the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent


@dataclass(frozen=True)
class Attack:
    """A program, and how its run may end."""

    program: str
    ends: tuple[str, ...] = ("ok", "error")
    calls: bool = False
    """Whether it makes system calls by number, with ``call``."""

    @property
    def source(self) -> str:
        return (_CALL if self.calls else "") + dedent(self.program)


_CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    arguments = (ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)
    result = libc.syscall(ctypes.c_long(number), *arguments)
    return result, ctypes.get_errno()
"""

READING = {
    "a planted secret": Attack("print('ESCAPED', open('{secret}').read())"),
    "a key in the environment": Attack(
        r"""
            import os
            for name, value in os.environ.items():
                if 'KEY' in name or 'planted' in value: print('ESCAPED', name)
        """
    ),
    "the user's folders": Attack(
        r"""
            import os
            for folder in ('/home', '/work', '/root', '/mnt', '/var', '/run', '/srv', '/opt', '/etc/ssh'):
                try:
                    found = [one for one in os.listdir(folder) if one != '.pyenv']
                except OSError:
                    continue
                if found: print('ESCAPED', folder, found)
        """
    ),
    "passwords": Attack("print('ESCAPED', open('/etc/shadow').read())"),
    "installed packages": Attack(r"""
        import pytest
        print('ESCAPED')
    """),
    "memory by proc": Attack(
        r"""
            import os
            for name in ('self/mem', 'self/environ', '1/environ', '{host}/environ', 'kcore',
                         'self/root/etc/shadow', '{host}/root{secret}', '1/root{secret}'):
                try:
                    open('/proc/' + name, 'rb').read(1)
                    print('ESCAPED', name)
                except OSError:
                    pass
        """
    ),
    "by a symbolic link": Attack(
        r"""
            import os
            os.symlink('{secret}', 'link')
            os.symlink('../../../../../../..{secret}', 'up')
            for name in ('link', 'up'):
                try:
                    print('ESCAPED', open(name).read())
                except OSError:
                    pass
        """
    ),
    "by a hard link": Attack(r"""
        import os
        os.link('{secret}', 'link')
        print('ESCAPED', open('link').read())
    """),
    "by a working directory that is gone": Attack(
        r"""
            import os
            os.mkdir('a')
            os.chdir('a')
            os.rmdir('../a')
            try:
                os.chdir('../../../../..')
            except OSError:
                pass
            if os.path.exists('.' + '{secret}') or os.path.exists('{secret}'): print('ESCAPED')
        """
    ),
    "by chroot": Attack(
        r"""
            import os
            os.mkdir('jail')
            root = os.open('/', os.O_RDONLY)
            os.chroot('jail')
            os.fchdir(root)
            for _ in range(30): os.chdir('..')
            os.chroot('.')
            print('ESCAPED', open('{secret}').read())
        """
    ),
    "by a file handle": Attack(
        r"""
            room = ctypes.create_string_buffer(128)
            room[0] = b'\x80'
            mount = ctypes.c_int()
            result, error = call(303, -100, b'/', room, ctypes.byref(mount), 0)
            if result == 0: print('ESCAPED')
        """,
        calls=True,
    ),
    "files left open": Attack(
        r"""
            import os
            for number in range(3, 256):
                try:
                    print('ESCAPED', number, os.fstat(number))
                except OSError:
                    pass
        """
    ),
}

WRITING = {
    "outside": Attack(r"""
        open('{outside}/written', 'w')
        print('ESCAPED')
    """),
    "into system folders": Attack(
        r"""
            import os, sys
            for folder in ('/', '/etc', '/usr/lib', '/boot', '/dev', os.path.dirname(os.__file__), sys.prefix):
                try:
                    open(folder + '/written', 'w')
                    print('ESCAPED', folder)
                except OSError:
                    pass
        """
    ),
    "to the interpreter": Attack(
        r"""
            import os, sys
            for path in (sys.executable, os.__file__):
                for deed in (lambda: open(path, 'ab'), lambda: os.unlink(path), lambda: os.chmod(path, 0o777)):
                    try:
                        deed()
                        print('ESCAPED', path)
                    except OSError:
                        pass
        """
    ),
    "a device": Attack(
        r"""
            import os, stat
            os.mknod('disk', 0o666 | stat.S_IFBLK, os.makedev(254, 0))
            open('disk', 'rb').read(1)
            print('ESCAPED')
        """
    ),
    "by mounting": Attack(
        r"""
            import os
            os.mkdir('m')
            tries = (b'none', b'tmpfs', 0), (b'/', b'', 4096), (b'proc', b'proc', 0), (b'', b'', 4128)
            for source, kind, flags in tries:
                if libc.mount(source, b'm', kind, ctypes.c_ulong(flags), None) == 0: print('ESCAPED', kind)
            if libc.umount2(b'/dev/null', 2) == 0: print('ESCAPED')
        """,
        calls=True,
    ),
    "until the disk is full": Attack(
        r"""
            written = 0
            try:
                for number in range(100):
                    with open(str(number), 'wb', buffering=0) as file:
                        while file.write(b'x' * 65536) == 65536: written += 65536
            except OSError as error:
                print(error)
            if written > 8 * 2**20: print('ESCAPED', written)
        """
    ),
    "until there are no more files": Attack(
        r"""
            made = 0
            try:
                for made in range(100_000): open(f'file{{made}}', 'w').close()
            except OSError as error:
                print(error)
            if made > 10_000: print('ESCAPED', made)
        """
    ),
    "one huge empty file": Attack(
        r"""
            try:
                open('hole', 'wb').truncate(2**40)
                print('ESCAPED')
            except OSError:
                pass
        """,
        ends=("ok", "error", "killed"),
    ),
    # Not all of /: where much is installed, just walking through /usr/lib takes longer than a program may.
    "nothing, but removing": Attack(
        r"""
            import os, shutil
            for folder in os.listdir('/'):
                try:
                    os.rename('/' + folder, '/gone')
                    print('ESCAPED', folder)
                except OSError:
                    pass
            for folder in ('/etc', '/dev', '/tmp', os.path.dirname(os.__file__), '/scratch'):
                shutil.rmtree(folder, ignore_errors=True)
            if os.listdir('/scratch') or not all(map(os.path.exists, (os.__file__, '/dev/null'))): print('ESCAPED')
            open('still', 'w').close()
        """
    ),
    "memory that is a file": Attack("if call(319, b'name', 0)[0] >= 0: print('ESCAPED')", calls=True),
}

TALKING = {
    "to a port of the host": Attack(
        r"""
            import socket
            socket.create_connection(('127.0.0.1', {port}), timeout=2)
            print('ESCAPED')
        """
    ),
    "to the network": Attack(
        r"""
            import socket
            socket.create_connection(('1.1.1.1', 80), timeout=2)
            print('ESCAPED')
        """
    ),
    "by a name": Attack(r"""
        import socket
        print('ESCAPED', socket.gethostbyname('example.com'))
    """),
    "in any family": Attack(
        r"""
            import socket
            for family in range(2, 46):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
                    try:
                        socket.socket(family, kind)
                        print('ESCAPED', family, kind)
                    except OSError:
                        pass
        """
    ),
    "to a socket of the host without a file": Attack(
        r"""
            import socket
            line = socket.socket(socket.AF_UNIX)
            line.connect('\0archon-graph-{host}')
            print('ESCAPED')
        """
    ),
    "past the filter by io_uring": Attack(
        r"""
            room = ctypes.create_string_buffer(256)
            if call(425, 4, room)[0] >= 0: print('ESCAPED')
        """,
        calls=True,
    ),
    "by System V": Attack(
        r"""
            for number in (29, 68, 64):
                if call(number, 0, 1, 0o1666)[0] >= 0: print('ESCAPED', number)
        """,
        calls=True,
    ),
    "by the keyring": Attack(
        r"""
            if call(250, 0, -3, 1)[0] >= 0: print('ESCAPED')
            if call(248, b'user', b'name', b'value', 5, -4)[0] >= 0: print('ESCAPED')
        """,
        calls=True,
    ),
}

RISING = {
    "to root": Attack(
        r"""
            import os
            for rise, to in ((os.setuid, 0), (os.setgid, 0), (os.setegid, 0), (os.setgroups, [0])):
                try:
                    rise(to)
                    print('ESCAPED')
                except OSError:
                    pass
            if 0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()): print('ESCAPED')
        """
    ),
    "to capabilities": Attack(
        r"""
            for one in range(41):
                if libc.prctl(23, one, 0, 0, 0) == 1 or libc.prctl(47, 2, one, 0, 0) == 0: print('ESCAPED', one)
            if libc.prctl(39, 0, 0, 0, 0) != 1 or libc.prctl(21, 0, 0, 0, 0) != 2: print('ESCAPED')
        """,
        calls=True,
    ),
    "in namespaces of its own": Attack(
        r"""
            for flags in (0x10000000, 0x20000, 0x40000000, 0x10000000 | 0x20000, 0x80):
                if libc.unshare(flags) == 0: print('ESCAPED', hex(flags))
            child, error = call(56, 0x10000000 | 17, 0, 0, 0, 0)
            if child == 0: os._exit(0)
            if child > 0: print('ESCAPED')
            room = (ctypes.c_ulonglong * 11)(0x10000000)
            child, error = call(435, room, 88)
            if child == 0: os._exit(0)
            if child > 0 or error != 38: print('ESCAPED', error)
        """,
        calls=True,
    ),
    "by the second table of calls": Attack(
        r"""
            call(0x40000000 + 101, 0, 0, 0, 0)
            print('ESCAPED')
        """,
        calls=True,
        ends=("killed",),
    ),
    "by tracing": Attack(
        r"""
            child = os.fork()
            if child == 0:
                import time; time.sleep(1); os._exit(0)
            for target in (child, 1, os.getppid()):
                if call(101, 16, target, 0, 0)[0] == 0: print('ESCAPED', target)
            room = ctypes.create_string_buffer(8)
            vector = (ctypes.c_ulong * 2)(ctypes.addressof(room), 8)
            for target in (child, 1):
                if call(310, target, vector, 1, vector, 1, 0)[1] != 1: print('ESCAPED', target)
        """,
        calls=True,
    ),
    "over its limits": Attack(
        r"""
            import resource
            for kind in range(16):
                soft, hard = resource.getrlimit(kind)
                if hard == resource.RLIM_INFINITY: continue
                try:
                    resource.setrlimit(kind, (hard, hard + 1))
                    print('ESCAPED', kind)
                except (OSError, ValueError):
                    pass
        """
    ),
    "in priority": Attack(
        r"""
            import os
            for deed in (lambda: os.nice(-5), lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))):
                try:
                    deed()
                    print('ESCAPED')
                except OSError:
                    pass
        """
    ),
    "by a shell": Attack(
        r"""
            import os, subprocess
            if os.system('echo') == 0: print('ESCAPED')
            for program in ('/bin/sh', '/usr/bin/env', '/usr/bin/su', '/usr/bin/sudo', '/bin/mount'):
                try:
                    subprocess.run([program])
                    print('ESCAPED', program)
                except OSError:
                    pass
        """
    ),
    "by a pickle": Attack(
        r"""
            import pickle, os
            class Bomb:
                def __reduce__(self): return os.system, ('touch {outside}/written && echo ESCAPED',)
            if pickle.loads(pickle.dumps(Bomb())) == 0: print('ESCAPED')
        """
    ),
    "with the kernel's switches": Attack(
        r"""
            for number in (169, 246, 175, 313, 321, 298, 323, 155, 167, 163, 172, 173, 164, 227, 170, 103, 135):
                result, error = call(number, 0, 0, 0, 0, 0)
                if error != 1: print('ESCAPED', number, error)
        """,
        calls=True,
    ),
}

KILLING = {
    "everything": Attack(
        r"""
            import os, signal
            for target in (-1, 1, 0, os.getppid(), {host}):
                for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
                    try:
                        if target != 0: os.kill(target, number)
                    except OSError:
                        pass
        """
    ),
    "its group": Attack(
        r"""
        import os, signal
        os.killpg(0, signal.SIGKILL)
    """,
        ends=("killed",),
    ),
    "itself": Attack(
        r"""
        import os, signal
        os.kill(os.getpid(), signal.SIGSEGV)
    """,
        ends=("killed",),
    ),
    "itself, with a dump of its memory": Attack(
        r"""
        import os
        os.abort()
    """,
        ends=("killed",),
    ),
    "by ignoring the end": Attack(
        r"""
            import signal, time
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            while True: time.sleep(1)
        """,
        ends=("timeout",),
    ),
    "nobody, but stopping": Attack(
        r"""
        import os, signal
        os.kill(os.getpid(), signal.SIGSTOP)
    """,
        ends=("timeout",),
    ),
}

STAYING = {
    "asleep": Attack(
        r"""
        import time
        time.sleep(1000)
    """,
        ends=("timeout",),
    ),
    "busy": Attack("while True: pass", ends=("timeout",)),
    "busy in a regular expression": Attack(
        r"""
        import re
        re.match('(a*)*b', 'a' * 64)
    """,
        ends=("timeout",),
    ),
    "busy with a large number": Attack("print(len(str(7 ** (10 ** 8))))", ends=("timeout", "error", "memory")),
    "busy by turns": Attack(
        r"""
            import os, time
            while True:
                child = os.fork()
                if child == 0:
                    end = time.process_time() + 0.2
                    while time.process_time() < end: pass
                    os._exit(0)
                os.wait()
        """,
        ends=("timeout",),
    ),
    "as a daemon": Attack(
        r"""
            import os, time
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.closerange(0, 3)
                    time.sleep(1000)
                os._exit(0)
            os.wait()
        """
    ),
    "as a daemon with its output": Attack(
        r"""
            import os, time
            if os.fork() == 0:
                os.setsid()
                time.sleep(1000)
        """
    ),
    "as zombies": Attack(
        r"""
            import os
            made = 0
            try:
                for made in range(100):
                    if os.fork() == 0: os._exit(0)
            except OSError as error:
                print(error)
            if made > 20: print('ESCAPED', made)
        """
    ),
    "as a thread": Attack(
        r"""
            import threading, time
            threading.Thread(target=time.sleep, args=(1000,)).start()
        """,
        ends=("timeout",),
    ),
    "silent": Attack(
        r"""
        import os, time
        os.closerange(0, 64)
        time.sleep(1000)
    """,
        ends=("timeout",),
    ),
    "until somebody types": Attack("input()"),
}

FLOODING = {
    "processes": Attack(
        r"""
            import os
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
        """,
        ends=("timeout",),
    ),
    "threads": Attack(
        r"""
            import threading, time
            made = 0
            try:
                for made in range(1000): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
            except RuntimeError as error:
                print(error)
            if made > 20: print('ESCAPED', made)
        """
    ),
    "memory": Attack(
        r"""
        room = []
        while True: room.append(bytearray(2**20))
    """,
        ends=("memory",),
    ),
    "memory by fives": Attack(
        r"""
            import os, time
            for _ in range(4):
                if os.fork() == 0: break
            room = bytearray(b'x') * (80 * 2**20)
            time.sleep(1000)
        """,
        ends=("memory",),
    ),
    "memory in common": Attack(
        r"""
            import mmap, time
            rooms = []
            while True:
                rooms.append(mmap.mmap(-1, 2**24))
                rooms[-1][:] = bytes(2**24)
        """,
        ends=("memory", "error", "killed"),
    ),
    "memory by unpacking": Attack(
        r"""
            import zlib
            bomb = zlib.compress(bytes(2**24))
            for _ in range(100): room = zlib.decompress(bomb) * 64
        """,
        ends=("memory",),
    ),
    "output": Attack("while True: print('x' * 100)", ends=("output",)),
    "output without lines": Attack(
        r"""
        import sys
        while True: sys.stdout.write('x' * 10**6)
    """,
        ends=("output",),
    ),
    "errors": Attack(
        r"""
        import os
        while True: os.write(2, b'x' * 65536)
    """,
        ends=("output",),
    ),
    "both": Attack(
        r"""
        import os
        while True: os.write(1, b'x'); os.write(2, b'x')
    """,
        ends=("output",),
    ),
    "output from many": Attack(
        r"""
            import os
            os.fork()
            os.fork()
            while True: os.write(1, b'x' * 4096)
        """,
        ends=("output",),
    ),
    "the stack": Attack(
        r"""
            import sys
            sys.setrecursionlimit(10**9)
            def f(x): return f([x]) + 1
            f(0)
        """,
        ends=("killed", "memory", "timeout", "output"),
    ),
    "the stack below Python": Attack(
        r"""
            import sys
            sys.setrecursionlimit(10**9)
            class Deep:
                def __repr__(self): return repr([self])
            repr(Deep())
        """,
        ends=("killed", "memory", "timeout", "error"),
    ),
    "open files": Attack(
        r"""
            files = []
            try:
                while True: files.append(open('/dev/null'))
            except OSError:
                pass
            if len(files) > 1000: print('ESCAPED')
        """
    ),
    "pipes": Attack(
        r"""
            import os
            held = 0
            try:
                while True:
                    _, end = os.pipe()
                    os.set_blocking(end, False)
                    try:
                        while True: held += os.write(end, b'x' * 65536)
                    except BlockingIOError:
                        pass
            except OSError:
                pass
            if held > 2**26: print('ESCAPED', held)
        """
    ),
    "timers": Attack(
        r"""
            import signal
            signal.signal(signal.SIGALRM, lambda *_: None)
            signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)
            while True: pass
        """,
        ends=("timeout",),
    ),
    "half characters": Attack(
        r"""
            import sys
            sys.stdout.buffer.write(b'\xff\xfe\xed\xa0\x80')
            print('\ud800')
        """,
        ends=("error",),
    ),
}

ATTACKS = {
    f"{group}: {name}": attack
    for group, attacks in {
        "reads": READING,
        "writes": WRITING,
        "talks": TALKING,
        "rises": RISING,
        "kills": KILLING,
        "stays": STAYING,
        "floods": FLOODING,
    }.items()
    for name, attack in attacks.items()
}
