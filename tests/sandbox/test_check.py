"""What a test can do with a program that runs elsewhere."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from archon_graph.sandbox import Limits, Sandbox, check, check_sync
from tests.sandbox.conftest import TIGHT, works_here

pytestmark = [works_here, pytest.mark.usefixtures("nothing_left")]

PASSING = {
    "numbers": (
        "def f(x): return x",
        r"""
            for one in (0, -1, 2**53 + 1, -(2**200), 1.5, -0.0, 1e308, 5e-324, 1j, True, None, ...):
                assert f(one) == one and type(f(one)) is type(one)
            assert str(f(-0.0)) == '-0.0'
            assert f(float('nan')) != f(float('nan')) and f(float('inf')) == float('inf')
            assert f(True) is True and f(None) is None and f(...) is ...
        """,
    ),
    "texts": (
        "def f(x): return x",
        r"""
            for one in ('', 'ä\n\0', '\ud800', 'x' * 100_000, b'', b'\xff\0', bytearray(b'ab')):
                assert f(one) == one and type(f(one)) is type(one)
        """,
    ),
    "containers": (
        "def f(x): return x",
        r"""
            from collections import Counter, OrderedDict, deque
            for one in ([], [1, [2]], (), (1, (2,)), {}, {1: 'a', (1, 2): [3]}, set(), {1, (2, 3)}, frozenset({1}),
                        range(3), Counter('aab'), OrderedDict(a=1), deque([1, 2], maxlen=3)):
                assert f(one) == one and type(f(one)) is type(one), one
        """,
    ),
    "library": (
        "def f(x): return x",
        r"""
            import datetime
            from decimal import Decimal
            from fractions import Fraction
            for one in (Decimal('1.10'), Fraction(1, 3), datetime.date(2024, 2, 29), datetime.time(1, 2, 3),
                        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), datetime.timedelta(1, 2, 3)):
                assert f(one) == one and type(f(one)) is type(one)
            assert f(int) is int and f(ValueError) is ValueError
        """,
    ),
    "values of classes derived from built-in ones": (
        r"""
            import collections, enum
            class Size(enum.IntEnum):
                BIG = 3
            class Name(str): pass
            Point = collections.namedtuple('Point', 'x y')
            def f(): return [Size.BIG, Name('a'), Point(1, 2), collections.defaultdict(int, a=1)]
        """,
        r"""
            assert f() == [3, 'a', (1, 2), {'a': 1}]
            assert f()[2].x == 1 and f()[2].y == 2
        """,
    ),
    "changed in place": (
        r"""
            def f(items, table, kinds):
                items.sort()
                items.append(items)
                table['new'] = [1]
                kinds.clear()
        """,
        r"""
            items, table, kinds = [3, 1], {}, {1}
            same = items
            f(items, table, kinds)
            assert same[:2] == [1, 3] and same[2] is items
            assert table == {'new': [1]} and kinds == set()
        """,
    ),
    "changed in a way that compares equal": (
        "def f(items): items[0] = 1",
        r"""
            items = [True]
            f(items)
            assert items[0] is not True
        """,
    ),
    "the same object comes back": (
        r"""
            def f(items): return items
            def g(): return [[1]] * 2
        """,
        r"""
            items = [1]
            assert f(items) is items
            first, second = g()
            assert first is second
        """,
    ),
    "a list in itself": (
        "def f(items): return items[0] is items",
        r"""
            items = []
            items.append(items)
            assert f(items)
        """,
    ),
    "functions of the test": (
        r"""
            def f(g, items): return [g(one) for one in items]
            def twice(g): return lambda x: g(g(x))
        """,
        r"""
            assert f(lambda x: x + 1, [1, 2]) == [2, 3]
            assert twice(lambda x: x * 3)(2) == 18
            import operator
            assert f(operator.neg, [1]) == [-1]
            assert f(str.upper, ['a']) == ['A']
            assert f(len, ['ab']) == [2]
        """,
    ),
    "arguments by name": ("def f(a, *, b=2, **c): return [a, b, c]", "assert f(1, b=3, d=4) == [1, 3, {'d': 4}]"),
    "generators": (
        r"""
            def f(n):
                for one in range(n): yield one
        """,
        r"""
            assert list(f(3)) == [0, 1, 2]
            assert sum(x for x in f(3)) == 3
            it = f(2)
            assert next(it) == 0
            assert next(it) == 1 and next(it, None) is None
            assert 2 in f(3)
        """,
    ),
    "generators of the test": (
        "def f(g): return sum(g)",
        r"""
            assert f(x for x in (1, 2)) == 3
            assert f(iter([4])) == 4
        """,
    ),
    "classes of the program": (
        r"""
            class Stack(list):
                size = 0
                def push(self, x):
                    self.append(x)
                    self.size += 1
            class Node:
                def __init__(self, value, next=None):
                    self.value, self.next = value, next
                def __len__(self): return 7
                def __getitem__(self, key): return key
                def __str__(self): return 'node'
                def __enter__(self): return 5
                def __exit__(self, *error): return True
            def total(node):
                return node.value + (total(node.next) if node.next is not None else 0)
        """,
        r"""
            s = Stack()
            s.push(4)
            assert s.size == 1 and s[0] == 4 and len(s) == 1 and list(s) == [4]
            n = Node(1, Node(2))
            assert total(n) == 3
            n.next.value = 5
            assert total(n) == 6 and n.next.next is None
            assert len(n) == 7 and n['k'] == 'k' and str(n) == 'node' and f'{n}' == 'node' and isinstance(n, Node)
            with n as five:
                assert five == 5
                raise ValueError
            assert n is n and n != Node(1)
            assert not hasattr(n, 'other') and {n: 1}[n] == 1
        """,
    ),
    "objects of the test": (
        r"""
            def f(box):
                box.value += 1
                return box.get() + len(box) + box['a'] + sum(box)
        """,
        r"""
            class Box:
                def __init__(self): self.value = 1
                def get(self): return self.value * 10
                def __len__(self): return 2
                def __getitem__(self, key): return 100
                def __iter__(self): return iter([1000])
            box = Box()
            assert f(box) == 1122 and box.value == 2
        """,
    ),
    "exceptions": (
        r"""
            class Empty(ValueError):
                def __init__(self, code):
                    super().__init__('is empty', code)
                    self.code = code
            def f(x):
                if not x: raise Empty(7)
                return [][x]
        """,
        r"""
            try:
                f(0)
                assert False
            except Empty as error:
                assert error.args == ('is empty', 7) and error.code == 7
            try:
                f(0)
            except ValueError as error:
                pass
            else:
                assert False
            try:
                f(1)
            except IndexError as error:
                assert 'range' in str(error)
            else:
                assert False
        """,
    ),
    "exceptions of the test": (
        r"""
            def f(g):
                try:
                    g(1)
                except ValueError as error:
                    if error.args == ('no',): return 'caught'
            def through(g): g(1)
        """,
        r"""
            class Own(ValueError): pass
            def g(x): raise Own('no')
            assert f(g) == 'caught'
            try:
                through(g)
            except Own as error:
                assert str(error) == 'no'
            else:
                assert False
        """,
    ),
    "printing": (
        "def f(): print('hello')",
        r"""
            import contextlib, io
            with contextlib.redirect_stdout(io.StringIO()) as out: f()
            assert out.getvalue() == 'hello\n'
        """,
    ),
    "coroutines": (
        r"""
            import asyncio
            async def f(x):
                await asyncio.sleep(0)
                return x + 1
        """,
        r"""
            import asyncio
            async def test_f(): assert await f(1) == 2
        """,
    ),
    "values that the program names": ("ANSWER = [42]", "assert ANSWER == [42]"),
    "functions that a runner would run": (
        "def f(x): return x * x",
        r"""
            def test_one(): assert f(2) == 4
            def test_two(limit=3):
                for x in range(limit): assert f(x) == x * x
        """,
    ),
    "unittest": (
        "def f(x): return 1 / x",
        r"""
            import unittest
            class Cases(unittest.TestCase):
                def setUp(self): self.one = 1
                def test_f(self): self.assertAlmostEqual(f(self.one), 1)
                def test_zero(self):
                    with self.assertRaises(ZeroDivisionError): f(0)
            if __name__ == '__main__': unittest.main()
        """,
    ),
    "modules it did not import": (
        "def f(x): return x ** 0.5",
        "assert math.isclose(f(2), 1.41421356, rel_tol=1e-6)",
    ),
    "functions with names of modules": (
        "def select(x): return x\ndef queue(x): return x\ndef turtle(x): return x",
        "assert select(1) == 1 and queue(2) == 2 and turtle(3) == 3",
    ),
    "much printing": ("def f():\n    for n in range(30): print('x' * 1000)\n    return 1", "assert f() == 1"),
    "the block that only a main program runs": (
        r"""
            def f(): return 1
            if __name__ == '__main__':
                raise SystemExit(input())
        """,
        "assert f() == 1",
    ),
    "dataclasses": (
        r"""
            from __future__ import annotations
            import dataclasses
            @dataclasses.dataclass
            class P:
                x: int
                y: int = 0
            def f(p): return p.x + p.y
        """,
        r"""
            assert f(P(1, y=2)) == 3
            assert P(1).y == 0
            assert repr(P(1)) == 'P(x=1, y=0)'
        """,
    ),
    "threads of the program": (
        r"""
            from concurrent.futures import ThreadPoolExecutor
            def f(g, items):
                with ThreadPoolExecutor(2) as pool: return list(pool.map(g, items))
        """,
        "assert f(lambda x: x + 1, [1, 2, 3]) == [2, 3, 4]",
    ),
}

FAILING = {
    "a wrong value": (
        "def f(): return 2",
        r"""
            x = 3
            assert f() == x
        """,
        "line 2: assert f() == x: the left side is 2, the right side 3",
    ),
    "a wrong condition": ("def f(): return ''", "assert f()", "line 1: assert f(): it does not hold"),
    "with a message": (
        "def f(): return 2",
        "assert f() == 3, 'two'",
        "line 1: assert f() == 3, 'two': AssertionError: two",
    ),
    "an exception": (
        "def f(): return 1 / 0",
        "assert f() == 3",
        "line 1: assert f() == 3: ZeroDivisionError: division by zero",
    ),
    "in a function": (
        "def f(x): return x",
        r"""
            def check(candidate):
                assert candidate(1) == 1
                assert candidate(2) == 3
            check(f)
        """,
        "line 3: assert candidate(2) == 3: the left side is 2, the right side 3",
    ),
    "a missing name": (
        "def g(): return 2",
        "assert f() == 3",
        "line 1: assert f() == 3: the program does not define f",
    ),
    "a program that does not load": (
        "import nothing_like_it",
        "assert f()",
        "the program failed before the test began: ModuleNotFoundError",
    ),
    "an object in place of a value": (
        r"""
            class P:
                def __eq__(self, other): return True
            def f(): return P()
        """,
        "assert f() == f()",
        "an object of the program's (P), which is equal to nothing but itself",
    ),
    "a unittest case": (
        "def f(): return 2",
        r"""
            import unittest
            class C(unittest.TestCase):
                def test_f(self): self.assertEqual(f(), 3)
        """,
        "AssertionError: 2 != 3",
    ),
    "a skipped case": (
        "def f(): return 2",
        r"""
            import unittest
            class C(unittest.TestCase):
                def test_f(self):
                    f()
                    self.skipTest('no time')
        """,
        "skipped, which is not passed: no time",
    ),
    "the second function": (
        "def f(): return 2",
        r"""
            def test_a(): assert f() == 2
            def test_b(): assert f() == 3
        """,
        "line 2: def test_b(): assert f() == 3: the left side is 2, the right side 3",
    ),
}

SAYS_NOTHING = {
    "no Python": ("def f(): return 1", "assert f() ==", "the test itself does not compile"),
    "support that is no Python": ("def f(): return 1", "assert f() == 1", "the test itself does not compile"),
    "nothing of the program used": ("def f(): return 1", "assert 1 == 1", "the test never used the program"),
    "nothing called": (
        "def f(): return 1",
        "def check(candidate): assert candidate() == 2",
        "the test never used the program",
    ),
    "broken before it began": (
        "def f(): return 1",
        r"""
        raise ValueError('mine')
        f()
    """,
        "ValueError: mine",
    ),
    "empty": ("def f(): return 1", "", "the test never used the program"),
}


for cases in (PASSING, FAILING, SAYS_NOTHING):
    cases.update({name: tuple(dedent(part).strip("\n") for part in parts) for name, parts in cases.items()})


@pytest.mark.parametrize("name", PASSING)
async def test_it_passes(sandbox: Sandbox, name: str) -> None:
    program, test = PASSING[name]
    verdict = await check(sandbox, program, test, limits=TIGHT)
    assert verdict.passed, verdict.detail
    assert verdict.judged
    assert verdict.detail == ""
    assert verdict.outcome.status == "ok"


@pytest.mark.parametrize("name", FAILING)
async def test_it_fails_and_says_where(sandbox: Sandbox, name: str) -> None:
    program, test, detail = FAILING[name]
    verdict = await check(sandbox, program, test, limits=TIGHT)
    assert not verdict.passed
    assert verdict.judged
    assert detail in verdict.detail


@pytest.mark.parametrize("name", SAYS_NOTHING)
async def test_a_test_that_says_nothing_about_the_program(sandbox: Sandbox, name: str) -> None:
    program, test, detail = SAYS_NOTHING[name]
    support = "def (" if "support" in name else ""
    verdict = await check(sandbox, program, test, support=support, limits=TIGHT)
    assert not verdict.passed
    assert not verdict.judged
    assert detail in verdict.detail


def test_a_built_in_name_is_the_programs_only_if_it_is_named(sandbox: Sandbox) -> None:
    program, test = "def sum(a, b): return a + b", "assert sum(1, 2) == 3"
    assert not check_sync(sandbox, program, test, limits=TIGHT).passed
    assert check_sync(sandbox, program, test, names=["sum"], limits=TIGHT).passed


def test_support_is_not_the_programs_but_for_what_is_named(sandbox: Sandbox) -> None:
    task = dedent(r"""
        def helper(x):
            return x + 1

        def f(x):
            '''Adds two.'''
    """)
    test = "assert f(1) == helper(helper(1))"
    honest = task + "    return helper(helper(x))\n"
    hostile = dedent(r"""
        def helper(x): return 0
        def f(x): return 0
    """)
    assert check_sync(sandbox, honest, test, names=["f"], support=task, limits=TIGHT).passed
    assert not check_sync(sandbox, hostile, test, names=["f"], support=task, limits=TIGHT).passed
    unnamed = check_sync(sandbox, honest, test, support=task, limits=TIGHT)
    assert not unnamed.passed
    assert not unnamed.judged


def test_a_named_function_has_to_be_there(sandbox: Sandbox) -> None:
    verdict = check_sync(
        sandbox, "def g(): pass", "assert f()", names=["f"], support="def f(): return 1", limits=TIGHT
    )
    assert not verdict.passed
    assert verdict.judged
    assert verdict.detail == "the program does not define f"


@pytest.mark.parametrize("names", ["f", ["not a name"], ["f", ""]])
def test_names_have_to_be_names(sandbox: Sandbox, names: list[str]) -> None:
    with pytest.raises(ValueError, match="names has to be a list of Python names"):
        check_sync(sandbox, "", "", names=names)


def test_a_test_that_never_ends_is_stopped(sandbox: Sandbox) -> None:
    limits = Limits(wall_seconds=10, cpu_seconds=0.5, memory_mb=160)
    verdict = check_sync(sandbox, "def f(): return 1", "while f(): pass", limits=limits)
    assert not verdict.passed
    assert verdict.judged
    assert "computed for more than 0.5 seconds" in verdict.detail


def test_a_test_may_be_as_hostile_as_a_program(sandbox: Sandbox) -> None:
    """Tests come from models, too: theirs is the verdict, and nothing else."""
    hostile = dedent(r"""
        f()
        import os, socket
        assert os.getuid() != 0
        open('/written', 'w')
    """)
    verdict = check_sync(sandbox, "def f(): return 1", hostile, limits=TIGHT)
    assert not verdict.passed
    assert "OSError" in verdict.detail or "PermissionError" in verdict.detail


def test_the_same_program_and_test_give_the_same_verdict(sandbox: Sandbox) -> None:
    """The order in a set depends on the hash seed, which is fixed."""
    program, test = "def f(): return list({'a', 'b', 'c', 'd'})", "assert f() == list({'a', 'b', 'c', 'd'})"
    assert all(check_sync(sandbox, program, test, limits=TIGHT).passed for _ in range(3))


def test_numbers_of_a_library_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    sandbox = Sandbox(packages=[Path(numpy.__file__).parents[1]])
    program = dedent(r"""
        import numpy
        def f(): return [numpy.float64(1.5), numpy.int32(2), numpy.bool_(True)]
        def g(): return numpy.arange(3)
    """)
    test = dedent(r"""
        assert f() == [1.5, 2, True]
        assert list(g()) == [0, 1, 2] and len(g()) == 3 and g().sum() == 3
    """)
    verdict = check_sync(sandbox, program, test)
    assert verdict.passed, verdict.detail
