"""Prepares what an experiment works on: starting trees, reference solutions, plans.

Per codebase and level of coupling::

    OUT/ground/CASE/start/        bodies taken out, a share of the interfaces drifted
                    reference/    the finished code
                    ORDER.yaml    a plan per order

All plans of a case have the same tasks. They differ in who waits for whom alone, by the rules of
two strategies of `decompose` and by two extremes:

- ``chain``: each task waits for the one before it;
- ``modules``: a task waits for all that its files import;
- ``interfaces``: only for tasks with files that others need while importing, if it uses them;
- ``flat``: for nothing.

So the calls that no order keeps apart rise from the first to the last. Whatever may start starts
in the same order in all three, that of the imports (`Task.priority`). The same input gives the
same ground, so an experiment finds its trials again.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from drifting import Interface, choose, drift, interfaces, unordered_calls
from libraries import fetch, library, unpack
from stripping import strip

from orchestrator.analysis.codegraph import build
from orchestrator.analysis.codemodel import Strength
from orchestrator.analysis.decomposing.cut import (
    Part,
    ancestors,
    merged,
    parts_of,
    topological,
    without_implied,
)
from orchestrator.analysis.decomposing.survey import HARD, Survey
from orchestrator.analysis.decomposing.testing import look_over
from orchestrator.analysis.goals import find_goal
from orchestrator.core.limits import Limits
from orchestrator.core.task import Task
from orchestrator.spec.plan import Plan, load_plan

ORDERS = ("chain", "modules", "interfaces", "flat")
"""Decompositions, from the most to the least that tasks wait for one another."""

WORKERS = 4
TEST = "python -m pytest -q -x -p unwritten {tests}"
JUDGE = "python -m pytest -q --assert=plain"

_HERE = Path(__file__).parent
_REGION = re.compile(r"^\s*# (?P<end>end)?region: (?P<name>\S+)$")
_SETTINGS = """\
[pytest]
pythonpath = {folder}
testpaths = {tests}
addopts = --disable-plugin-autoload -p no:cacheprovider
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one task does, whatever it waits for.

    Attributes:
        files: what it writes alone, relative to the codebase's `inside`.
        tests: names of the test files that it runs, without ``test_`` and ``.py``.
    """

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Codebase:
    """Code to be written anew, and how it is shared out.

    Attributes:
        name: of the package.
        version: the release; "" for the example of this project.
        folder: where the package is imported from.
        tests: folder of its tests.
        orders: the decompositions, from `ORDERS`.
        pieces: in the order of the imports.
        without: test files that are left out.
        shared: a file in which every task edits a region of its own; "" for none.
    """

    name: str
    version: str
    folder: str
    tests: str
    orders: tuple[str, ...]
    pieces: tuple[Piece, ...]
    shared: str = ""
    without: tuple[str, ...] = ()

    @property
    def inside(self) -> str:
        """The package's own folder, relative to the tree, with a slash at the end."""
        return f"{self.name}/" if self.folder == "." else f"{self.folder}/{self.name}/"

    def place(self, task: str) -> int:
        """Return how many tasks come before this one."""
        return [piece.name for piece in self.pieces].index(task)

    def owners(self) -> dict[str, str]:
        """Return file to task."""
        return {self.inside + file: piece.name for piece in self.pieces for file in piece.files}


_KERNEL = ("event", "condition", "timeout", "process", "interrupts", "exceptions", "environment")

