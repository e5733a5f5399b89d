"""Certificates: made if and only if all unordered pairs are safe, with findings when not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import combinations, product
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from orchestrator.analysis.certificate import certify, claim, narrowed, with_reads
from orchestrator.analysis.codegraph import build
from orchestrator.analysis.verify import verify
from orchestrator.errors import UsageError
from orchestrator.spec.plan import Plan, find, load_plan

NAMES = ("a.py", "b.py", "x.py", "z.py", "zz.py", "d", "e", "q", "r.md", "test_a.py", "tests")
UNIVERSE = tuple("/".join(names) for depth in (1, 2, 3) for names in product(NAMES, repeat=depth))
GLOBS = {
    "a.py": r"a\.py(/.*)?",
    "b.py": r"b\.py(/.*)?",
    "d": r"d(/.*)?",
    "d/e": r"d/e(/.*)?",
    "d/*.py": r"d/[^/]*\.py",
    "?.py": r"[^/]\.py",
    "[ab].py": r"[ab]\.py",
    "d/[!x].py": r"d/[^x/]\.py",
    "**/x.py": r"(.*/)?x\.py",
    "**/*.py": r"(.*/)?[^/]*\.py",
    "{a.py,r.md}": r"a\.py|r\.md",
    "**/r.md": r"(.*/)?r\.md",
    "**": r".*",
    "**/tests/**": r"(.*/)?tests(/.*)?",
    "test/**": r"test(/.*)?",
    "**/test_*.py": r"(.*/)?test_[^/]*\.py",
    "**/*_test.py": r"(.*/)?[^/]*_test\.py",
    "**/conftest.py": r"(.*/)?conftest\.py",
    "docs/**": r"docs(/.*)?",
    "doc/**": r"doc(/.*)?",
    "**/*.md": r"(.*/)?[^/]*\.md",
    "**/*.rst": r"(.*/)?[^/]*\.rst",
}
"""Each glob as a regular expression, written by hand."""

CODE = ("**", "!**/tests/**", "!test/**", "!**/test_*.py", "!**/*_test.py", "!**/conftest.py")
ROLES = {"implementer": CODE, "documenter": ("docs/**", "doc/**", "**/*.md", "**/*.rst")}
SOME = tuple(GLOBS)[:12]


@lru_cache
def named(glob: str) -> frozenset[str]:
    return frozenset(path for path in UNIVERSE if re.fullmatch(GLOBS[glob], path))


def paths(globs: tuple[str, ...]) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for glob in globs:
        found = found - named(glob[1:]) if glob.startswith("!") else found | named(glob)
    return found


def all_safe(tasks: list[dict[str, Any]]) -> bool:
    """Whether Bernstein's conditions hold for all unordered pairs, path by path."""
    after: dict[str, set[str]] = {}
    for task in tasks:
        after[task["id"]] = {x for name in task["depends_on"] for x in (name, *after[name])}
    skipping = {task["id"] for task in tasks if task.get("on_failure", "skip") == "skip"}
    writes, reads = {}, {}
    for task in tasks:
        bound = paths(ROLES[task["role"]])
        writes[task["id"]] = (paths(tuple(task["writes"])) | paths(tuple(task["shares"]))) & bound
        reads[task["id"]] = paths(tuple(task["reads"]))
    for a, b in combinations(writes, 2):
        if (a in after[b] and a in skipping) or (b in after[a] and b in skipping):
            continue
        if writes[a] & (writes[b] | reads[b]) or reads[a] & writes[b]:
            return False
    return True


def some_globs(random: Random, most: int) -> list[str]:
    chosen = random.sample(SOME, random.randint(1, most))
    if random.random() < 0.4:
        chosen += ["!" + glob for glob in random.sample(SOME, random.randint(1, 2))]
    return chosen


def random_tasks(random: Random) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = []
    for n in range(random.randint(2, 4)):
        needs = [one["id"] for one in tasks if random.random() < 0.4]
        role = random.choice(("implementer", "implementer", "implementer", "documenter"))
        task = {
            "id": f"t{n}",
            "role": role,
            "depends_on": needs,
            "writes": some_globs(random, 2) if role == "implementer" else ["**/r.md"],
            "shares": [],
            "reads": some_globs(random, 2) if random.random() < 0.8 else [],
        }
        if random.random() < 0.2:
            task["on_failure"] = "continue"
        tasks.append(task)
    return tasks


