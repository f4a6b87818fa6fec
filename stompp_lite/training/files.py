"""Files written whole or not at all, by one writer at a time.

A file is written under a name of its own beside its place, flushed to the disk, and then moved
there, so a process that dies half-way leaves the previous file as it was. Links are followed.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from stompp_lite.errors import CheckpointError

_HOST = re.sub(r"\W+", "_", socket.gethostname()) or "host"
_MARK = ".stompp-"  # in the names of our own temporary files, and of no others


def _unwritable(path: Path, err: OSError) -> CheckpointError:
    return CheckpointError(
        f"cannot write {path}: {err.strerror or err}; choose a folder you may write to"
    )


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}{_MARK}{_HOST}-{os.getpid()}-{secrets.token_hex(4)}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _remove_leftovers(path: Path) -> None:
    """Half-written files of processes of this machine that are gone."""
    pattern = re.compile(re.escape(f".{path.name}{_MARK}{_HOST}-") + r"(\d+)-[0-9a-f]{8}")
    for other in path.parent.glob(f".*{_MARK}*"):
        found = pattern.fullmatch(other.name)
        if found and not _is_alive(int(found[1])):
            with suppress(OSError):
                other.unlink()


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a whole file or nothing.

    Raises:
        CheckpointError: the folder cannot be written to.
    """
    path = Path(path).resolve()  # a link stays a link
    partial = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        with partial.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            partial.chmod(path.stat().st_mode & 0o777)
        partial.replace(path)
    except OSError as err:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise _unwritable(path, err) from err


def check_writable(path: str | Path) -> None:
    """Find out *before* hours of work whether a file can be written there.

    Raises:
        CheckpointError: it cannot, or the path is a folder.
    """
    path = Path(path).resolve()
    if path.is_dir():
        raise CheckpointError(f"{str(path)!r} is a folder; name a file in it")
    probe = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as err:
        raise _unwritable(path, err) from err


@contextmanager
def only_writer(path: str | Path) -> Iterator[None]:
    """Hold a lock beside ``path``; it goes with the process, however that ends.

    Raises:
        CheckpointError: somebody else holds it.
    """
    path = Path(path).resolve()
    check_writable(path)
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CheckpointError(
            f"another run is using {path} as its checkpoint; wait until it has ended, or name "
            "another file"
        ) from None
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        lock.release()