CODEBASES = (
    Codebase(
        "minisql", "", ".", "tests", ("modules", "interfaces", "flat"),
        (
            Piece("types", ("types.py",), ("types",)),
            Piece("syntax", ("tokens.py", "lexer.py", "syntax_tree.py", "scope.py"),
                  ("tokens", "lexer", "syntax_tree", "scope")),
            Piece("library", ("functions.py", "aggregates.py", "storage.py"),
                  ("functions", "aggregates", "storage")),
            Piece("parser", ("parser.py",), ("parser",)),
            Piece("planner", ("plan.py", "planner.py"), ("plan", "planner")),
            Piece("executor", ("expressions.py", "executor.py"), ("expressions", "executor")),
            Piece("shell", ("formatter.py", "shell.py", "engine.py", "__main__.py"),
                  ("formatter", "shell", "end_to_end")),
        ),
        "minisql/__init__.py",
    ),
    Codebase(
        "simpy", library("simpy").version, "src", "tests", ("chain", "modules", "flat"),
        (
            Piece("kernel", ("events.py", "exceptions.py", "core.py"), _KERNEL),
            Piece("stores", ("resources/base.py", "resources/container.py", "resources/store.py"),
                  ("resources",)),
            Piece("resource", ("resources/resource.py",), ("resources",)),
            Piece("around", ("util.py",), ("util",)),
        ),
        # They compare real times, so they fail by chance while several trials run. What they test
        # (rt.py) is in no task.
        without=("tests/test_rt.py", "tests/test_version.py"),
    ),
    Codebase(
        "docstring_parser", library("docstring_parser").version, ".", "docstring_parser/tests",
        ("chain", "modules", "flat"),
        (
            Piece("common", ("common.py", "rest.py"), ("rest",)),
            Piece("epydoc", ("epydoc.py",), ("epydoc",)),
            Piece("google", ("google.py",), ("google",)),
            Piece("numpydoc", ("numpydoc.py",), ("numpydoc",)),
            Piece("parser", ("parser.py", "attrdoc.py", "util.py"),
                  ("parser", "parse_from_object", "util")),
        ),
    ),
)  # fmt: skip
"""What the experiment works on. Which files make a task is said here, and is the same in every
decomposition, so that two of them differ by their order alone. The first pieces are large enough
to be tested by themselves: a mistake that no test of its own task can see would fail every mode
alike."""

_WHENCE = {
    "minisql": {
        "types": ("types",), "syntax": ("tokens", "lexer", "syntax_tree"),
        "library": ("functions", "aggregates", "storage"), "parser": ("parser",),
        "planner": ("planner",), "executor": ("expressions", "executor"),
        "shell": ("formatter", "shell", "integration"),
    },
}  # fmt: skip
"""Regions of the shared file as it came, by the task that gets them."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A case, ready to be run.

    Attributes:
        case: its name.
        level: share of the interfaces that drifted.
        drifted: those that did.
        possible: how many could have.
        plans: order to plan file.
        coupling: order to the pairs of a drifted interface and a calling task that the order
            does not keep apart.
        waits: order to the number of its dependencies.
    """

    case: str
    codebase: Codebase
    level: float
    drifted: tuple[Interface, ...]
    possible: int
    plans: Mapping[str, Path]
    coupling: Mapping[str, int]
    waits: Mapping[str, int]


def prepare(codebase: Codebase, levels: Sequence[float], out: Path, cache: Path) -> list[Ground]:
    """Prepare a codebase at several levels of coupling.

    Args:
        levels: shares of the interfaces that drift, each from 0 to 1.
        out: directory of the experiment; what was prepared there before is kept if it is the same.
        cache: where archives of libraries are kept.

    Raises:
        SystemExit: an archive cannot be fetched, or the code does not fit the table of pieces.
    """
    with tempfile.TemporaryDirectory(prefix="experiment-") as scratch:
        start, reference = _trees(codebase, Path(scratch), cache)
        graph = build(start)
        survey = Survey(graph, find_goal(graph))
        orders = _orders(codebase, survey)
        above = {name: ancestors(topological(parts)) for name, parts in orders.items()}
        # What is called by a task that comes first in any order cannot drift: even one agent
        # alone would write the call before the change.
        able = tuple(
            one
            for one in interfaces(start, reference, codebase.owners())
            if codebase.place(one.owner) < min(map(codebase.place, one.callers))
        )
        made = []
        for level in levels:
            case = f"{codebase.name} {level:.0%}"
            folder = out / "ground" / case.replace(" ", "-").rstrip("%")
            place = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(start, place / "start")
            shutil.copytree(reference, place / "reference")
            chosen = choose(able, level)
            drift(place / "start", chosen)
            for name, parts in orders.items():
                _write_plan(codebase, case, parts, survey, place / f"{name}.yaml")
            _put(place, folder)
            plans = {name: folder / f"{name}.yaml" for name in orders}
            coupling = {name: unordered_calls(chosen, above[name]) for name in orders}
            waits = {n: sum(len(p.waits_for) for p in parts) for n, parts in orders.items()}
            made.append(Ground(case, codebase, level, chosen, len(able), plans, coupling, waits))
        return made


