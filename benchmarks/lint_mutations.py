"""How good is the linter? Plants defects in correct plans and counts what it finds.

    python benchmarks/lint_mutations.py [--json] [--only NAME]... [--cache DIR] [--per-kind N]

The plans are minisql's own and one for each of three libraries, whose source archives pip
fetches when this runs. What can go wrong with a plan is decided by `lint_judging.py`, which
shares no code with the linter but the edges of the code graph.

A defect counts as found only if every pair of tasks that can collide (or is in the wrong order)
is named by a finding of severity error or warning that was not there before. A plan counts as
wrongly accused if there is such a finding on the correct plan, or one that names a pair of
which the judge says that nothing can happen.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lint_judging import Judge, Pair, Verdict
from lint_planting import KINDS, Case, derive

from orchestrator.analysis.codegraph import build
from orchestrator.analysis.lint import accused, lint
from orchestrator.spec.findings import Finding
from orchestrator.spec.plan import Plan, check_plan, load_plan
from orchestrator.spec.roles import Role, load_roles

MINISQL = Path(__file__).resolve().parent.parent / "examples" / "minisql" / "plan.yaml"
LIBRARIES = {  # name: version, folder of its modules
    "simpy": ("4.1.2", "src/simpy"),
    "docstring_parser": ("0.18.0", "docstring_parser"),
    "mistune": ("3.4.0", "src/mistune"),
}
PAIRWISE = {"overlap", "missing-dependency", "read-write", "test-reaches-unordered"}
"""Codes that say of two tasks that they should not run at once."""


@dataclass(slots=True)
class Score:
    """What lint found of one kind of defect.

    Attributes:
        planted: defects.
        collide: of them, those with which a run can collide; and how many were found.
        late: those where a task is done before what it needs; and how many were found.
        circular: those that cannot run; and how many were found.
        harmless: those with which nothing can go wrong.
        pairs_accused: pairs named as dangerous; and how many of them wrongly.
        missed: what was done in the defects that were not found.
    """

    planted: int = 0
    collide: int = 0
    collide_found: int = 0
    late: int = 0
    late_found: int = 0
    circular: int = 0
    circular_found: int = 0
    harmless: int = 0
    pairs_accused: int = 0
    pairs_wrongly: int = 0
    missed: list[str] = field(default_factory=list)

    def count(self, done: str, verdict: Verdict, findings: Sequence[Finding]) -> None:
        """Count one planted defect."""
        self.planted += 1
        named = [frozenset(finding.tasks) for finding in findings]
        if verdict.circular:
            found = any(finding.code == "cycle" for finding in findings)
            self.circular += 1
            self.circular_found += found
        else:
            collides = _all_named(verdict.collide, named)
            late = _all_named(verdict.late, named)
            self.collide += bool(verdict.collide)
            self.collide_found += bool(verdict.collide) and collides
            self.late += bool(verdict.late)
            self.late_found += bool(verdict.late) and late
            self.harmless += verdict.harmless
            found = collides and late
            self._accused(verdict, findings)
        if not found:
            self.missed.append(done)

    def _accused(self, verdict: Verdict, findings: Sequence[Finding]) -> None:
        pairs = {
            frozenset(finding.tasks)
            for finding in findings
            if finding.code in PAIRWISE and len(finding.tasks) == 2
        }
        self.pairs_accused += len(pairs)
        self.pairs_wrongly += len(pairs - verdict.collide - verdict.reach)


def _all_named(pairs: frozenset[Pair], named: Sequence[Pair]) -> bool:
    return all(any(pair <= tasks for tasks in named) for pair in pairs)


@dataclass(slots=True)
class Outcome:
    """What lint made of one codebase."""

    name: str
    tasks: int
    edges: int
    clean: bool
    accusations: list[str]
    kinds: dict[str, Score] = field(default_factory=dict)


def measure(case: Case, per_kind: int, seed: int) -> Outcome:
    """Plant defects in a plan and count what lint finds."""
    roles = load_roles()
    judge = Judge(case.graph)
    before = _accusations(case, case.plan, roles)
    outcome = Outcome(
        case.name,
        len(case.plan.tasks),
        sum(len(task.depends_on) for task in case.plan.tasks),
        judge.judge(case.plan).harmless,
        [f"{finding.code}: {finding.what}" for finding in before],
    )
    for kind, plant in KINDS.items():
        chance = random.Random(f"{seed}/{case.name}/{kind}")
        planted = list(plant(case, chance))
        if len(planted) > per_kind:
            planted = chance.sample(planted, per_kind)
        score = outcome.kinds[kind] = Score()
        known = {(finding.code, finding.tasks, finding.what) for finding in before}
        for done, tasks in planted:
            plan = replace(case.plan, tasks=tasks, path=None)
            verdict = judge.judge(plan)
            new = [
                finding
                for finding in _accusations(case, plan, roles)
                if (finding.code, finding.tasks, finding.what) not in known
            ]
            score.count(done, verdict, new)
    return outcome


def _accusations(case: Case, plan: Plan, roles: Mapping[str, Role]) -> list[Finding]:
    found = accused(check_plan(plan, roles))
    if any(finding.code == "cycle" for finding in found):
        return found
    return found + accused(lint(plan, case.graph))


# --- codebases -------------------------------------------------------------------------------


def cases(names: Sequence[str], cache: Path) -> Iterator[Case]:
    """Yield the correct plans."""
    if "minisql" in names:
        plan = load_plan(MINISQL)
        assert plan.workspace is not None
        yield Case("minisql", plan, build(plan.workspace))
    for name, (version, folder) in LIBRARIES.items():
        if name in names:
            graph = build(fetch(name, version, cache))
            yield Case(name, derive(name, graph, folder), graph)


def fetch(name: str, version: str, cache: Path) -> Path:
    """Return the directory of a library's source archive, which pip fetches once."""
    root = cache / f"{name}-{version}"
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        words = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(cache)]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words, f"{name}=={version}"],
            check=False, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"pip cannot fetch {name} {version}:\n{done.stderr.strip()}")
        with tarfile.open(cache / f"{name}-{version}.tar.gz") as archive:
            archive.extractall(cache, filter="data")
    return root


