"""What the verifier sees of a workspace: its source files, and what they plainly import.

A small reading of the code that shares nothing with the code graph: import statements only,
followed to files by name. The verifier holds the derived reads of a certificate against it:
what is seen here and not recorded there refutes the certificate.

Nothing of this package is imported here, on purpose; see ``docs/certificate.md``.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shlex
import stat
import subprocess
import warnings
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

SOURCE_SUFFIXES = (".py", ".pyi", ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
SETTINGS = ("pyproject.toml", "setup.cfg", "setup.py", "tsconfig.json", "package.json")

_LEFT_OUT = (
    "__pycache__", ".cache", ".git", ".orchestrator", ".hg", ".svn", ".jj", ".bzr", "CVS",
    ".gradle", ".hypothesis", ".idea", ".import_linter_cache", ".mypy_cache", ".parcel-cache",
    ".pytest_cache", ".pytype", ".ruff_cache", ".turbo", ".vscode", "htmlcov", ".venv", "venv",
    "node_modules", "bower_components", ".tox", ".nox", ".eggs", "*.egg-info", "*.dist-info",
)  # fmt: skip


def is_source(path: str) -> bool:
    """Whether a file is code, or settings that say where code is."""
    return path.endswith(SOURCE_SUFFIXES) or path in SETTINGS


def digest_of(root: Path, path: str) -> str | None:
    """Return the SHA-256 of a regular file in hexadecimal; None when there is no such file.

    Symbolic links are not followed.
    """
    try:
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def source_files(root: Path) -> set[str]:
    """Return the source files of a workspace: as git sees it, else all but well-known names."""
    paths = _git_files(root)
    found = _walked(root) if paths is None else paths
    return {path for path in found if is_source(path) and digest_of(root, path) is not None}


def _git_files(root: Path) -> set[str] | None:
    """Return the files that git does not ignore; None when it does not govern the directory."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return None
    if _git(root, "check-ignore", "-q", ".") is not None:
        return None
    text = _git(root, "ls-files", "-z", "-c", "-o", "--exclude-standard")
    return None if text is None else {path for path in text.split("\0") if path}


def _git(root: Path, *words: str) -> str | None:
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    command = ["git", "-c", "core.fsmonitor=false", *words]
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None


def _walked(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not _stands_aside(here / name)]
        yield from ((here / name).relative_to(root).as_posix() for name in names)


def _stands_aside(folder: Path) -> bool:
    """Whether a folder is a cache, an environment, or one that git is told to ignore."""
    if any(fnmatchcase(folder.name, pattern) for pattern in _LEFT_OUT):
        return True
    if (folder / "pyvenv.cfg").exists():
        return True
    try:
        return (folder / ".gitignore").read_text("utf-8", "replace").strip() == "*"
    except OSError:
        return False


# --- tests -------------------------------------------------------------------------------------


def test_files(tests: Sequence[str], command: str, files: Iterable[str]) -> list[str]:
    """Return the files that a task's tests name: in `tests`, or as words of its test command.

    A directory stands for all source files below it; ``::`` and what follows is left out.

    Args:
        tests: the task's `tests`.
        command: the task's test command.
        files: all source files of the workspace.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    names = {name.partition("::")[0].removeprefix("./").rstrip("/") for name in (*tests, *words)}
    return sorted(path for path in files if path in names or names.intersection(_folders(path)))


def _folders(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def conftests(tests: Iterable[str], files: Iterable[str]) -> set[str]:
    """Return the ``conftest.py`` files that pytest loads for these test files."""
    wanted = {"conftest.py"}
    for test in tests:
        wanted.update(f"{folder}/conftest.py" for folder in _folders(test))
    return wanted.intersection(files) if set(tests) else set()


# --- imports -----------------------------------------------------------------------------------


def imported(root: Path, path: str, files: set[str]) -> list[frozenset[str]]:
    """Return what a Python file imports from the workspace, by its import statements.

    Args:
        root: the workspace.
        path: the file.
        files: all source files of the workspace.

    Returns:
        For each name that is imported the files that it may stand for; one of them it is.

    Raises:
        SyntaxError: it is not Python, so nobody knows what it imports.
        OSError: it cannot be read.
    """
    if not path.endswith((".py", ".pyi")):
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the code that is read, not of ours
            tree = ast.parse((root / path).read_bytes())
    except (ValueError, RecursionError) as error:  # NUL bytes; nested too deeply
        raise SyntaxError(str(error)) from None
    found = []
    for node in ast.walk(tree):
        for module, name, level in _named(node):
            choices = _resolved(path, module, name, level, files) - {path}
            if choices:
                found.append(frozenset(choices))
    return found


def _named(node: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Yield module, name taken out of it, and number of leading dots."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, "", 0) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from ((node.module or "", alias.name, node.level) for alias in node.names)


def _resolved(path: str, module: str, name: str, level: int, files: set[str]) -> set[str]:
    """Return the files that may be meant; a submodule goes before a name of its package."""
    tops = _tops(path, files)
    if level:
        folders = path.split("/")[:-level]
        if level > len(path.split("/")):
            return set()
        tops = ["/".join(folders)]
    dotted = [part for part in module.split(".") if part]
    longer = [*dotted, name] if name and name != "*" else dotted
    for parts in (longer, dotted):
        found = {hit for top in tops for hit in _module_files(top, parts, files)}
        if found:
            return found
    return set()


def _tops(path: str, files: set[str]) -> list[str]:
    """Return the directories that a top-level module may be in, as seen from a file."""
    folder = path.rpartition("/")[0]
    while folder and f"{folder}/__init__.py" in files:
        folder = folder.rpartition("/")[0]
    return list(dict.fromkeys((folder, "", "src")))


def _module_files(top: str, parts: Sequence[str], files: set[str]) -> list[str]:
    place = "/".join([top, *parts] if top else parts)
    if not parts and not top:
        return []
    names = (f"{place}.py", f"{place}.pyi", f"{place}/__init__.py", f"{place}/__init__.pyi")
    return [name for name in names[0 if parts else 2 :] if name in files]
