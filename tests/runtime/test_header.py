"""The header of a run's log: what goes in comes out again, also what later versions add."""

from __future__ import annotations

import json
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.limits import Limits
from orchestrator.core.task import Task
from orchestrator.errors import LogError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.header import (
    MACHINE,
    Header,
    git_revision,
    load_manifest,
    now,
    pack,
    packages,
    save_manifest,
    unpack,
)
from orchestrator.runtime.scan import Entry

FULL = Header(
    run="r1",
    name="plan",
    goal="A goal.",
    tasks=(
        Task(id="a", writes=("a.py",), reads=(), approval=True, seconds=1.5, on_failure="continue"),
        Task(id="b", depends_on=("a",), attempts=2, estimate=0.5),
    ),
    mode="solo",
    validate="file",
    tests="live",
    limits=Limits(workers=3, wall=1.5, tokens=10, usd=0.5, attempts=2, turns=4, lease=7.0),
    workers=1,
    model="oracle:ref",
    options={"latency": "1"},
    seed=9,
    workspace="/w",
    network=True,
    read=("/opt/data",),
    base="/b",
    roles="/r",
    role_digests={"implementer": "d"},
    plan="/b/plan.yaml",
    plan_digest="p",
    manifest="m",
    packages={"python": "3.11"},
    git="abc",
    commit="task",
    time="virtual",
    command_seconds=20.0,
    started="2026-01-02T03:04:05Z",
)


def written(header: Header) -> dict[str, Any]:
    """Return a header as it comes back from the log."""
    return json.loads(json.dumps(pack(header)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("header", [FULL, Header(run="r", name="n")])
def test_a_header_comes_back_as_it_was(header: Header) -> None:
    assert unpack(written(header)) == header


def test_every_field_was_tried() -> None:
    empty = Header(run="", name="")
    same = [f.name for f in fields(Header) if getattr(FULL, f.name) == getattr(empty, f.name)]
    assert same == ["workers", "machine"]  # one in mode solo; the rules of this version


def test_what_a_later_version_added_is_left_out() -> None:
    values = written(FULL)
    values["format"] = 1
    values["colour"] = "blue"
    values["limits"]["patience"] = 3
    values["tasks"][0]["mood"] = "good"
    assert unpack(values) == FULL


def test_later_rules_are_refused() -> None:
    with pytest.raises(LogError, match=f"rules of version {MACHINE + 1}") as caught:
        unpack(written(FULL) | {"machine": MACHINE + 1})
    assert "later" in caught.value.fix


@pytest.mark.parametrize(
    "broken", [{"tasks": None}, {"limits": 3}, {"tasks": [{"title": "no id"}]}, {"limits": None}]
)
def test_what_is_no_header_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(LogError, match="header of the log cannot be read"):
        unpack(written(FULL) | broken)
    with pytest.raises(LogError):
        unpack({})


def test_the_list_of_files_comes_back(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path, durable=False)
    entries = {"a b.py": Entry("d1", 3, True), "ä/\u2603": Entry("d2", 0, False)}
    assert load_manifest(save_manifest(entries, blobs), blobs) == entries
    assert load_manifest(save_manifest({}, blobs), blobs) == {}


def test_what_a_run_depends_on_is_named() -> None:
    found = packages()
    assert found["python"].startswith("3.")
    assert found["networkx"][0].isdigit()
    assert len(now()) == len("2026-01-02T03:04:05Z")


def test_the_commit_is_that_of_the_directory_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_revision(tmp_path) == ""
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        for words in (
            ["init", "-q"],
            [
                "-c",
                "user.name=n",
                "-c",
                "user.email=e",
                "commit",
                "-q",
                "--allow-empty",
                "-m",
                name,
            ],
        ):
            subprocess.run(["git", "-C", str(folder), *words], check=True)
    one, two = (git_revision(tmp_path / name) for name in ("one", "two"))
    assert len(one) == 40
    assert one != two
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "two" / ".git"))  # as inside a git hook
    assert git_revision(tmp_path / "one") == one
