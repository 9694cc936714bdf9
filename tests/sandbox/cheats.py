"""Programs that want to pass a test without doing what it asks for, which is to square a number."""

from __future__ import annotations

from textwrap import dedent

TEST = """
import random
for _ in range(5):
    number = random.randrange(10**6)
    assert f(number) == number * number
"""
"""The test that each of them has to face. Nothing can be known beforehand."""

HONEST = """
def f(x):
    return x * x
"""

IN_ONE_PROCESS = {
    "leaves when called": r"""
        import os
        def f(x):
            os._exit(0)
    """,
    "leaves when loaded": r"""
        import os
        os._exit(0)
    """,
    "exits when called": r"""
        import sys
        def f(x):
            sys.exit(0)
    """,
    "exits when loaded": r"""
        import sys
        sys.exit(0)
    """,
    "raises a kind of SystemExit": r"""
        class Done(SystemExit): pass
        def f(x):
            raise Done(0)
    """,
    "is equal to everything": r"""
        class Same:
            def __eq__(self, other): return True
        def f(x):
            return Same()
    """,
    "is a number equal to everything": (
        r"""
            class Same(int):
                def __eq__(self, other): return True
                __hash__ = int.__hash__
            def f(x):
                return Same(1)
        """
    ),
    "is a text equal to everything": (
        r"""
            class Same(str):
                def __eq__(self, other): return True
            def f(x):
                return Same('no')
        """
    ),
    "is a list equal to everything": (
        r"""
            class Same(list):
                def __eq__(self, other): return True
            def f(x):
                return Same()
        """
    ),
    "is a class equal to everything": (
        r"""
            class Kind(type):
                def __eq__(self, other): return True
            class Same(metaclass=Kind): pass
            def f(x):
                return Same
        """
    ),
    "makes the numbers of the test predictable": r"""
        import random
        random.randrange = lambda n: 1
        def f(x):
            return 1
    """,
    "takes the place of a module of the test": r"""
        import sys, types
        fake = types.ModuleType('random')
        fake.randrange = lambda n: 1
        sys.modules['random'] = fake
        def f(x):
            return 1
    """,
    "takes the test's loop away": r"""
        range = lambda n: ()
        def f(x):
            return 0
    """,
    "rewrites the caller's variables": (
        r"""
            import sys
            def f(x):
                sys._getframe(1).f_globals['number'] = 0
                return 0
        """
    ),
    "leaves by a trace function": (
        r"""
            import sys, os
            def trace(frame, event, arg):
                os._exit(0)
            def f(x):
                sys.settrace(trace)
                (lambda: None)()
        """
    ),
    "leaves at the first error": (
        r"""
            import sys, os
            sys.excepthook = lambda *error: os._exit(0)
            def f(x):
                return None
        """
    ),
    "leaves when the interpreter ends": (
        r"""
            import atexit, os
            atexit.register(lambda: os._exit(0))
            def f(x):
                return None
        """
    ),
    "leaves by a thread": (
        r"""
            import threading, os, time
            def later():
                os._exit(0)
            def f(x):
                threading.Thread(target=later).start()
                time.sleep(0.5)
        """
    ),
    "leaves by a signal": (
        r"""
            import signal, os, time
            signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
            def f(x):
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                time.sleep(1)
        """
    ),
    "becomes another program": (
        r"""
            import os, sys
            def f(x):
                os.execv(sys.executable, [sys.executable, '-S', '-c', 'pass'])
        """
    ),
    "lets the child go on and leaves with it": (
        r"""
            import os
            def f(x):
                if os.fork():
                    os.wait()
                os._exit(0)
        """
    ),
}
"""These pass where test and program share a process, which `test_the_cheats_are_real` shows."""

