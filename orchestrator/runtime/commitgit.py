"""Git, as commits in the user's own repository need it: plumbing that leaves everything else.

Nothing is read from the working directory but git's own settings and attributes. No hook runs,
nothing is staged that was not committed here, a branch is moved only from the commit that the new
one was built on, and the index is changed under git's own lock.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

FALLBACK = {"NAME": "orchestrator", "EMAIL": "orchestrator@localhost"}
"""Who commits where git knows nobody."""

REGULAR = ("100644", "100755")

_SECONDS = 60.0  # that one git command may take: a filter that hangs must not hold up the end
_AT_ONCE = 200  # paths per command line
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
}
# Settings that would run programs, refuse what is committed, or say something untrue of it.
_SETTINGS = (
    f"core.hooksPath={os.devnull}", "core.fsmonitor=false", "core.safecrlf=false",
    "i18n.commitEncoding=UTF-8", "i18n.logOutputEncoding=UTF-8",
)  # fmt: skip


class CommitError(Exception):
    """Git cannot do it now; it may later.

    Args:
        why: what is in the way.
        fix: what to do about it.
    """

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.why, self.fix = why, fix or "make `git status` work there"


class LockedError(CommitError):
    """Somebody else changes the index at this moment."""


class MovedError(CommitError):
    """The branch was moved by somebody else while a commit was made for it."""


@dataclass(frozen=True, slots=True)
class File:
    """A file in a commit or in the index."""

    mode: str
    blob: str


Changes = Mapping[str, File | None]
"""Path from the repository's top to what it is to hold; None: deleted."""


