"""What commands said of the very same files, remembered.

The trials of an experiment run the same tests over the same files again and again: with offline
models most of an experiment's processor time goes there. A command that changes nothing and sees
nothing but its files says the same each time, so what it said can be kept by the content of all
files and the command (a constructive trace in the words of Mokhov, Mitchell and Peyton Jones,
"Build Systems à la Carte", 2018). How long it took cannot be kept: this is for runs in virtual
time, where that is set.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from orchestrator.models.base import Interrupt
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, Commands

_PASSED_OVER = frozenset({".git", ".orchestrator", "__pycache__", ".pytest_cache"})
"""Folders that no test looks at for its result."""

_OF_ITS_OWN = range(126)
"""Exit codes with which a command ends by itself. With the others shells say that it did not start
or was killed, perhaps for want of memory: the same files may say something else next time."""


class RememberedCommands:
    """Runs a command once over the same files.

    Args:
        commands: what runs it.
        blobs: where `commands` keeps output.
        folder: where results are kept; runs and processes may share it.
        beside: what else a command can see, such as what its sandbox leaves open.
    """

    def __init__(
        self, commands: Commands, blobs: BlobStore, folder: Path, beside: str = ""
    ) -> None:
        self._commands, self._blobs, self._folder = commands, blobs, folder
        self._beside = beside

    def run(
        self,
        command: str | Sequence[str],
        cwd: Path,
        *,
        timeout: float,
        tmp: Path | None = None,
        interrupt: Interrupt | None = None,
    ) -> CommandResult:
        """Return what the command said of these files before, or run it; see `Commands.run`."""
        files = digest_of(cwd)
        place = self._folder / _key(files, command, self._beside)
        known = self._recall(place)
        if known is not None:
            return known
        result = self._commands.run(command, cwd, timeout=timeout, tmp=tmp, interrupt=interrupt)
        ended = result.exit_code in _OF_ITS_OWN and not result.exceeded
        if ended and digest_of(cwd) == files:  # what changes files does more than to say something
            self._keep(place, result)
        return result

    def _recall(self, place: Path) -> CommandResult | None:
        try:
            said = json.loads(place.read_bytes())
        except (OSError, ValueError):  # not there, or cut short when the machine went down
            return None
        digest = self._blobs.put(base64.b64decode(said.pop("whole")))
        return CommandResult(digest=digest, seconds=0.0, **said)

    def _keep(self, place: Path, result: CommandResult) -> None:
        with suppress(OSError):  # a full disk: the next one runs it again, and that is all
            self._write(place, result)

    def _write(self, place: Path, result: CommandResult) -> None:
        whole = base64.b64encode(self._blobs.get(result.digest)).decode()
        said = {"exit_code": result.exit_code, "output": result.output, "cut": result.cut}
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._folder, delete=False) as file:
            json.dump({**said, "whole": whole}, file)
        Path(file.name).replace(place)  # whole, or not at all


def digest_of(folder: Path) -> str:
    """Return a digest of all files of a folder, caches left out: names, modes, contents."""
    made = sha256()
    for name, kind, content in _entries(folder):
        made.update(f"{name}\0{kind}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        made.update(content)
    return made.hexdigest()


def _entries(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = sorted({*folders} - {*links} - _PASSED_OVER)
        for name in sorted((*names, *links)):
            path = Path(place, name)
            inside = path.relative_to(folder).as_posix()
            if path.is_symlink():
                yield inside, "link", os.fsencode(path.readlink())
            elif path.is_file():
                executable = "x" if path.stat().st_mode & 0o100 else ""
                yield inside, f"file{executable}", path.read_bytes()


def _key(files: str, command: str | Sequence[str], beside: str) -> str:
    said = command if isinstance(command, str) else list(command)
    parts = [files, said, beside, sys.version, _installed()]
    return sha256(json.dumps(parts).encode()).hexdigest()


@cache
def _installed() -> list[str]:
    """Return the packages that this interpreter finds, with their versions."""
    places = [Path(place) for place in sys.path if place]
    return sorted(entry.name for place in places for entry in place.glob("*.dist-info"))
