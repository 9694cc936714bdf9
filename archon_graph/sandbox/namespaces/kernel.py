"""The system calls that Python has no words for, by ctypes. Linux 5.14 or newer, 64 bits."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
_MNT_DETACH = 0x2
_UMOUNT_NOFOLLOW = 0x8

_ATTR_RDONLY = 0x1
_ATTR_NOSUID = 0x2
_ATTR_NODEV = 0x4
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38

# These have no wrapper in the C library, or none in old ones. mount_setattr has one number everywhere.
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def unshare(flags: int) -> None:
    """Leave the namespaces that ``flags`` name for new ones."""
    _ok(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or with ``MS_BIND`` a file or folder a second time."""
    done = _libc.mount(_text(source), _text(target), _text(kind), ctypes.c_ulong(flags), _text(options))
    _ok(done, f"mount {kind or source} on {target}")


def bind_read_only(source: str, target: str, *, devices: bool = False) -> None:
    """Show ``source`` at ``target`` as well, with all that is mounted in it, unchangeable."""
    mount(source, target, flags=MS_BIND | MS_REC)
    attributes = _ATTR_RDONLY | _ATTR_NOSUID | (0 if devices else _ATTR_NODEV)
    request = _MountAttr(attr_set=attributes)
    done = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        _text(target),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(request),
        ctypes.c_size_t(ctypes.sizeof(request)),
    )
    _ok(done, f"make {target} read-only")


def pivot_root(new: str, old: str) -> None:
    """Make ``new`` the root, and put the root so far at ``old``."""
    number = _PIVOT_ROOT[os.uname().machine]
    _ok(_libc.syscall(ctypes.c_long(number), _text(new), _text(old)), f"pivot_root to {new}")


def detach(target: str) -> None:
    """Take what is mounted on ``target`` out of sight for good."""
    _ok(_libc.umount2(_text(target), ctypes.c_int(_MNT_DETACH | _UMOUNT_NOFOLLOW)), f"umount {target}")


def set_host_name(name: str) -> None:
    """Name the machine, in a UTS namespace of our own."""
    _ok(_libc.sethostname(_text(name), ctypes.c_size_t(len(name))), "sethostname")


def die_with_parent() -> None:
    """Get SIGKILL when the parent ends. Forgotten by the kernel when the user id changes."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def hide_memory() -> None:
    """Keep processes of the same user from looking into this one."""
    _prctl(_PR_SET_DUMPABLE, 0)


def drop_capability_bounds() -> None:
    """Give up for good what an ``exec`` could bring back."""
    for capability in range(64):
        if _libc.prctl(ctypes.c_int(_PR_CAPBSET_READ), ctypes.c_ulong(capability), 0, 0, 0) < 0:
            return  # the first number without a capability
        _prctl(_PR_CAPBSET_DROP, capability)


def no_new_privileges() -> None:
    """Make set-user-id bits and file capabilities mean nothing, for this process and all it starts."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    _ok(
        _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3),
        f"prctl {option}",
    )


def write(path: str, text: str) -> None:
    """Write a file of the kernel's in one piece, as it wants it."""
    with Path(path).open("wb", buffering=0) as file:
        file.write(text.encode())


def _text(text: str) -> ctypes.c_char_p:
    return ctypes.c_char_p(os.fsencode(text))


def _ok(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
