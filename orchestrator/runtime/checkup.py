"""What this machine has of what a run needs: looked at in a moment, changing nothing.

Nothing heavy is imported: packages are found by their metadata.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Literal

from orchestrator.runtime.enforcement import Enforcement, probe
from orchestrator.runtime.rundir import STATE
from orchestrator.runtime.trial import Tried, try_guards

State = Literal["ok", "note", "problem"]

PYTHON = (3, 11)
"""Oldest version of Python."""

_GIT = (2, 38)  # `merge-tree --write-tree`
_GIT_SECONDS = 5.0
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)")
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        state: ``note``: something does without it; ``problem``: no run can do without it.
        found: what was found.
        fix: what to do about it, if something is to be done.
    """

    name: str
    state: State
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found on this machine.

    Attributes:
        checks: what runs need or can use.
        kernel: what the sandbox of commands can build on.
        guards: what of the sandbox's promises holds, tried where that takes but a moment.
    """

    checks: tuple[Check, ...]
    kernel: tuple[Check, ...]
    guards: tuple[Tried, ...]

    @property
    def problems(self) -> list[str]:
        """What no run can do without, and promises that were found broken."""
        found = [f"{one.name}: {one.found}" for one in self.checks if one.state == "problem"]
        for tried in self.guards:
            if tried.broken:
                through = ", ".join(tried.through or ())
                by = f"{tried.guard.by} should stop it, but {through} got through"
                found.append(f"{tried.guard.against}: {by}")
        return found


def check_machine(directory: Path) -> Checkup:
    """Look at this machine.

    Args:
        directory: where a run directory would be made: the plan's.
    """
    enforced = probe()
    checks = (
        _python(),
        _sqlite(),
        _git(),
        *_packages(),
        _key(),
        _run_directory(directory.absolute()),
    )
    try:
        guards = try_guards()
    except OSError:  # no room, no sockets: what is claimed is all that can be said
        guards = tuple(Tried(guard, None, broken=False) for guard in enforced.guards())
    return Checkup(checks, tuple(_kernel(enforced)), guards)


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.version_info < PYTHON:
        return Check("Python", "problem", found, "use Python 3.11 or later")
    return Check("Python", "ok", found)


def _sqlite() -> Check:
    return Check("SQLite", "ok", sqlite3.sqlite_version)


def _git() -> Check:
    place = shutil.which("git")
    if place is None:
        why = "not found; trees without git work, mode worktree and commits do not"
        return Check("git", "note", why, "install git 2.38 or later")
    try:
        told = subprocess.run(
            [place, "--version"], capture_output=True, text=True, timeout=_GIT_SECONDS, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return Check("git", "note", f"{place} does not run: {error}", "install git again")
    numbers = re.search(r"(\d+)\.(\d+)", told)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _GIT:
        return Check("git", "note", f"{told}: too old for mode worktree", "install 2.38 or later")
    return Check("git", "ok", told.removeprefix("git version "))


def _packages() -> Iterator[Check]:
    """Yield whether the packages are there that runs need, and which extras are."""
    try:
        wanted = distribution("orchestrator").requires or []
    except PackageNotFoundError:
        fix = "install it: python -m pip install -e ."
        yield Check("packages", "note", "the program runs from its source, not installed", fix)
        return
    groups: dict[str, list[str]] = {"": []}
    for text in wanted:
        required, extra = _NAME.match(text), _EXTRA.search(text)
        if required is not None:
            groups.setdefault(extra[1] if extra else "", []).append(required[0])
    missing = [name for name in groups.pop("") if not _is_installed(name)]
    if missing:
        fix = f"python -m pip install {' '.join(missing)}"
        yield Check("packages", "problem", f"not installed: {', '.join(missing)}", fix)
    else:
        yield Check("packages", "ok", "all that runs need")
    for group, names in sorted(groups.items()):
        absent = [name for name in names if not _is_installed(name)]
        if absent:
            fix = f"python -m pip install 'orchestrator[{group}]'"
            yield Check(f"extra {group}", "note", f"not installed: {', '.join(absent)}", fix)
        else:
            yield Check(f"extra {group}", "ok", "installed")


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _key() -> Check:
    """Say whether there is a key for the model anthropic; its value is never told."""
    found = [name for name in _KEYS if os.environ.get(name)]
    if found:
        return Check("API key", "ok", f"set in {' and '.join(found)}")
    why = "not set; offline models (oracle, scripted, simulated) need none"
    return Check("API key", "note", why, "set ANTHROPIC_API_KEY for the model anthropic")


def _run_directory(directory: Path) -> Check:
    """Try on the spot what a run's directory must be able to: files, locks, a log."""
    name = "run directory"
    if not directory.is_dir():
        return Check(name, "problem", f"{directory} is not a directory", "name one that exists")
    base = directory / STATE
    base = base if base.is_dir() else directory
    try:
        with tempfile.TemporaryDirectory(prefix=".orchestrator-", dir=base) as folder:
            with (Path(folder) / "lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with closing(sqlite3.connect(Path(folder) / "log.db")) as log:
                log.execute("PRAGMA journal_mode = WAL")
                log.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY)")
    except (OSError, sqlite3.Error) as error:
        fix = "make it writable, or name a directory on a local disk with --run-dir"
        return Check(name, "problem", f"{base} cannot hold the log of a run: {error}", fix)
    free = shutil.disk_usage(base).free / 1e9
    return Check(name, "ok", f"{directory / STATE} can be written, {free:.1f} GB are free")


def _kernel(enforced: Enforcement) -> Iterator[Check]:
    system = f"{platform.system()} {platform.release()}"
    if sys.platform != "linux":
        fix = "run in a Linux virtual machine if you do not trust what agents may write"
        yield Check("system", "note", f"{system}: the sandbox is Linux only", fix)
        return
    yield Check("system", "ok", system)
    if enforced.landlock:
        lacks = {3: "emptying files", 4: "TCP", 6: "signals"}
        missing = [what for since, what in lacks.items() if enforced.landlock < since]
        more = f"; does not know of {', '.join(missing)}" if missing else ""
        yield Check("Landlock", "ok", f"version {enforced.landlock}{more}")
    else:
        yield Check("Landlock", "note", "none", "use a kernel from 5.13 on with Landlock enabled")
    if enforced.namespaces:
        how = "by root" if os.geteuid() == 0 else "in user namespaces"
        yield Check("namespaces", "ok", f"mounts, processes, network, IPC ({how})")
    else:
        fix = "allow unprivileged user namespaces, or the `unshare` and `mount` calls in containers"
        yield Check("namespaces", "note", f"none: {enforced.why_not}", fix)
    if enforced.seccomp:
        yield Check("seccomp", "ok", "filters; used where there are no namespaces")
    else:
        yield Check("seccomp", "note", "no filters, or none for this machine's calls")
    yield Check("limits", "ok", "rlimits: memory, file size, open files, processes")
    if hasattr(os, "pidfd_open"):
        yield Check("watching", "ok", "by the launcher: processes, disk (no cgroups are needed)")
    else:
        yield Check("watching", "note", "Python was built without pidfd_open: disk is not bounded")