def _put(made: Path, folder: Path) -> None:
    """Put what was made in its place, unless the same is there: trials may be running on it."""
    if folder.is_dir() and _contents(folder) == _contents(made):
        shutil.rmtree(made)
        return
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def _trees(codebase: Codebase, scratch: Path, cache: Path) -> tuple[Path, Path]:
    """Return the starting tree, nothing drifted yet, and the finished one."""
    if codebase.version:
        known = library(codebase.name)
        reference = unpack(fetch(known, cache), known, scratch)
        for path in codebase.without:
            (reference / path).unlink()
        start = scratch / "start"
        shutil.copytree(reference, start)
        strip(start, codebase.folder, codebase.name)
    else:
        example = _HERE.parent / "examples" / codebase.name
        reference, start = scratch / "reference", scratch / "start"
        plain = shutil.ignore_patterns("__pycache__", ".pytest_cache")
        shutil.copytree(example / "project", reference, ignore=plain)
        shutil.copytree(example / "solution", reference, ignore=plain, dirs_exist_ok=True)
        shutil.copytree(reference, start)
        strip(start, codebase.folder, codebase.name)
        shutil.copy2(example / "project" / codebase.shared, start / codebase.shared)
    # What belongs to no task is there from the start.
    kept = codebase.owners().keys() | {codebase.shared}
    for file in sorted((start / codebase.inside).rglob("*.py")):
        path = file.relative_to(start).as_posix()
        if path not in kept:
            shutil.copy2(reference / path, file)
    for tree in (start, reference):
        if codebase.shared:
            file = tree / codebase.shared
            text = file.read_text(encoding="utf-8")
            file.write_text(regrouped(text, _WHENCE[codebase.name]), encoding="utf-8")
        shutil.copy2(_HERE / "unwritten.py", tree / "unwritten.py")
        (tree / "pytest.ini").write_text(
            _SETTINGS.format(folder=codebase.folder, tests=codebase.tests), encoding="utf-8"
        )
    return start, reference


def regrouped(text: str, groups: Mapping[str, Sequence[str]]) -> str:
    """Return a text with its regions put together: one per group, in the order of the groups.

    Args:
        text: its regions stand one after the other; what is between them is left out.
        groups: name of the new region to the names of the old ones.
    """
    regions: dict[str, list[str]] = {}
    before: list[str] = []
    after: list[str] = []
    name = ""
    for line in text.splitlines(keepends=True):
        marker = _REGION.match(line.rstrip())
        if marker:
            name = "" if marker["end"] else marker["name"]
            regions.setdefault(marker["name"], [])
        elif name:
            regions[name].append(line)
        elif not regions:
            before.append(line)
        elif line.strip() != "#":
            after.append(line)
    made = []
    for group, olds in groups.items():
        lines = [line for old in olds for line in regions.pop(old)]
        made.append("".join([f"    # region: {group}\n", *lines, f"    # endregion: {group}\n"]))
    if regions:
        raise SystemExit(f"regions of no task: {', '.join(regions)}")
    return "".join([*before, "    #\n    #\n".join(made), *after])


def _orders(codebase: Codebase, survey: Survey) -> dict[str, tuple[Part, ...]]:
    """Return the parts under each order."""
    owners = codebase.owners()
    missing = set(survey.files) - owners.keys() - {codebase.shared}
    if missing:
        raise SystemExit(f"{codebase.name}: files of no task: {', '.join(sorted(missing))}")
    groups = [
        [codebase.inside + file for file in piece.files if codebase.inside + file in survey.files]
        for piece in codebase.pieces
    ]
    names = [piece.name for piece in codebase.pieces]
    found = {}
    for order, edges in _edges(survey, groups).items():
        if order not in codebase.orders:
            continue
        parts = {part.name: part for part in without_implied(parts_of(groups, edges, names))}
        found[order] = tuple(parts[name] for name in names)
    return found


