"""The header of a run's log: what was asked for, and what was in force."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import gmtime, strftime
from typing import Any

from orchestrator.analysis.versioned import run_git
from orchestrator.core.encoding import task_from_json, task_to_json
from orchestrator.core.limits import Limits, limits_from_json
from orchestrator.core.task import Task
from orchestrator.errors import LogError, WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.scan import Entry

MACHINE = 1
"""Version of the rules by which events are folded; it rises when their meaning changes."""

_PACKAGES = ("orchestrator", "anthropic", "networkx", "jsonschema", "openapi-spec-validator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a run was started with.

    Attributes:
        run: the run's id.
        tasks: the plan's tasks, defaults applied.
        workers: worker threads in force (mode solo has one, whatever was asked).
        tests: where tests run, ``cut`` or ``live``; "" in logs of before there was a choice.
        time: ``real`` or ``virtual`` (see `runtime.virtualtime`).
        command_seconds: virtual seconds that a command takes; None: as long as it really took.
        model: as on the command line; "" when task functions do the work.
        options: the model's options.
        workspace: directory that the agents change, absolute; "" for a run without files.
        network: whether commands may use the network.
        read: files outside the workspace that commands may read, absolute.
        base: directory that relative paths in `model` start from.
        roles: the user's directory of roles; "" for none.
        role_digests: role name to digest of its document.
        manifest: blob with the files that were there at the start.
        packages: versions of what the run depended on.
        git: commit of the workspace at the start; "" if there was none.
        commit: when accepted work is committed, ``task`` or ``run``; "" for never.
        started: date and time, UTC.
    """

    run: str
    name: str
    goal: str = ""
    tasks: tuple[Task, ...] = ()
    mode: str = "shared"
    validate: str = "region"
    tests: str = ""
    time: str = "real"
    command_seconds: float | None = None
    limits: Limits = field(default_factory=Limits)
    workers: int = 1
    model: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    workspace: str = ""
    network: bool = False
    read: tuple[str, ...] = ()
    base: str = ""
    roles: str = ""
    role_digests: Mapping[str, str] = field(default_factory=dict)
    plan: str = ""
    plan_digest: str = ""
    manifest: str = ""
    machine: int = MACHINE
    packages: Mapping[str, str] = field(default_factory=dict)
    git: str = ""
    commit: str = ""
    started: str = ""


def pack(header: Header) -> dict[str, Any]:
    """Return a header as JSON values for the log."""
    values = {f.name: getattr(header, f.name) for f in fields(header)}
    values["tasks"] = [task_to_json(task) for task in header.tasks]
    values["limits"] = asdict(header.limits)
    return {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()
    }


def unpack(values: Mapping[str, Any]) -> Header:
    """Return the header that `pack` wrote; unknown keys of later versions are left out.

    Raises:
        LogError: the run was recorded under later rules, or this is not a header.
    """
    if values.get("machine", MACHINE) > MACHINE:
        raise LogError(
            f"this run was recorded under the rules of version {values['machine']}",
            why=f"this program knows the rules up to version {MACHINE}",
            fix="read it with the version of the program that started it, or with a later one",
        )
    try:
        found = _known(Header, values)
        found["read"] = tuple(found.get("read", ()))
        found["tasks"] = tuple(task_from_json(_known(Task, task)) for task in found["tasks"])
        found["limits"] = limits_from_json(found["limits"])
        return Header(**found)
    except (AttributeError, KeyError, TypeError) as error:
        raise LogError(
            "the header of the log cannot be read",
            why=f"{type(error).__name__}: {error}",
            fix="restore events.db from a copy",
        ) from error


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {key: value for key, value in values.items() if key in names}


def save_manifest(entries: Mapping[str, Entry], blobs: BlobStore) -> str:
    """Keep the list of files that were there at the start; return its digest."""
    rows = {path: [e.digest, e.size, e.executable] for path, e in entries.items()}
    return blobs.put(json.dumps(rows, separators=(",", ":")).encode())


def load_manifest(digest: str, blobs: BlobStore) -> dict[str, Entry]:
    """Return the files that were there at the start."""
    return {path: Entry(*row) for path, row in json.loads(blobs.get(digest)).items()}


@cache
def _packages() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def packages() -> dict[str, str]:
    """Return the versions of what a run depends on."""
    return dict(_packages())


def git_revision(root: Path) -> str:
    """Return the commit that a directory is at; "" when it is not in a git work tree."""
    try:
        return run_git(root, "rev-parse", "HEAD").strip()
    except WorkspaceError:
        return ""


def now() -> str:
    """Return the date and time, UTC."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime())
