"""Builds the inside of a sandbox around itself and starts the program in it. Runs as a process of its own.

    launcher        in new namespaces; mounts, waits, and ends everything when the host lets go of the lifeline
    └── init        process 1 in there: whoever is orphaned becomes its child; when it ends, the kernel ends all
        └── program a foreign user without privileges, behind the filter

The launcher writes one line of JSON on the status pipe if it fails: ``{"failed": "..."}``. The init writes how the
program ended: ``{"exit": 1}`` or ``{"signal": 9}``. The launcher ends only when no process is left inside.
"""

from __future__ import annotations

import binascii
import contextlib
import json
import math
import os
import resource
import select
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from archon_graph.sandbox.namespaces import kernel, seccomp

_INSIDE = 1000  # user and group of the program, as it sees itself
_NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
_SCRATCH = "/scratch"
_DEVICES = ("null", "zero", "full", "random", "urandom")
_MEGABYTE = 1024 * 1024
_INODES = 8192
_OPEN_FILES = 128
_STACK = 8 * _MEGABYTE


def main(job_file: int, lifeline: int, status: int) -> NoReturn:
    """Run the job that is written in ``job_file``, a file descriptor like the other two."""
    try:
        with os.fdopen(job_file, encoding="utf-8") as file:
            job = json.load(file)
        _enter_namespaces()
        _build_root(job)
        init = os.fork()
        if init == 0:
            os.close(lifeline)
            _be_init(job, status)
        _let_go_of_streams()
        ended = os.pidfd_open(init)
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(lifeline, select.POLLIN)  # end of file: the host closed it, or is dead
        poll.poll()
        os.kill(init, signal.SIGKILL)
        # Comes back when the kernel has ended and forgotten every process inside.
        os.waitpid(init, 0)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the host has to hear of it
        _tell(status, {"failed": f"{type(error).__name__}: {error}"})
        os._exit(1)
    os._exit(0)