class UserRepository:
    """The repository that governs a directory. Used by one thread.

    Args:
        root: the directory, inside its work tree.
        scratch: directory for files of our own.

    Attributes:
        top: the work tree's top.
        prefix: the directory as seen from there, "" or with a slash at its end.
        branch: what HEAD names now, and must go on naming; "" when it is detached.
        nameless: whether git does not know who commits, so that `FALLBACK` does.

    Raises:
        CommitError: git has no work tree here, or fails.
    """

    def __init__(self, root: Path, scratch: Path) -> None:
        self.top, self._scratch, self.nameless = root, scratch, False
        asked = ("--show-toplevel", "--absolute-git-dir", "--show-object-format")
        said = os.fsdecode(self._git("rev-parse", *asked, "--git-path", "index")).split("\n")
        self.top, self._folder = Path(said[0]), Path(said[1])
        self._null = "0" * (64 if said[2] == "sha256" else 40)
        self._index = root / said[3]
        prefix = self._git("rev-parse", "--show-prefix", cwd=root)
        self.prefix = os.fsdecode(prefix.rstrip(b"\n"))
        self.branch = self._head_names()
        self.nameless = not self._knows_who()
        self._ours = scratch / "commit.index"  # an index that holds the newest commit's tree
        self._ours_is = ""

    # --- looking ------------------------------------------------------------------------------

    def head(self) -> str:
        """Return the commit that HEAD names; "" on a branch without one.

        Raises:
            CommitError: HEAD is on another branch, or a merge or rebase is under way.
        """
        now = self._head_names()
        if now != self.branch:
            raise CommitError(
                f"HEAD is on {_short(now)} now, and was on {_short(self.branch)}",
                f"check {_short(self.branch)} out again",
            )
        for name, what in _UNDER_WAY.items():
            if (self._folder / name).exists():
                raise CommitError(f"{what} is under way", f"finish {what}, or abort it")
        return self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    def is_tracked(self, commit: str) -> bool:
        """Whether a commit has any file of the directory."""
        if not self.prefix:
            return True
        return bool(commit and self._git("ls-tree", commit, "--", self.prefix))

    def files(self, commit: str, paths: Collection[str]) -> dict[str, File]:
        """Return what a commit has at some paths; what it does not have is left out."""
        found: dict[str, File] = {}
        for some in _portions(paths if commit else ()):
            text = self._git("ls-tree", "-z", "--full-tree", commit, "--", *some)
            for head, path in _rows(text):
                mode, _, blob = head.split()
                found[path] = File(mode, blob)
        return {path: found[path] for path in paths if path in found}

    def read(self, blob: str) -> bytes:
        """Return what a blob holds."""
        return self._git("cat-file", "blob", blob)

    def is_commit(self, name: str) -> bool:
        """Whether this repository has such a commit."""
        return bool(name and self._ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"))

    def trailers(self, keys: Sequence[str], since: str) -> list[list[list[str]]]:
        """Return, for each commit of the branch, newest first, the values of some trailers.

        Args:
            since: a commit whose history is left out; "" or unknown: nothing is.
        """
        if not self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
            return []
        shown = "%x01".join(f"%(trailers:key={key},valueonly,separator=%x02)" for key in keys)
        bound = [f"^{since}"] if self.is_commit(since) else []
        text = self._git("log", "-z", f"--format={shown}", "HEAD", *bound, "--").decode(
            errors="replace"
        )
        return [
            [[v for v in values.split("\2") if v] for values in row.split("\1")]
            for row in text.split("\0")
            if row
        ]

    # --- making ---------------------------------------------------------------------------------

    def store(self, data: bytes, path: str = "") -> str:
        """Store a content and return its blob.

        Args:
            path: where it stands: filters and line ends are then as `git add` would have them.
        """
        words = [f"--path={path}"] if path else ["--no-filters"]
        return self._ask("hash-object", "-w", "--stdin", *words, given=data)

    def commit(self, head: str, changes: Changes, message: str) -> str:
        """Commit changes on top of `head`, move the branch, and have the index follow.

        Returns:
            The commit; "" when the changes change nothing.

        Raises:
            LockedError: somebody else holds the index.
            MovedError: the branch is not at `head` any more.
            CommitError: git fails.
        """
        tree = self._tree(head, changes)
        if head and tree == self._ask("rev-parse", f"{head}^{{tree}}"):
            return ""
        parent = ["-p", head] if head else []
        given = message.encode(errors="replace")
        made = self._ask("commit-tree", tree, *parent, given=given)
        with self._following(head, made, changes):
            self._move(head, made, message)
        self._ours_is = made
        return made

    def recover(self) -> None:
        """Finish what a process left that was killed between moving the branch and the index."""
        for ours in self._scratch.glob("index-*"):
            lock = self._lock
            with suppress(FileNotFoundError):
                if lock.read_bytes() == ours.read_bytes():
                    at = self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
                    if at == ours.name.removeprefix("index-"):
                        lock.replace(self._index)
                    else:
                        lock.unlink()
            ours.unlink(missing_ok=True)

    def _tree(self, head: str, changes: Changes) -> str:
        if self._ours_is != head or not head:
            self._git("read-tree", *([head] if head else ["--empty"]), index=self._ours)
        self._ours_is = ""
        self._put(changes, self._ours)
        return self._ask("write-tree", index=self._ours)

    def _move(self, head: str, made: str, message: str) -> None:
        where = [self.branch] if self.branch else ["--no-deref", "HEAD"]
        reason = f"orchestrator: {message.partition(chr(10))[0]}"
        try:
            self._git("update-ref", "-m", reason, *where, made, head or self._null)
        except CommitError as error:
            if self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}") != head:
                raise MovedError(f"{_short(self.branch)} moves again and again") from error
            raise

    # --- the index --------------------------------------------------------------------------------

    @property
    def _lock(self) -> Path:
        return self._index.with_name(f"{self._index.name}.lock")

    @contextmanager
    def _following(self, head: str, made: str, changes: Changes) -> Iterator[None]:
        """Hold the index while the branch is moved; then it has what was committed.

        A path that the user has staged something else for keeps what was staged.
        """
        try:
            lock = os.open(self._lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError as error:
            raise LockedError(
                f"{self._lock} exists",
                "let other git commands end; if none runs, remove that file",
            ) from error
        except OSError as error:
            raise CommitError(str(error), "make the repository writable") from error
        copy, is_ours = self._scratch / f"index-{made}", True
        try:
            with os.fdopen(lock, "wb") as file:
                if self._index.exists():
                    shutil.copyfile(self._index, copy)
                    os.fchmod(lock, self._index.stat().st_mode & 0o777)
                before = self.files(head, changes)
                staged = self._staged(copy, changes)
                same = {p: f for p, f in changes.items() if staged.get(p) == before.get(p)}
                self._put(same, copy)
                if copy.exists():
                    file.write(copy.read_bytes())
            yield
            self._lock.replace(self._index)
            is_ours = False  # a lock that is there from now on is somebody else's
        except OSError as error:
            raise CommitError(str(error), "free some space, or make it writable") from error
        finally:
            if is_ours:
                self._lock.unlink(missing_ok=True)
            copy.unlink(missing_ok=True)

    def _staged(self, index: Path, paths: Collection[str]) -> dict[str, File]:
        """Return what an index has at some paths; of a path with a conflict, nothing that fits."""
        found: dict[str, File] = {}
        for some in _portions(paths):
            text = self._git("ls-files", "-s", "-z", "--full-name", "--", *some, index=index)
            for head, path in _rows(text):
                mode, blob, stage = head.split()
                found[path] = File(mode, blob if stage == "0" else "")
        return {path: found[path] for path in paths if path in found}

    def _put(self, changes: Changes, index: Path) -> None:
        """Write changes into an index, deletions first: a file may give way to a folder."""
        rows = [f"0 {self._null}\t{path}" for path, file in changes.items() if file is None]
        rows += [f"{f.mode} {f.blob} 0\t{path}" for path, f in changes.items() if f is not None]
        if rows:
            given = os.fsencode("".join(f"{row}\0" for row in rows))
            self._git("update-index", "-z", "--index-info", given=given, index=index)

    # --- commands ---------------------------------------------------------------------------------

    def _head_names(self) -> str:
        return self._ask("symbolic-ref", "--quiet", "HEAD")

    def _knows_who(self) -> bool:
        who = ("-c", "user.useConfigOnly=true", "var")
        try:
            return all(self._git(*who, f"GIT_{role}_IDENT") for role in ("AUTHOR", "COMMITTER"))
        except CommitError:
            return False

    def _ask(self, *words: str, given: bytes = b"", index: Path | None = None) -> str:
        """Return one line that git prints; "" where `--quiet` says that there is nothing."""
        codes = (0, 1) if "--quiet" in words else (0,)
        return os.fsdecode(self._git(*words, given=given, index=index, codes=codes)).strip()

    def _git(
        self,
        *words: str,
        given: bytes = b"",
        index: Path | None = None,
        codes: Collection[int] = (0,),
        cwd: Path | None = None,
    ) -> bytes:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        try:
            done = subprocess.run(
                ["git", "--literal-pathspecs", *settings, *words],
                cwd=cwd or self.top, env=self._environment(index), input=given,
                capture_output=True, check=False, timeout=_SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommitError(f"git cannot be run: {error}", "install git") from error
        if done.returncode not in codes:
            said = os.fsdecode(done.stderr).strip() or f"exit code {done.returncode}"
            name = next(word for word in words if word[0] != "-" and "=" not in word)
            raise CommitError(f"git {name}: {said}")
        return done.stdout

    def _environment(self, index: Path | None) -> dict[str, str]:
        """Return the environment of a git command: a caller's GIT_DIR (set inside hooks) must not
        redirect it; who the author is may be said there."""
        people = tuple(
            f"GIT_{role}_{part}" for role in ("AUTHOR", "COMMITTER") for part in FALLBACK
        )
        found = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in people}
        if self.nameless:
            found |= {name: FALLBACK[name.rpartition("_")[2]] for name in people}
        if index is not None:
            found["GIT_INDEX_FILE"] = str(index)
        return found | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _rows(text: bytes) -> Iterator[tuple[str, str]]:
    for row in os.fsdecode(text).split("\0"):
        if row:
            head, _, path = row.partition("\t")
            yield head, path


def _portions(paths: Collection[str]) -> Iterator[list[str]]:
    every = list(paths)
    for at in range(0, len(every), _AT_ONCE):
        yield every[at : at + _AT_ONCE]


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/") or "a detached HEAD"
