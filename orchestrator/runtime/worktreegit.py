"""Git, as mode worktree uses it: a bare repository of the run's own, worked on by plumbing.

Nothing here looks at the user's repository or settings, runs hooks, filters or programs that
settings name, or leaves a process behind.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import time
from typing import IO

from orchestrator.errors import RunStopped, UsageError

OLDEST = (2, 38)
"""The first version of git whose `merge-tree` makes trees."""

Change = tuple[str, bytes | None, bool]
"""A path, what the file holds (None: it is deleted), and whether it is executable."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What came of a merge.

    Attributes:
        tree: the merged tree; files with conflicts hold both sides between markers.
        conflicts: the files that git could not merge.
        told: what git says about them, a line each.
    """

    tree: str
    conflicts: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


class Repository:
    """A bare repository. Used by several threads at once.

    Args:
        path: its directory.
        on_failure: told when git fails, before the error is raised: it is no failure of the
            attempt in which it happens.
    """

    def __init__(
        self, path: Path, on_failure: Callable[[RunStopped], object] = lambda error: None
    ) -> None:
        self.path, self._on_failure = path, on_failure

    def prepare(self) -> None:
        """Make the repository, unless it is there.

        Raises:
            UsageError: git is missing or too old.
            RunStopped: it cannot be made.
        """
        _check_git()
        self.path.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare", "--template=", "--initial-branch=trunk")

    def commit_of(self, ref: str) -> str:
        """Return the commit that a reference names; "" when there is none."""
        name = ("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return self._git(*name, codes=(0, 1)).decode().strip()

    def point(self, ref: str, commit: str) -> None:
        """Let a reference name a commit."""
        self._git("update-ref", ref, commit)

    def commit(
        self,
        ref: str,
        who: str,
        message: str,
        changes: Iterable[Change],
        parents: Sequence[str] = (),
    ) -> str:
        """Commit changes of the first parent, let `ref` name the commit, and return it."""
        # From a file: git reads as it writes, and a tree of 50,000 files is not held in memory.
        with tempfile.TemporaryFile(dir=self.path) as stream:
            stream.write(f"commit {ref}\nmark :1\ncommitter {_person(who)}\n".encode())
            _put_data(stream, message.encode(errors="replace"))
            for word, parent in zip(("from", *["merge"] * len(parents)), parents, strict=False):
                stream.write(f"{word} {parent}\n".encode())
            for path, data, executable in changes:
                if data is None:
                    stream.write(f"D {_quoted(path)}\n".encode())
                    continue
                mode = "100755" if executable else "100644"
                stream.write(f"M {mode} inline {_quoted(path)}\n".encode())
                _put_data(stream, data)
            stream.write(b"\nget-mark :1\n")
            stream.seek(0)
            words = ("fast-import", "--quiet", "--force", "--cat-blob-fd=1")
            return self._git(*words, given=stream).decode().strip()

    def commit_tree(self, who: str, message: str, tree: str, parents: Sequence[str]) -> str:
        """Commit a whole tree and return the commit."""
        words = [word for parent in parents for word in ("-p", parent)]
        given = message.encode(errors="replace")
        return self._git("commit-tree", tree, *words, who=who, given=given).decode().strip()

    def merge(self, ours: str, theirs: str) -> Merge:
        """Merge two commits, without a working tree. Their names stand in conflict markers."""
        words = ("merge-tree", "--write-tree", "-z", "--messages", ours, theirs)
        text = self._git(*words, codes=(0, 1))
        return _read_merge(os.fsdecode(text))

    def differences(self, before: str, after: str) -> dict[str, str | None]:
        """Return what changes from one tree or commit to another: path to blob; None: deleted."""
        text = os.fsdecode(self._git("diff-tree", "-r", "-z", "--no-renames", before, after))
        fields = iter(text.split("\0"))
        found: dict[str, str | None] = {}
        for head in fields:
            if head:
                blob, how = head.split()[3:5]
                found[next(fields)] = None if how == "D" else blob
        return found

    def contents(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """Return what blobs hold."""
        wanted = list(dict.fromkeys(blobs))
        if not wanted:
            return {}
        data = self._git("cat-file", "--batch", given="".join(f"{b}\n" for b in wanted).encode())
        found, at = {}, 0
        for blob in wanted:
            end = data.index(b"\n", at)
            size = int(data[at:end].split()[2])
            found[blob] = data[end + 1 : end + 1 + size]
            at = end + size + 2
        return found

    def _git(
        self,
        *words: str,
        who: str = "",
        given: bytes | IO[bytes] = b"",
        codes: Iterable[int] = (0,),
    ) -> bytes:
        words = ("git", *words)
        environment = _environment(self.path, who)
        try:
            if isinstance(given, bytes):
                done = subprocess.run(
                    words, cwd=self.path, env=environment, capture_output=True, input=given,
                    check=False,
                )  # fmt: skip
            else:
                done = subprocess.run(
                    words, cwd=self.path, env=environment, capture_output=True, stdin=given,
                    check=False,
                )  # fmt: skip
        except OSError as error:
            raise self._stopped(words[1], str(error)) from error
        if done.returncode not in codes:
            raise self._stopped(words[1], os.fsdecode(done.stderr))
        return done.stdout

    def _stopped(self, command: str, why: str) -> RunStopped:
        failure = RunStopped(
            f"git {command} failed in the run's own repository",
            str(self.path),
            why.strip(),
            "free some space, or make the run's folder writable; then resume the run",
        )
        self._on_failure(failure)
        return failure


def _environment(path: Path, who: str = "") -> dict[str, str]:
    """Return the environment of a git command: nothing of the user's but where programs are."""
    name, email = _identity(who)
    found = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(path),
        "GIT_DIR": str(path),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    for role in ("AUTHOR", "COMMITTER"):
        found |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": email}
    return found


def _person(who: str) -> str:
    """Return an author as git writes one, with the time of now."""
    name, email = _identity(who)
    return f"{name} <{email}> {int(time())} +0000"


def _identity(who: str) -> tuple[str, str]:
    name = re.sub(r"[^\w.-]+", "-", who) or "orchestrator"
    return name, f"{name}@orchestrator.invalid"


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _put_data(stream: IO[bytes], data: bytes) -> None:
    stream.write(b"data %d\n" % len(data))
    stream.write(data)
    stream.write(b"\n")


def _read_merge(text: str) -> Merge:
    """Read what `merge-tree -z` printed: tree, conflicting entries, an empty field, messages."""
    tree, *fields = text.split("\0")
    rest = iter(fields)
    conflicts: dict[str, None] = {}
    for entry in rest:
        if not entry:
            break
        conflicts[entry.partition("\t")[2]] = None
    told = []
    for count in rest:
        if not count:
            break
        for _ in range(int(count)):
            next(rest)
        kind, message = next(rest), next(rest)
        if kind.startswith("CONFLICT"):
            told.append(message.strip())
    return Merge(tree, tuple(conflicts), tuple(told))


@cache
def _check_git() -> None:
    found = re.search(r"(\d+)\.(\d+)", _git_version())
    version = tuple(map(int, found.groups())) if found else (0, 0)
    if version < OLDEST:
        least = ".".join(map(str, OLDEST))
        raise UsageError(
            "mode worktree cannot be used here",
            "git",
            f"it needs git {least} or later; {_git_version() or 'there is none'}",
            f"install git {least}, or use another mode",
        )


def _git_version() -> str:
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, check=False)
    except OSError:
        return ""
    return os.fsdecode(done.stdout).strip()
