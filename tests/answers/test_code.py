"""Programs found in what models write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.answers import code_blocks, defines, extract_code

ADD = "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Here it is:\n\n```python\n{ADD}```\nDone.", ADD),
        (f"```\n{ADD}```", ADD),
        (f"```py\n{ADD}", ADD),  # cut off before the fence closed
        (f"~~~python\n{ADD}~~~", ADD),
        (f"First\n```python\ndef add(a, b):\n    pass\n```\nbetter:\n```python\n{ADD}```", ADD),
        (f"```python\n{ADD}```\nUse it:\n```python\nprint(add(1, 2))\n```", ADD),
        (f"```python\n{ADD}```\nand\n```python\ndef other():\n    pass\n```", ADD),
        (f"```bash\npip install add\n```\n```python\n{ADD}```", ADD),
        ("1. So:\n   ```python\n   def add(a, b):\n       return a + b\n   ```", ADD),
        (f"````python\n{ADD}```\n````", f"{ADD}```\n"),
        (ADD, ADD),
        (f"Sure! This adds:\n\n{ADD}\nThat is all there is.", ADD),
        (f"import math\n\n{ADD}", f"import math\n\n{ADD}"),
        ("```python\n    return a + b\n```", "    return a + b\n"),
        ("    return a + b\n", "    return a + b\n"),
        ("\treturn a + b", "\treturn a + b"),
        ("I cannot do that.", None),
        ("", None),
        ("``` ```", None),
        ("```python\n```", None),
    ],
)
def test_the_program_in_a_text(text: str, expected: str | None):
    """The right block of several, whole, with its own indentation."""
    assert extract_code(text, "add") == expected


def test_without_a_name_the_last_block_that_defines_something():
    text = f"```python\n{ADD}```\n```python\nprint(add(1, 2))\n```"
    assert extract_code(text) == ADD
    assert extract_code("```python\nx = 1\n```\n```python\ny = 2\n```") == "y = 2\n"
    assert extract_code("```js\nlet x\n```") == "let x\n"


@pytest.mark.parametrize(
    ("code", "name", "found"),
    [
        (ADD, "add", True),
        (ADD, "ad", False),
        ("async def add(): ...", "add", True),
        ("class add:\n    pass", "add", True),
        ("add = lambda a, b: a + b", "add", True),
        ("add: object = max", "add", True),
        ("add == 1", "add", False),
        ("    def add(): ...", "add", False),
        ("# def add():", "add", False),
    ],
)
def test_what_code_defines(code: str, name: str, found: bool):
    """At its top level only."""
    assert defines(code, name) is found


def test_blocks_know_their_language():
    assert [block.language for block in code_blocks("```Python title=x\na\n```\n```\nb\n```")] == ["python", ""]


@given(st.text(max_size=300), st.text(max_size=10))
def test_no_text_can_crash(text: str, name: str):
    """The outcome is a text or nothing."""
    code = extract_code(text, name)
    assert code is None or code.strip()


@given(
    st.lists(
        st.text(st.characters(exclude_characters="`~\r\n"), max_size=20),
        min_size=1,
        max_size=5,
    )
)
def test_what_stands_between_fences_is_kept(lines: list[str]):
    """To the last blank."""
    (block,) = code_blocks("```\n" + "\n".join(lines) + "\n```")
    assert block.code == "\n".join(lines) + "\n"


def test_takes_linear_time():
    """A hundred thousand hostile characters."""
    for unit in (
        "```\n",
        "def a",
        "def a():\n",
        "    x\n",
        "a: b",
        "a=b\n",
        "~~~",
        "`",
        "import a\n",
        " \t",
        "@a\n",
        "\n",
    ):
        extract_code(unit * (100_000 // len(unit)), "a")