def _edges(
    survey: Survey, groups: Sequence[Sequence[str]]
) -> dict[str, Mapping[str, frozenset[str]]]:
    """Return who waits for whom by order; no piece waits for one that comes after it."""
    rank = {path: number for number, group in enumerate(groups) for path in group}
    nobody: frozenset[str] = frozenset()
    hard = survey.needs(HARD)
    if len(merged(groups, {p: hard[p] & rank.keys() for p in rank})) < len(groups):
        raise SystemExit("pieces need one another while importing")
    every = survey.needs(tuple(Strength))
    # A circle of imports is cut as by the strategy: what comes later is only called.
    forward = {p: frozenset(q for q in every[p] if rank.get(q, len(rank)) <= rank[p]) for p in rank}
    needed = {target for path in rank for target in hard[path]}
    settled = {path for group in groups if needed.intersection(group) for path in group}
    last = [""] + [group[0] for group in groups]
    return {
        "chain": {path: frozenset({last[number]}) for path, number in rank.items()},
        "modules": forward,
        "interfaces": {path: forward[path] & settled for path in rank},
        "flat": dict.fromkeys(rank, nobody),
    }


def _write_plan(
    codebase: Codebase, case: str, parts: Sequence[Part], survey: Survey, file: Path
) -> None:
    """Write a plan beside its starting tree.

    Raises:
        OrchestratorError: it has mistakes.
    """
    pieces = {piece.name: piece for piece in codebase.pieces}
    tasks = tuple(
        _task(codebase, pieces[part.name], part, survey, len(parts) - number)
        for number, part in enumerate(parts)
    )
    plan = Plan(
        name=case, goal=_GOAL.format(name=codebase.name), tasks=tasks,
        limits=Limits(workers=WORKERS, attempts=3, turns=60, wall=86_400.0, lease=14_400.0),
        workspace=file.parent / "start", base=file.parent, model="oracle:./reference",
    )  # fmt: skip
    data = plan.to_data()
    data["workspace"] = "./start"
    file.write_text(yaml.safe_dump(data, sort_keys=False, width=100), encoding="utf-8")
    load_plan(file)


_GOAL = """\
Write the bodies that are missing in {name}, so that its test-suite passes. Every function exists
as a stub that says what to do. Others work on the other files at the same time.
"""


def _task(codebase: Codebase, piece: Piece, part: Part, survey: Survey, priority: int) -> Task:
    files = tuple(codebase.inside + file for file in piece.files)
    tests = tuple(f"{codebase.tests}/test_{name}.py" for name in piece.tests)
    shared = (codebase.shared,) if codebase.shared else ()
    advice = f" Add its names between your markers in {codebase.shared}." if shared else ""
    return Task(
        id=piece.name,
        title=f"Write {', '.join(piece.files)}",
        instructions=f"Write the bodies that are missing in {', '.join(files)}.{advice}",
        role="implementer",
        depends_on=tuple(sorted(part.waits_for)),
        writes=files,
        shares=shared,
        tests=tests,
        test=TEST if tests else look_over(files),
        estimate=float(round(survey.seconds(part.files))),
        priority=priority * 10_000,
    )


def upstream(tree: Path) -> bool:
    """Whether the judge passes on a tree, outside of any sandbox."""
    words = [sys.executable, "-B", *JUDGE.split()[1:], "--tb=no"]
    return subprocess.run(words, cwd=tree, capture_output=True, check=False).returncode == 0


def check_ground(made: Sequence[Ground]) -> None:
    """Ask whether the judge accepts each reference solution and no starting tree.

    Raises:
        SystemExit: not so; the experiment would measure nothing.
    """
    for one in made:
        place = next(iter(one.plans.values())).parent
        if not upstream(place / "reference") or upstream(place / "start"):
            raise SystemExit(f"{one.case}: the judge does not tell start and reference apart")
