"""Which files of a directory are versioned, and which are only linked into private copies.

Where git governs the directory, git decides: tracked files and untracked ones that it does not
ignore. Elsewhere a list of well-known names does. Nobody versions ``.git`` and ``.orchestrator``.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from orchestrator.core.paths import INTERNAL_SEGMENTS, PathError, canonical
from orchestrator.errors import WorkspaceError

CACHES = frozenset(
    {
        "__pycache__",
        ".cache",
        ".coverage",
        ".DS_Store",
        ".gradle",
        ".hypothesis",
        ".idea",
        ".import_linter_cache",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".parcel-cache",
        ".pytest_cache",
        ".pytype",
        ".ruff_cache",
        ".turbo",
        ".vscode",
        "htmlcov",
    }
)
"""Names that tools make again whenever they need them: neither versioned nor linked."""

_CACHE_PATTERNS = ("*.pyc", "*.pyo", "*.swp", "*~", ".coverage.*")
_ENVIRONMENTS = frozenset(
    {".venv", "venv", "node_modules", "bower_components", ".tox", ".nox", ".eggs"}
)
_ENVIRONMENT_PATTERNS = ("*.egg-info", "*.dist-info")
_HISTORIES = frozenset({".hg", ".svn", ".jj", ".bzr", "CVS"})
_SECRETS = (".env", ".env.*", ".netrc", ".pypirc", ".npmrc")
_NO_SECRETS = ("*.example", "*.sample", "*.template", "*.dist")


@dataclass(frozen=True, slots=True)
class Listing:
    """What stands in a directory.

    Attributes:
        files: sorted canonical paths of versioned files; some may be links or be gone, which only
            opening them tells.
        aside: sorted paths, the top-most ones, of what is not versioned but what commands may
            need: environments, built extensions, submodules, files with impossible names.
    """

    files: list[str]
    aside: list[str]


def list_tree(root: Path) -> Listing:
    """List a directory.

    Raises:
        WorkspaceError: git governs it and fails, or it cannot be read.
    """
    return _list_git(root) if governed_by_git(root) else _list_walk(root)


def governed_by_git(root: Path) -> bool:
    """Whether `root` is in a git work tree, and is not itself ignored by it.

    A directory that git ignores (a fresh copy in an ``out/``) has no files as git sees it.
    """
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return False
    try:
        inside = run_git(root, "rev-parse", "--is-inside-work-tree", "--show-prefix")
    except WorkspaceError as error:
        if "not a git repository" in error.why:  # something else is named .git
            return False
        raise
    answer, _, prefix = inside.partition("\n")
    if answer != "true":
        return False
    return not prefix.strip() or not _check_ignore(root, ["."])


def ignored_among(root: Path, paths: Sequence[str]) -> set[str]:
    """Return those of `paths` that would not be versioned if they stood in `root`."""
    found = {path for path in paths if any(is_noise(name) for name in path.split("/"))}
    rest = [path for path in paths if path not in found]
    if rest and governed_by_git(root):
        found.update(_check_ignore(root, rest))
    return found


def dirty_files(root: Path) -> list[str]:
    """Return the uncommitted files below `root`: changed, deleted or new; sorted.

    Returns:
        An empty list if there are none, or if git does not govern `root`.
    """
    if not governed_by_git(root):
        return []
    text = run_git(root, "status", "--porcelain", "-z", "-uall", "--no-renames", "--", ".")
    prefix = run_git(root, "rev-parse", "--show-prefix").strip()
    paths = (entry[3:].removeprefix(prefix) for entry in text.split("\0") if entry)
    return sorted(path for path in paths if not _internal(path))


def is_noise(name: str) -> bool:
    """Whether a name is one of a cache, an environment, a history or a file of secrets."""
    return is_cache(name) or _is_environment(name) or name in _HISTORIES or _is_secret(name)


def is_cache(name: str) -> bool:
    """Whether a name is one that tools make again whenever they need it."""
    return name in CACHES or any(fnmatchcase(name, pattern) for pattern in _CACHE_PATTERNS)


def run_git(
    root: Path, *arguments: str, codes: Iterable[int] = (0,), given: str | None = None
) -> str:
    """Run git in `root` and return what it printed.

    Args:
        root: directory to run in.
        arguments: command and options.
        codes: exit codes that are no failure.
        given: text for its standard input.

    Raises:
        WorkspaceError: git is missing or failed.
    """
    # A caller's GIT_DIR (set inside git hooks) must not redirect us to another repository; and
    # looking must neither take locks nor start a program that the repository's settings name.
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    command = ["git", "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=environment,
            input=None if given is None else os.fsencode(given),
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise WorkspaceError(
            "git cannot be run",
            str(root),
            f"this is a git work tree, and git says which files belong to it ({error})",
            "install git, or work on a copy without .git",
        ) from error
    if done.returncode not in codes:
        raise WorkspaceError(
            f"git {arguments[0]} failed",
            str(root),
            os.fsdecode(done.stderr).strip(),
            "make `git status` work in this directory, then try again",
        )
    return os.fsdecode(done.stdout)


def _list_git(root: Path) -> Listing:
    text = run_git(root, "ls-files", "-z", "-c", "-o", "--exclude-standard")
    ignored = run_git(root, "ls-files", "-z", "-o", "-i", "--exclude-standard", "--directory")
    files: set[str] = set()
    aside = {path.rstrip("/") for path in ignored.split("\0") if path}
    for path in text.split("\0"):
        if path.endswith("/"):  # a repository inside this one
            aside.add(path.rstrip("/"))
        elif path:
            (files if _plain(path) else aside).add(path)
    # Of folders that hold nothing but ignored files git names each: the top-most one is enough.
    top = {path for path in aside if not aside.intersection(map(str, PurePosixPath(path).parents))}
    return Listing(sorted(files), sorted(path for path in top if _worth_linking(path)))


def _list_walk(root: Path) -> Listing:
    files: list[str] = []
    aside: list[str] = []
    folders = [""]
    while folders:
        prefix = folders.pop()
        with os.scandir(root / prefix) as entries:
            found = list(entries)
        names = {entry.name for entry in found}
        if prefix and _stands_aside(root / prefix, names):
            aside.append(prefix.rstrip("/"))
            continue
        for entry in found:
            path = prefix + entry.name
            if is_noise(entry.name) or not _plain(path):
                aside.append(path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path + "/")
            else:
                files.append(path)
    return Listing(sorted(files), sorted(path for path in aside if _worth_linking(path)))


def _stands_aside(folder: Path, names: set[str]) -> bool:
    """Whether a folder is a virtual environment, or tells git to ignore all of it."""
    if "pyvenv.cfg" in names:
        return True
    return ".gitignore" in names and (folder / ".gitignore").read_text("utf-8", "replace") in (
        "*",
        "*\n",
    )


def _check_ignore(root: Path, paths: Sequence[str]) -> list[str]:
    given = "".join(f"{path}\0" for path in paths)
    text = run_git(root, "check-ignore", "-z", "--stdin", codes=(0, 1), given=given)
    return [path for path in text.split("\0") if path]


def _plain(path: str) -> bool:
    try:
        return canonical(path) == path
    except PathError:
        return False


def _worth_linking(path: str) -> bool:
    if _internal(path):
        return False
    return not any(
        is_cache(name) or name in _HISTORIES or _is_secret(name) for name in path.split("/")
    )


def _internal(path: str) -> bool:
    return any(name.casefold() in INTERNAL_SEGMENTS for name in path.split("/"))


def _is_environment(name: str) -> bool:
    return name in _ENVIRONMENTS or any(fnmatchcase(name, one) for one in _ENVIRONMENT_PATTERNS)


def _is_secret(name: str) -> bool:
    return any(fnmatchcase(name, one) for one in _SECRETS) and not any(
        fnmatchcase(name, one) for one in _NO_SECRETS
    )