def write_plan(folder: Path, tasks: list[dict[str, Any]], **more: Any) -> Path:
    (folder / "project").mkdir(parents=True, exist_ok=True)
    path = folder / "plan.yaml"
    data = {"version": 1, "workspace": "./project", **more, "tasks": tasks}
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def plan_of(folder: Path, *tasks: Mapping[str, Any]) -> Plan:
    full = [{"depends_on": [], "reads": [], **task} for task in tasks]
    return load_plan(write_plan(folder, full))


# --- if and only if ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_certificate_is_made_and_verified_exactly_when_all_unordered_pairs_are_safe(
    tmp_path: Path,
) -> None:
    random = Random(4)
    outcomes = {True: 0, False: 0}
    (tmp_path / "project").mkdir()
    graph = build(tmp_path / "project")
    file = tmp_path / "certificate.json"
    for _ in range(150):
        tasks = random_tasks(random)
        plan, _ = find(write_plan(tmp_path, tasks))
        if plan is None:  # an empty scope, or one outside the role
            continue
        safe = all_safe(tasks)
        assert (certify(plan, graph).certificate is not None) == safe, tasks
        file.write_text(json.dumps(claim(plan, graph)))
        assert (verify(file, tmp_path / "plan.yaml") == ()) == safe, tasks
        outcomes[safe] += 1
    assert min(outcomes.values()) > 15, outcomes


# --- findings ------------------------------------------------------------------------------------


def test_two_plain_files_need_no_search(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        {"id": "one", "writes": ["a.py"], "reads": ["a.py", "c.py"]},
        {"id": "two", "writes": ["b.py"], "reads": ["c.py"]},
    )
    answer = certify(plan)
    assert answer.certificate is not None
    (pair,) = answer.certificate["unordered"]
    assert pair["tasks"] == ["one", "two"]
    assert pair["writes_writes"] == [["a.py", "b.py", "begins", "a.py/", "b.py/"]]
    assert pair["reads_writes"][1] == ["c.py", "b.py", "begins", "c.py/", "b.py/"]


@pytest.mark.parametrize(
    ("one", "two", "reason"),
    [
        (["src/*.py"], ["src/*.md"], ["ends", ".py", ".md"]),
        (["**", "!docs"], ["docs/*.md"], ["removed", "docs"]),
        (["src/**", "!src/*.c"], ["src/*.c"], ["removed", "src/*.c"]),
        (["a?.py"], ["a*b.py", "!a?.py"], ["removed", "a?.py"]),
        (["?a.py"], ["?b.py"], ["ends", "a.py", "b.py"]),
        (["*a"], ["*[!a]"], ["search"]),
    ],
)
def test_the_simplest_reason_is_given(
    tmp_path: Path, one: list[str], two: list[str], reason: list[str]
) -> None:
    answer = certify(plan_of(tmp_path, {"id": "a", "writes": one}, {"id": "b", "writes": two}))
    assert answer.certificate is not None
    assert answer.certificate["unordered"][0]["writes_writes"][0][2:] == reason


def test_reading_everything_beside_a_writer_is_refused_with_the_narrow_list(
    tmp_path: Path,
) -> None:
    plan = plan_of(
        tmp_path,
        {"id": "one", "writes": ["a.py"], "reads": ["**"]},
        {"id": "two", "writes": ["b.py"]},
    )
    answer = certify(plan)
    assert answer.certificate is None
    (finding,) = answer.findings
    assert finding.code == "uncertified-reads"
    assert finding.tasks == ("one", "two")
    assert finding.witness == "b.py"
    assert 'reads: ["**", "!b.py"]' in finding.fix
    assert narrowed(plan) == {"one": ("**", "!b.py")}
    assert certify(with_reads(plan, narrowed(plan))).findings == ()


def test_reads_that_hold_nothing_else_are_narrowed_to_nothing(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        {"id": "one", "writes": ["a.py"], "reads": ["src/b.py"]},
        {"id": "two", "writes": ["src"]},
    )
    assert narrowed(plan) == {"one": ()}