WITH_ONE_ANSWER = {
    "knows one answer": r"""
        def f(x):
            return 4
    """,
    "raises AssertionError": r"""
        def f(x):
            raise AssertionError
    """,
    "raises a kind of BaseException": r"""
        class Odd(BaseException): pass
        def f(x):
            raise Odd
    """,
    "raises GeneratorExit": r"""
        def f(x):
            raise GeneratorExit
    """,
    "raises KeyboardInterrupt": r"""
        def f(x):
            raise KeyboardInterrupt
    """,
    "prints a verdict": (
        r"""
            import os
            verdict = b'{"passed": true, "judged": true, "detail": ""}'
            def f(x):
                for stream in range(3, 30):
                    try:
                        os.write(stream, verdict)
                    except OSError:
                        pass
                os.write(1, verdict)
                os.write(2, verdict)
                print(verdict.decode())
        """
    ),
    "is a number that is always near": (
        r"""
            class Near:
                def __sub__(self, other): return 0
                __rsub__ = __sub__
                def __abs__(self): return 0
                def __lt__(self, other): return True
                __gt__ = __le__ = __ge__ = __lt__
            def f(x):
                return Near()
        """
    ),
    "holds everything": (
        r"""
            class All:
                def __contains__(self, one): return True
                def __len__(self): return 1
            def f(x):
                return All()
        """
    ),
    "says that it is a number": (
        r"""
            class Number:
                @property
                def __class__(self): return int
                def __eq__(self, other): return True
            def f(x):
                return Number()
        """
    ),
    "replaces what is built in": (
        r"""
            import builtins
            builtins.AssertionError = type('AssertionError', (), {})
            builtins.all = builtins.any = lambda *_: True
            def f(x):
                return None
        """
    ),
    "defines what the test calls": (
        r"""
            def all(values): return True
            def abs(value): return 0
            def sorted(value): return 0
            def isinstance(*_): return True
            class random:
                randrange = staticmethod(lambda n: 2)
            class math:
                isclose = staticmethod(lambda *_: True)
            def f(x):
                return 4
        """
    ),
    "replaces the modules that talk to the test": (
        r"""
            import sys
            from archon_graph.sandbox.inside import atoms, codec, link
            codec.write_atom = atoms.write_atom = lambda value: ['not-implemented']
            link.Link._describe = lambda self, error: {}
            def f(x):
                return object()
        """
    ),
    "looks for the expected value everywhere": (
        r"""
            import gc, sys
            def f(x):
                for one in gc.get_objects():
                    if isinstance(one, dict) and ('expected' in one or isinstance(one.get('test'), str)):
                        print('FOUND', one.get('expected'), one.get('test'))
                frame = sys._getframe()
                while frame:
                    if 'number' in frame.f_globals or 'number' in frame.f_locals:
                        print('FOUND')
                    frame = frame.f_back
                return None
        """
    ),
    "looks for the test's files": (
        r"""
            import pathlib
            found = [str(one) for one in pathlib.Path('/').rglob('task.json')]
            found += [str(one) for one in pathlib.Path('/scratch').iterdir() if one.name != 'program.py']
            print('FOUND' if found else '', found)
            def f(x):
                return None
        """
    ),
    "answers before it is asked": (
        r"""
            import gc, json, struct, os
            from archon_graph.sandbox.inside.link import Link
            def answer(value):
                data = json.dumps(['answer', value, [], {}, [], '']).encode()
                return struct.pack('<I', len(data)) + data
            def f(x):
                [link] = [one for one in gc.get_objects() if isinstance(one, Link)]
                os.write(link._sink, answer(True) * 20)
                return True
        """
    ),
    "sends a message without an end": (
        r"""
            import gc, struct, os
            from archon_graph.sandbox.inside.link import Link
            def f(x):
                [link] = [one for one in gc.get_objects() if isinstance(one, Link)]
                os.write(link._sink, struct.pack('<I', 2**32 - 1) + b'[' * 60000)
        """
    ),
    "sends a message of brackets": (
        r"""
            import gc, struct, os
            from archon_graph.sandbox.inside.link import Link
            def f(x):
                [link] = [one for one in gc.get_objects() if isinstance(one, Link)]
                os.write(link._sink, struct.pack('<I', 50000) + b'[' * 50000)
        """
    ),
    "asks instead of answering": (
        r"""
            import gc
            from archon_graph.sandbox.inside.link import Link
            def f(x):
                [link] = [one for one in gc.get_objects() if isinstance(one, Link)]
                for what in ('call', 'getattr', 'global', 'setattr', 'str'):
                    for on in (int, exec, None, link, 'text'):
                        try:
                            print('FOUND' if link.ask(what, on, '__subclasses__') else '')
                        except Exception:
                            pass
                return 4
        """
    ),
    "names a function of the test's library": (
        r"""
            import gc, json, struct, os
            from archon_graph.sandbox.inside.link import Link
            def f(x):
                [link] = [one for one in gc.get_objects() if isinstance(one, Link)]
                link.send(['answer', ['library', 'os', '_exit'], [], {}, [], ''])
        """
    ),
    "claims objects that were not handed over": (
        r"""
            import gc, json, struct, os
            from archon_graph.sandbox.inside.link import Link
            def f(x):
                [link] = [one for one in gc.get_objects() if isinstance(one, Link)]
                link.send(['answer', ['yours', 0], [], {}, [], ''])
        """
    ),
    "stops the sandbox from within": (
        r"""
            import os, signal
            def f(x):
                for number in (signal.SIGSTOP, signal.SIGKILL):
                    os.kill(-1, number)
        """
    ),
    "takes its time": r"""
        import time
        def f(x):
            time.sleep(60)
    """,
    "computes for ever": r"""
        def f(x):
            while True: pass
    """,
    "never loads": "while True: pass",
    "counts up to it": r"""
        def f(x):
            return iter(range(10**12))
    """,
    "never ends to count": r"""
        import itertools
        def f(x):
            return itertools.count()
    """,
    "holds itself": r"""
        def f(x):
            me = []
            me.append(me)
            return me
    """,
    "is very deep": r"""
        def f(x):
            me = ()
            for _ in range(100_000): me = (me,)
            return me
    """,
    "is very large": r"""
        def f(x):
            return [0] * 10_000_000
    """,
    "is a very large number": r"""
        def f(x):
            return 1 << 80_000_000
    """,
    "cannot be shown": (
        r"""
            class Odd:
                def __repr__(self): raise SystemExit(0)
                __str__ = __repr__
            def f(x):
                return Odd()
        """
    ),
    "takes for ever to be shown": (
        r"""
            class Odd:
                def __repr__(self):
                    while True: pass
            def f(x):
                return Odd()
        """
    ),
    "closes everything": r"""
        import os
        def f(x):
            os.closerange(0, 256)
    """,
    "closes its output": r"""
        import sys
        def f(x):
            sys.stdout.close()
            sys.stderr.close()
    """,
    "prints without end": r"""
        def f(x):
            while True: print('passed ' * 100)
    """,
    "prints while it loads": "while True: print('passed ' * 100)",
    "overflows the stack": r"""
        import sys
        sys.setrecursionlimit(10**9)
        def f(x):
            return f(x)
    """,
    "is no Python": r"""
        def f(x:
            return x * x
    """,
    "is half a character": r"""
        def f(x):
            return '\ud800'
    """,
    "has half a character in its source": "def f(x):\n    return '\ud800'",
    "is empty": "",
}
"""These fool nobody who compares; they must not fool us either, nor bring the judge down."""