def _tell(status: int, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(status, json.dumps(message).encode() + b"\n")


def _enter_namespaces() -> None:
    """Take new namespaces. As root, take in a user that owns nothing besides; else only the caller's own."""
    user, group = os.geteuid(), os.getegid()
    unused = [_unused(kind) for kind in ("uid", "gid")] if user == 0 else [None, None]
    if None not in unused:
        # Only a process outside may let in more than one user.
        ready, go = os.pipe()
        launcher = os.getpid()
        mapper = os.fork()
        if mapper == 0:
            _map_from_outside(launcher, ready, go, unused)
        os.close(ready)
        kernel.unshare(_NAMESPACES)
        os.write(go, b"!")
        os.close(go)
        if os.waitpid(mapper, 0)[1] == 0:
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            return
    else:
        kernel.unshare(_NAMESPACES)
    kernel.write("/proc/self/setgroups", "deny")
    kernel.write("/proc/self/uid_map", f"{_INSIDE} {user} 1")
    kernel.write("/proc/self/gid_map", f"{_INSIDE} {group} 1")


def _map_from_outside(launcher: int, ready: int, go: int, unused: Iterable[int | None]) -> NoReturn:
    """Map root to root, to set up, and the program's user to an unused one; exit with 0 if the kernel let us."""
    try:
        os.close(go)
        if os.read(ready, 1):
            for kind, number in zip(("uid", "gid"), unused, strict=True):
                kernel.write(f"/proc/{launcher}/{kind}_map", f"0 0 1\n{_INSIDE} {number} 1")
            os._exit(0)
    except OSError:
        pass
    os._exit(1)


def _unused(kind: str) -> int | None:
    """A user or group number that no account has; ``None`` where there is but one number."""
    first, _, count = map(int, Path(f"/proc/self/{kind}_map").read_text().splitlines()[-1].split())
    top = first + count - 8  # the last ones tend to have a meaning: nobody, or -1
    return min(2_000_000_000, top) if top > _INSIDE else None


def _build_root(job: dict[str, Any]) -> None:
    """Make a root of nothing but what the program may see, and forget the old one."""
    kernel.set_host_name("sandbox")
    kernel.mount("", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    # Any folder will do: what it covers stays visible below the old root.
    kernel.mount("tmpfs", "/tmp", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=32m,mode=0755")  # noqa: S108
    os.chdir("/tmp")  # noqa: S108
    Path("old").mkdir(0o700)
    kernel.pivot_root(".", "old")
    os.chdir("/")

    for link, target in job["links"]:
        Path(link).symlink_to(target)
    for path in (*job["shown"], *job["packages"]):
        _show(path)
    for path in job["hidden"]:
        kernel.mount("tmpfs", path, "tmpfs", kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV, "size=4k")
    Path("/dev").mkdir(0o755)
    for name in _DEVICES:
        _show(f"/dev/{name}", devices=True)

    Path(_SCRATCH).mkdir(0o755)
    size = job["limits"]["scratch_mb"]
    options = f"size={size}m,nr_inodes={_INODES},mode=0700,uid={_INSIDE},gid={_INSIDE}"
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("tmpfs", _SCRATCH, "tmpfs", flags, options)
    Path("/dev/shm").symlink_to(_SCRATCH)  # noqa: S108 - semaphores of multiprocessing
    with contextlib.suppress(FileExistsError):
        Path("/tmp").symlink_to(_SCRATCH)  # noqa: S108 - else Python itself is installed below it
    _write(Path("/boot"), job["boot"])
    _write(Path(_SCRATCH), job["scratch"], owner=_INSIDE)
    _write(Path("/etc"), {"passwd": binascii.b2a_base64(b"sandbox:x:1000:1000::/scratch:/\n").decode()})

    kernel.detach("/old")
    Path("/old").rmdir()
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("", "/", flags=flags)


def _show(path: str, *, devices: bool = False) -> None:
    """Show a file or folder of the old root at its own place."""
    old, here = Path("/old" + path), Path(path)
    here.parent.mkdir(parents=True, exist_ok=True)
    if old.is_dir():
        here.mkdir(exist_ok=True)
    else:
        here.touch()
    kernel.bind_read_only(str(old), path, devices=devices)


def _write(folder: Path, files: dict[str, str], owner: int | None = None) -> None:
    """Write the files, base64 by relative path, and give them and the folders made for them to the owner."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(binascii.a2b_base64(content))
        if owner is not None:
            for made in (path, *path.relative_to(folder).parents):
                os.chown(folder / made, owner, owner)


def _let_go_of_streams() -> None:
    """Leave the program the only one that holds its streams, so that their end is seen."""
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


def _be_init(job: dict[str, Any], status: int) -> NoReturn:
    """Start the program, collect whoever dies, and end with the program."""
    try:
        kernel.die_with_parent()
        kernel.hide_memory()
        program = os.fork()
        if program == 0:
            _be_program(job, status)
        _let_go_of_streams()
        while True:
            ended, how = os.wait()
            if ended == program:
                break
        code = os.waitstatus_to_exitcode(how)
        _tell(status, {"exit": code} if code >= 0 else {"signal": -code})
    except BaseException as error:  # noqa: BLE001
        _tell(status, {"failed": f"{type(error).__name__}: {error}"})
    os._exit(0)


def _be_program(job: dict[str, Any], status: int) -> NoReturn:
    """Give up everything, and become the program."""
    try:
        os.set_inheritable(status, False)  # noqa: FBT003
        os.setsid()
        _set_limits(job["limits"])
        kernel.drop_capability_bounds()
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(_INSIDE, _INSIDE, _INSIDE)
            os.setresuid(_INSIDE, _INSIDE, _INSIDE)
        kernel.no_new_privileges()
        seccomp.install()
        os.umask(0o077)
        os.chdir(_SCRATCH)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # Python ignores them, and that would be inherited
        os.execve(job["argv"][0], job["argv"], job["environment"])  # noqa: S606
    except BaseException as error:  # noqa: BLE001
        _tell(status, {"failed": f"{type(error).__name__}: {error}"})
        os._exit(1)


def _set_limits(limits: dict[str, Any]) -> None:
    cpu = math.ceil(limits["cpu_seconds"]) + 1  # the host looks more closely, at all processes together
    most = {
        resource.RLIMIT_AS: limits["memory_mb"] * _MEGABYTE,
        # Init and launcher count with the program where all three are the same user.
        resource.RLIMIT_NPROC: limits["processes"] + (0 if os.geteuid() == 0 else 2),
        resource.RLIMIT_FSIZE: limits["scratch_mb"] * _MEGABYTE,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_STACK: _STACK,
        # 1 and not 0: a handler that the kernel pipes core dumps to is started for 0.
        resource.RLIMIT_CORE: 1,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_NICE: 0,
        resource.RLIMIT_SIGPENDING: 64,
    }
    for kind, amount in most.items():
        _, hard = resource.getrlimit(kind)
        fits = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        resource.setrlimit(kind, (fits, fits))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
