"""What a command uses while it runs: processes, and room on the disk.

Used by the launcher, outside the process of the run: a look costs the run nothing.
"""

from __future__ import annotations

import os
import time

_ROUTINE = 20  # a look at the disk may take one part in so many of the time
_ROUNDS = 200  # what is killed starts nothing more, so each round finds less
_KILL = 9
_STEP = 20_000_000  # ns that the clock of files may be behind
_LEAST = 4096  # bytes that a file counts at least: names take room too


def descendants(ancestor: int) -> list[int]:
    """Return the live processes that a process started, and those that they started."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (parent := _parent(name)) is not None:
            children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    unseen = [ancestor]
    while unseen:
        below = children.get(unseen.pop(), [])
        found += below
        unseen += below
    return found


def end_descendants(ancestor: int) -> None:
    """Kill all that a process started, until nothing of it is left."""
    for _ in range(_ROUNDS):
        left = descendants(ancestor)
        for process in left:
            try:
                os.kill(process, _KILL)
            except OSError:
                continue
        if not left:
            break


def room(folder: str, since: int) -> int:
    """Return the bytes that files beneath a folder take on the disk.

    Args:
        folder: where to look.
        since: leave out files that have not changed since, in ns.
    """
    total = 0
    unseen = [folder]
    while unseen:
        try:
            with os.scandir(unseen.pop()) as entries:
                for entry in entries:
                    info = entry.stat(follow_symlinks=False)
                    total += _size(info) if info.st_ctime_ns >= since else 0
                    if entry.is_dir(follow_symlinks=False):
                        unseen.append(entry.path)
        except OSError:  # it was removed, or made unreadable
            continue
    return total


def room_without_name(processes: list[int]) -> int:
    """Return the bytes of files that have been removed but that processes hold open."""
    found: dict[tuple[int, int], int] = {}
    for process in processes:
        try:
            numbers = os.listdir(f"/proc/{process}/fd")  # noqa: PTH208
        except OSError:
            continue
        for number in numbers:
            try:
                info = os.stat(f"/proc/{process}/fd/{number}")  # noqa: PTH116
            except OSError:
                continue
            if info.st_nlink == 0:
                found[info.st_dev, info.st_ino] = _size(info)
    return sum(found.values())


class Meter:
    """Says when a command has used more than it may.

    Looking at every file of a large copy takes long. So the disk is looked at when it has lost as
    much room as was left at the last look, and otherwise now and then.

    Args:
        copy: where it works; what it changes there counts.
        scratch: its temporary directory; all that is in it counts.
        disk: bytes that these may take together, None: any number.
        processes: processes that it may have; None: any number.
        alone: whether all processes in /proc are its own.
    """

    def __init__(
        self, copy: str, scratch: str, disk: int | None, processes: int | None, alone: bool
    ) -> None:
        self._copy, self._scratch, self._begun = copy, scratch, time.time_ns() - _STEP
        self._disk, self._limit, self._alone = disk, processes, alone
        self._free, self._left, self._next = self._free_room(), 0, 0.0

    def excess(self) -> str:
        """Say what it has used too much of; "" if nothing.

        Raises:
            OSError: the folders are gone.
        """
        processes = self._processes()
        if self._limit is not None and len(processes) >= self._limit:
            return f"it had {self._limit} processes at a time, which is the limit"
        if self._disk is not None and self._too_large(self._disk, processes):
            return f"its files took more than the {self._disk >> 20} MiB that they may take"
        return ""

    def _processes(self) -> list[int]:
        if not self._alone:
            return descendants(os.getpid())
        here = os.getpid()
        names = os.listdir("/proc")  # noqa: PTH208
        return [int(name) for name in names if name.isdigit() and int(name) != here]

    def _too_large(self, limit: int, processes: list[int]) -> bool:
        now, free = time.monotonic(), self._free_room()
        if now < self._next and self._free - free < self._left:
            return False
        taken = room(self._copy, self._begun) + room(self._scratch, 0)
        taken += room_without_name(processes)
        self._free, self._left = free, limit - taken
        self._next = now + _ROUTINE * (time.monotonic() - now)
        return taken > limit

    def _free_room(self) -> int:
        states = {state.f_fsid: state for state in map(os.statvfs, (self._copy, self._scratch))}
        return sum(s.f_bavail * s.f_frsize + s.f_favail * _LEAST for s in states.values())


def _size(info: os.stat_result) -> int:
    return max(_LEAST, info.st_blocks * 512)


def _parent(process: str) -> int | None:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return None
    return None if state in b"ZX" else int(parent)
