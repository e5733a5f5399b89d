"""What files hold of accepted work alone, whoever is at work in them just now.

A reading of the events that keeps, for each version of a file, whose work it holds. The tree may
hold lines of attempts that still run (several edit a shared file at once) or that came to nothing
and were kept. What is committed must hold neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.core import events as e
from orchestrator.core.files import ABSENT, FIRST, OUTSIDE
from orchestrator.core.regions import Clash, merge

_UNDO = 0  # in place of a token: a version that only takes something back


class InseparableError(Exception):
    """A file's accepted lines cannot be told apart from those of unfinished attempts."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A task whose work was accepted.

    Attributes:
        paths: files that the accepted attempt wrote, in the order of its first writes.
    """

    task: str
    summary: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Version:
    """One content of a file.

    Attributes:
        token: lease that wrote it; `OUTSIDE`; or `_UNDO`.
        base: digest of what it was made from.
        parts: leases whose work it holds, those that were accepted before it perhaps left out.
    """

    digest: str | None
    token: int
    base: str | None
    parts: frozenset[int] = frozenset()


class AcceptedWork:
    """Follows the events of a run from its first.

    Args:
        start: path to digest of the files that were there when the run began.
        read: returns what a file held, given path and digest.
        keep: stores a content and returns its digest.
    """

    def __init__(
        self,
        start: Mapping[str, str],
        read: Callable[[str, str], bytes],
        keep: Callable[[bytes], str],
    ) -> None:
        self._start, self._read, self._keep = start, read, keep
        self._versions: dict[str, dict[int, _Version]] = {}
        self._accepted: set[int] = set()
        self._tokens: dict[tuple[str, int], int] = {}  # of attempts that have written
        self._paths: dict[int, dict[str, None]] = {}

    def take(self, event: e.Event) -> Accepted | None:
        """Take in an event; return what was accepted by it, if something was."""
        match event:
            case e.Wrote():
                self._wrote(event)
            case e.Undone():
                token = event.token or self._tokens.get((event.task, event.attempt), _UNDO)
                before = self._newest(event.path)
                self._add(event, _Version(event.digest, _UNDO, None, before.parts - {token}))
            case e.ChangedOutside():
                before = self._newest(event.path)
                self._add(event, _Version(event.digest, OUTSIDE, before.digest, before.parts))
            case e.Succeeded():
                self._accepted.add(event.token)
                paths = tuple(self._paths.pop(event.token, ()))
                return Accepted(event.task, event.summary, paths)
            case e.AttemptEnded():
                self._paths.pop(event.token, None)
            case _:
                pass
        return None

    def content(self, path: str) -> str | None:
        """Return the digest of what accepted work has made of a file; None: it is not there.

        That is the newest version with nothing unfinished in it, onto which the later steps of
        accepted attempts are replayed. What a person changed on disk meanwhile stays in.

        Raises:
            InseparableError: accepted lines were built on unfinished ones, or the file is no text.
            OrchestratorError: a content is lost.
        """
        versions = list(self._of(path).values())
        clean = max(i for i, version in enumerate(versions) if version.parts <= self._accepted)
        digest = versions[clean].digest
        for step in versions[clean + 1 :]:
            if step.token in self._accepted or step.token == OUTSIDE:
                digest = self._replayed(path, step, digest)
        return digest

    def _replayed(self, path: str, step: _Version, onto: str | None) -> str | None:
        if None in (step.base, step.digest, onto) or step.base == onto:
            return step.digest
        try:
            base, mine, theirs = (
                self._read(path, digest).decode() for digest in (step.base, onto, step.digest)
                if digest is not None
            )  # fmt: skip
        except UnicodeDecodeError as error:
            raise InseparableError from error
        merged = merge(base, mine, theirs)
        if isinstance(merged, Clash):
            raise InseparableError
        return self._keep(merged.encode())

    def _wrote(self, event: e.Wrote) -> None:
        base = self._of(event.path).get(event.base)
        parts = (base.parts if base else frozenset()) - self._accepted
        of = base.digest if base else None
        made = _Version(event.digest, event.token, of, parts | {event.token})
        self._add(event, made)
        self._tokens[event.task, event.attempt] = event.token
        self._paths.setdefault(event.token, {})[event.path] = None

    def _of(self, path: str) -> dict[int, _Version]:
        found = self._versions.get(path)
        if found is None:
            digest = self._start.get(path)
            number = ABSENT if digest is None else FIRST
            found = self._versions[path] = {number: _Version(digest, _UNDO, None)}
        return found

    def _newest(self, path: str) -> _Version:
        versions = self._of(path)
        return versions[next(reversed(versions))]

    def _add(self, event: e.Wrote | e.Undone | e.ChangedOutside, version: _Version) -> None:
        self._of(event.path)[event.number] = version