WITH_A_WEAK_TEST = {
    "ends a map early": (
        r"""
            assert all(map(lambda x: f(x) == x * x, range(2, 9)))
            assert list(map(f, [])) == []
        """,
        r"""
            def f(x):
                raise StopIteration
        """,
    ),
    "is near everything": ("assert abs(f(3) - 9) < 1e-6", WITH_ONE_ANSWER["is a number that is always near"]),
    "is less than everything": (
        "assert f(3) <= 9 and f(3) >= 9",
        WITH_ONE_ANSWER["is a number that is always near"],
    ),
    "holds everything": ("assert 9 in f(3)", WITH_ONE_ANSWER["holds everything"]),
    "shows itself as equal": (
        "assert str(f(3)) == '9'",
        r"""
            class Text(str):
                def __eq__(self, other): return True
            class Odd:
                def __str__(self): return Text('no')
            def f(x):
                return Odd()
        """,
    ),
    "is of every type": (
        "assert isinstance(f(3), int)",
        r"""
            class Odd:
                @property
                def __class__(self): return int
            def f(x):
                return Odd()
        """,
    ),
    "swallowed by an except": (
        r"""
            try:
                f(3)
            except:
                pass
        """,
        r"""
            import os
            def f(x):
                os._exit(0)
        """,
    ),
    "swallowed by a finally": (
        r"""
            def g():
                try:
                    return f(3) == 10
                finally:
                    return True
            assert g()
        """,
        r"""
            import os
            def f(x):
                os._exit(0)
        """,
    ),
    "reaches through a function": (
        r"""
            expected = 9
            assert f(lambda x: x) == expected
        """,
        r"""
            def f(g):
                for name in ('__globals__', '__closure__', '__code__', 'func_globals', '__init__', '__call__'):
                    try:
                        return getattr(g, name)['expected']
                    except Exception:
                        pass
                return None
        """,
    ),
    "reaches through a method": (
        r"""
            class Box:
                def __init__(self): self._right = 9
                def get(self): return 1
            box = Box()
            assert f(box) == box._right
        """,
        r"""
            def f(box):
                for way in (lambda: box._right, lambda: box.get.__self__._right, lambda: vars(box)['_right']):
                    try:
                        return way()
                    except Exception:
                        pass
        """,
    ),
    "replaces a method of the test": (
        r"""
            class Box:
                def right(self, value): return value == 9
            box = Box()
            value = f(box)
            assert box.right(value)
        """,
        r"""
            def f(box):
                for owner in (box, type(box)):
                    try:
                        owner.right = lambda value: True
                    except Exception:
                        pass
        """,
    ),
    "reaches through an exception": (
        r"""
            expected = 9
            def g():
                raise ValueError('no')
            assert f(g) == expected
        """,
        r"""
            def f(g):
                try:
                    g()
                except ValueError as error:
                    trace = error.__traceback__
                    while trace:
                        if 'expected' in trace.tb_frame.f_globals: return trace.tb_frame.f_globals['expected']
                        trace = trace.tb_next
        """,
    ),
    "reaches through a generator": (
        r"""
            expected = 9
            assert f(x for x in [1]) == expected
        """,
        r"""
            def f(g):
                try:
                    return g.gi_frame.f_globals['expected']
                except Exception:
                    return None
        """,
    ),
    "shadows what the test computes with": (
        "assert sum([f(3), 0]) == math.prod([9])",
        r"""
            def sum(values): return 0
            class math:
                prod = staticmethod(lambda values: 0)
            def f(x):
                return 1
        """,
    ),
    "replaces a helper of the task": (
        "assert near(f(3), 9)",
        r"""
            def near(a, b): return True
            def f(x):
                return 1
        """,
    ),
    "raises what ends the test well": (
        r"""
            import unittest
            class Cases(unittest.TestCase):
                def test_f(self): self.assertEqual(f(3), 9)
            unittest.main()
        """,
        r"""
            import unittest
            class unittest_SkipTest(Exception): pass
            def f(x):
                raise unittest.SkipTest('nothing to see')
        """,
    ),
}
"""Each with the test that it is made for, and one of ``SUPPORT`` to build on."""

SUPPORT = """
def near(a, b):
    return abs(a - b) < 1e-6
"""

for programs in (IN_ONE_PROCESS, WITH_ONE_ANSWER):
    programs.update({name: dedent(program) for name, program in programs.items()})
WITH_A_WEAK_TEST = {name: (dedent(test), dedent(program)) for name, (test, program) in WITH_A_WEAK_TEST.items()}