def test_a_file_that_several_write_is_one_finding(tmp_path: Path) -> None:
    tasks = [{"id": f"t{n}", "writes": [f"{n}.py"], "shares": ["hub.py"]} for n in range(3)]
    (finding,) = certify(plan_of(tmp_path, *tasks)).findings
    assert finding.code == "uncertified-writes"
    assert finding.tasks == ("t0", "t1", "t2")
    assert finding.witness == "hub.py"


def test_an_edge_from_a_task_that_may_fail_is_no_order(tmp_path: Path) -> None:
    def plan(on_failure: str) -> Plan:
        return plan_of(
            tmp_path,
            {"id": "first", "writes": ["a.py"], "on_failure": on_failure},
            {"id": "second", "writes": ["b.py"], "reads": ["a.py"], "depends_on": ["first"]},
        )

    assert certify(plan("skip")).certificate is not None
    answer = certify(plan("continue"))
    assert [one.code for one in answer.findings] == ["uncertified-reads"]


def test_an_ordered_pair_is_proved_by_a_path(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        {"id": "a", "writes": ["x.py"]},
        {"id": "b", "writes": ["y.py"], "depends_on": ["a"]},
        {"id": "c", "writes": ["x.py"], "depends_on": ["b"]},
    )
    answer = certify(plan)
    assert answer.certificate is not None
    assert {"path": ["a", "b", "c"]} in answer.certificate["ordered"]
    assert (answer.ordered, answer.unordered) == (3, 0)


def test_what_the_code_needs_counts_as_read(
    tmp_path: Path, tree: Callable[[Mapping[str, str]], Path]
) -> None:
    tree(
        {
            "pkg/__init__.py": "",
            "pkg/low.py": "def f(): ...\n",
            "pkg/high.py": "from pkg.low import f\n\ndef g():\n    return f()\n",
            "tests/test_high.py": "from pkg.high import g\n\ndef test_g():\n    g()\n",
        }
    )
    tasks = [
        {"id": "low", "writes": ["pkg/low.py"]},
        {"id": "high", "writes": ["pkg/high.py"], "tests": ["tests/test_high.py"]},
    ]
    answer = certify(plan_of(tmp_path, *tasks))
    (finding,) = answer.findings
    assert finding.code == "uncertified-needs"
    assert finding.tasks == ("high", "low")
    assert finding.witness == "pkg/low.py"
    assert "depends_on: [low]" in finding.fix
    mended = certify(plan_of(tmp_path, tasks[0], {**tasks[1], "depends_on": ["low"]}))
    assert mended.certificate is not None
    derived = {task["id"]: task["derived"] for task in mended.certificate["tasks"]}
    assert derived == {"low": [], "high": ["pkg/low.py", "tests/test_high.py"]}
    assert set(mended.certificate["files"]) >= {"pkg/low.py", "pkg/high.py", "pkg/__init__.py"}


def test_tests_named_in_the_command_count(
    tmp_path: Path, tree: Callable[[Mapping[str, str]], Path]
) -> None:
    tree(
        {
            "a.py": "",
            "b.py": "",
            "tests/conftest.py": "import b\n",
            "tests/test_a.py": "import a\n\ndef test_a(): ...\n",
        }
    )
    plan = plan_of(
        tmp_path,
        {"id": "a", "writes": ["a.py"], "test": "python -m pytest -q tests"},
        {"id": "b", "writes": ["b.py"]},
    )
    (finding,) = certify(plan).findings
    assert (finding.tasks, finding.witness) == (("a", "b"), "b.py")


def test_code_that_cannot_be_read_cannot_be_certified(
    tmp_path: Path, tree: Callable[[Mapping[str, str]], Path]
) -> None:
    tree({"a.py": "def (:\n", "b.py": ""})
    plan = plan_of(tmp_path, {"id": "a", "writes": ["a.py"]}, {"id": "b", "writes": ["b.py"]})
    (finding,) = certify(plan).findings
    assert finding.code == "uncertified-code"
    assert finding.tasks == ("a",)
    assert "a.py:1:" in finding.where


def test_a_plan_without_a_file_has_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        certify(Plan(name="in code"))
