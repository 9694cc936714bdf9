"""The filter for system calls, run on paper: what the kernel would do with each call."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from archon_graph.sandbox.namespaces import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
X86, ARM = "x86_64", "aarch64"
AUDIT = {X86: 0xC000003E, ARM: 0xC00000B7}
COLUMN = {X86: 0, ARM: 1}


def fate(machine: str, number: int, argument: int = 0, audit: int | None = None) -> int:
    """What the filter says to a call: an interpreter for the few instructions that it is made of."""
    data = struct.pack("<IIQQ", number, AUDIT[machine] if audit is None else audit, 0, argument)
    code = seccomp.build(machine)
    lines = [struct.unpack_from("<HBBI", code, at) for at in range(0, len(code), 8)]
    at = held = 0
    while True:
        operation, if_true, if_false, value = lines[at]
        at += 1
        if operation == 0x20:
            held = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x06:
            return value
        else:
            true = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[operation]
            at += if_true if true else if_false


@pytest.mark.parametrize("machine", [X86, ARM])
def test_every_call_has_the_fate_that_it_should_have(machine: str) -> None:
    refused = {numbers[COLUMN[machine]]: name for name, numbers in seccomp._REFUSED.items()}
    special = {seccomp._CLONE3, seccomp._SOCKET[COLUMN[machine]]}
    for number in range(600):
        if number in refused:
            assert fate(machine, number) == 0x50001, refused[number]
        elif number not in special:
            assert fate(machine, number) == ALLOW, number
    assert fate(machine, seccomp._CLONE3) == 0x50000 | 38


@pytest.mark.parametrize("machine", [X86, ARM])
def test_calls_that_depend_on_what_they_are_given(machine: str) -> None:
    socket, clone = seccomp._SOCKET[COLUMN[machine]], seccomp._CLONE[COLUMN[machine]]
    assert [fate(machine, socket, family) for family in (1, 2, 10, 16, 40)] == [ALLOW] + [0x50000 | 97] * 4
    assert fate(machine, clone, 0x11) == ALLOW
    assert fate(machine, clone, 0x3D0F00) == ALLOW  # a thread
    for namespace in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert fate(machine, clone, 0x11 | namespace) == 0x50001


def test_calls_by_another_table_end_the_program() -> None:
    for machine, other in ((X86, ARM), (ARM, X86), (X86, None)):
        assert fate(machine, 1, audit=AUDIT[other] if other else 0x40000003) == KILL
    assert fate(X86, 0x40000000 + 1) == KILL


@pytest.mark.parametrize(
    ("machine", "header"),
    [(X86, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), (ARM, "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_those_of_the_kernel(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("the kernel's headers are not installed")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text()))
    ours = seccomp._REFUSED | {"socket": seccomp._SOCKET, "clone": seccomp._CLONE}
    for name, numbers in ours.items():
        number = numbers[COLUMN[machine]]
        assert number is None or found.get(name, str(number)) == str(number), name
    assert len(set(ours) & set(found)) > 50