# --- printing --------------------------------------------------------------------------------


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{'':18}{'':18}{'planted':>8}  {'collide':>11}  {'late':>9}  {'circular':>9}  " \
          f"{'harmless':>8}  {'pairs accused':>13}  {'wrongly':>7}"  # fmt: skip
    for outcome in outcomes:
        for kind, score in outcome.kinds.items():
            yield (
                f"{outcome.name:18}{kind:18}{score.planted:>8}  "
                f"{_of(score.collide_found, score.collide):>11}  "
                f"{_of(score.late_found, score.late):>9}  "
                f"{_of(score.circular_found, score.circular):>9}  {score.harmless:>8}  "
                f"{score.pairs_accused:>13}  {score.pairs_wrongly:>7}"
            )
            for done in score.missed:
                yield f"    missed: {done}"
    scores = [score for outcome in outcomes for score in outcome.kinds.values()]
    collide, found = sum(s.collide for s in scores), sum(s.collide_found for s in scores)
    late, late_found = sum(s.late for s in scores), sum(s.late_found for s in scores)
    yield ""
    yield f"Defects with which a run can collide: {_of(found, collide)} found (all: the goal)."
    yield f"Defects with a task before what it needs: {_of(late_found, late)} found."
    for outcome in outcomes:
        said = "; ".join(outcome.accusations) or "nothing"
        yield (
            f"{outcome.name}, {outcome.tasks} tasks, {outcome.edges} edges, "
            f"{'nothing' if outcome.clean else 'SOMETHING'} can go wrong: accused of {said}."
        )
    wrong = sum(bool(outcome.accusations) for outcome in outcomes)
    pairs, bad = sum(s.pairs_accused for s in scores), sum(s.pairs_wrongly for s in scores)
    yield f"Correct plans wrongly accused: {wrong} of {len(outcomes)} (none: the goal)."
    yield f"Pairs wrongly accused in plans with a defect: {bad} of {pairs}."


def _of(found: int, all_: int) -> str:
    return f"{found} of {all_}" if all_ else "-"


def main() -> int:
    """Measure and print; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description="How good is the linter?")
    names = ["minisql", *LIBRARIES]
    parser.add_argument("--only", action="append", choices=names, help="just this codebase")
    parser.add_argument("--per-kind", type=int, default=40, help="defects of a kind, at most")
    parser.add_argument("--seed", type=int, default=1)
    default = Path(tempfile.gettempdir()) / "orchestrator-libraries"
    parser.add_argument("--cache", type=Path, default=default, help="where archives are kept")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    wanted = given.only or names
    outcomes = [measure(case, given.per_kind, given.seed) for case in cases(wanted, given.cache)]
    if given.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
    else:
        print("\n".join(table(outcomes)))
    scores = [score for outcome in outcomes for score in outcome.kinds.values()]
    missed = any(score.collide_found < score.collide for score in scores)
    return int(missed or any(outcome.accusations or not outcome.clean for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
