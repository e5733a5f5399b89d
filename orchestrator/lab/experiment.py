"""An experiment: arms that are compared, cases that block them, repeats that pair them.

An *arm* is a decomposition, a mode, a model and a number of workers. A *case* is a codebase with
its goal; plans of one case are decompositions of it. A *repeat* is a seed. All arms of a case
run with the same seeds, and trials of the same case and seed are compared with one another. The
order of the arms alternates from one repeat to the next (A B, B A), so that a machine that gets
slower or a provider that gets faster favours none.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import OrchestratorError, PlanError, Problem, UsageError
from orchestrator.lab.outcomes import MEASURES
from orchestrator.models.behaviour import Behaviour, find_profile
from orchestrator.models.registry import create_model
from orchestrator.runtime.modes import choose_validation, find_mode
from orchestrator.runtime.scan import named_plainly, scan_tree
from orchestrator.spec.findings import errors
from orchestrator.spec.plan import Plan, find

VERSION = 1
"""Of the layout of a trial's directory; a trial of another version is run again."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition.

    Attributes:
        plan: name of the decomposition; "" when each case has only one.
        mode: coordination mode.
        model: as on the command line; "" is the plan's own.
        workers: worker threads in force.
        validate: what makes a write stale; "" is as the plan has it.
    """

    plan: str
    mode: str
    model: str
    workers: int
    validate: str = ""

    def name(self, others: Sequence[Arm]) -> str:
        """Return what tells this arm from the others, in words."""
        parts = {
            "plan": self.plan,
            "mode": self.mode,
            "model": self.model or "the plan's model",
            "workers": f"{self.workers} worker{'s' * (self.workers != 1)}",
            "validate": f"writes validated by {self.validate or 'the plan'}",
        }
        differing = [
            text
            for key, text in parts.items()
            if len({getattr(one, key) for one in (self, *others)}) > 1
        ]
        # Solo means one worker: to say so beside the mode tells nothing more.
        if "mode" in parts and parts["mode"] in differing and _tells_workers((self, *others)):
            differing = [text for text in differing if text != parts["workers"]]
        return ", ".join(part for part in differing if part) or self.mode


def _tells_workers(arms: Sequence[Arm]) -> bool:
    workers: dict[str, set[int]] = {}
    for arm in arms:
        workers.setdefault(arm.mode, set()).add(arm.workers)
    return all(len(numbers) == 1 for numbers in workers.values())


@dataclass(frozen=True, slots=True)
class Case:
    """A codebase with a goal, and the ways in which the goal was cut.

    Attributes:
        plans: name of the decomposition to its plan.
    """

    name: str
    plans: Mapping[str, Plan]


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one arm.

    Attributes:
        name: of its directory; the same for whatever would run the same way.
    """

    name: str
    case: str
    arm: Arm
    seed: int
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is compared.

    Attributes:
        cases: in order; each with at least one plan.
        modes: in order; empty: each plan's own.
        models: in order; empty: each plan's own.
        workers: in order; empty: each plan's own limit.
        validations: what makes a write stale, in order; empty: each plan's own.
        repeats: seeds per arm and case: `seed`, `seed` + 1, ….
        options: options of the models.
        primary: the outcome that decides, one of `MEASURES`; fixed before the runs.
        judge: command that must pass on the final tree; "": the tasks' own tests decide.
        general: claim something about cases in general, not about these cases.
        time: ``real``, or ``virtual`` (see `runtime.virtualtime`), for offline models.
        command_seconds: virtual seconds that each command takes; None when time is real.
        file: the experiment file that it was read from; None: there was none.
    """

    cases: tuple[Case, ...]
    modes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    workers: tuple[int, ...] = ()
    validations: tuple[str, ...] = ()
    repeats: int = 5
    seed: int = 0
    options: tuple[tuple[str, str], ...] = ()
    primary: str = "makespan"
    judge: str = ""
    general: bool = False
    time: str = "real"
    command_seconds: float | None = None
    file: Path | None = None

    def arms(self, case: Case) -> list[Arm]:
        """Return the arms of a case, each once."""
        found: dict[Arm, None] = {}
        for label, plan in case.plans.items():
            for mode in self.modes or (plan.mode,):
                for model in self.models or ("",):
                    for workers in self.workers or (plan.limits.workers,):
                        in_force = find_mode(mode).workers(workers)
                        for validate in self.validations or ("",):
                            found[Arm(label, mode, model, in_force, validate)] = None
        return list(found)

    def all_arms(self) -> list[Arm]:
        """Return the arms of all cases, each once; the first is the baseline."""
        return list(dict.fromkeys(arm for case in self.cases for arm in self.arms(case)))

    @property
    def total(self) -> int:
        """The number of trials."""
        return self.repeats * sum(len(self.arms(case)) for case in self.cases)

    def notes(self) -> list[str]:
        """Return what makes the arms differ in more than was asked for."""
        if self.workers:
            return []
        return [
            f"the plans of {case.name} ask for different numbers of workers; --workers makes "
            "them equal"
            for case in self.cases
            if len({plan.limits.workers for plan in case.plans.values()}) > 1
        ]

    def trials(self) -> list[Trial]:
        """Return all trials in the order in which they should run."""
        marks = {
            (case.name, label): self._mark(plan)
            for case in self.cases
            for label, plan in case.plans.items()
        }
        found = []
        for repeat in range(self.repeats):
            for case in self.cases:
                arms = self.arms(case)
                for arm in arms if repeat % 2 == 0 else reversed(arms):
                    seed = self.seed + repeat
                    mark = marks[case.name, arm.plan]
                    name = self._name(arm, seed, mark)
                    found.append(Trial(name, case.name, arm, seed, case.plans[arm.plan]))
        return found

    def check(self) -> None:
        """Ask whether the experiment can run, before anything is spent.

        Raises:
            UsageError: it cannot; all mistakes are in `problems`.
        """
        problems = list(self._problems())
        if problems:
            raise UsageError(
                f"this experiment cannot run ({len(problems)} to mend)", problems=problems
            )

    def _problems(self) -> Iterator[Problem]:
        if self.repeats < 1:
            yield Problem("an experiment needs at least one repeat", "--repeats", fix="say more")
        if self.primary not in MEASURES:
            known = ", ".join(MEASURES)
            yield Problem(f"there is no outcome {self.primary!r}", "--primary", fix=f"use {known}")
        yield from (
            Problem(f"a run cannot have {number} workers", "--workers", fix="say 1 or more")
            for number in self.workers
            if number < 1
        )
        yield from self._time_problems()
        for asked in self.validations:
            try:
                choose_validation(asked)
            except UsageError as error:
                yield from error.problems
        wanted = self.modes or [plan.mode for case in self.cases for plan in case.plans.values()]
        wrong = [problem for mode in dict.fromkeys(wanted) for problem in _mode_problems(mode)]
        yield from wrong
        if wrong or any(number < 1 for number in self.workers):
            return
        if len(self.all_arms()) < 2:
            yield Problem(
                "there is only one arm, so there is nothing to compare it with", "compare",
                fix="name another plan, --modes, --models or --workers (mode solo has one worker)",
            )  # fmt: skip
        yield from self._model_problems()
        yield from self._case_problems()

    def _time_problems(self) -> Iterator[Problem]:
        taken = self.command_seconds
        if self.time == "virtual" and taken is None:
            yield Problem(
                "it is not said what a command takes in virtual time", "--time virtual",
                "how long it really takes is not the same again, so neither would a trial be",
                "say --command-seconds 20, or command_seconds in the experiment file",
            )  # fmt: skip
        elif self.time != "virtual" and taken is not None:
            yield Problem(
                f"commands cannot take {taken:g} seconds in real time", "--command-seconds",
                "a command takes as long as it really takes",
                "add --time virtual (time in the experiment file), or leave it out",
            )  # fmt: skip
        elif taken is not None and not 0 <= taken < math.inf:
            yield Problem(
                f"commands cannot take {taken:g} seconds", "--command-seconds",
                fix="say zero or more",
            )  # fmt: skip

    def _model_problems(self) -> Iterator[Problem]:
        asked = {
            (model or plan.model, Path.cwd() if model else plan.base)
            for case in self.cases
            for plan in case.plans.values()
            for model in self.models or ("",)
        }
        for model, base in sorted(asked):
            try:
                create_model(model, dict(self.options), base).close()
            except OrchestratorError as error:
                yield from error.problems

    def _case_problems(self) -> Iterator[Problem]:
        from orchestrator.lab.statistics import GENERAL

        if self.general and len(self.cases) < GENERAL:
            yield Problem(
                f"{len(self.cases)} cases say nothing about cases in general", "--claim general",
                f"with fewer than {GENERAL} no test of case means can reach 5 %, whatever is found",
                f"name plans of at least {GENERAL} codebases, or make the claim about these cases",
            )  # fmt: skip

    def _mark(self, plan: Plan) -> str:
        """Return a digest of all that a run of this plan starts from."""
        files = {}
        if plan.workspace is not None:
            files = scan_tree(plan.workspace, named_plainly(plan.tasks)).files
        digests = [[path, entry.digest] for path, entry in sorted(files.items())]
        return _digest([plan.digest, digests, _model_mark(plan.model, plan.base)])

    def _name(self, arm: Arm, seed: int, mark: str) -> str:
        model = _model_mark(arm.model, Path.cwd()) if arm.model else ""
        said = [VERSION, arm.plan, arm.mode, arm.model, model, arm.workers, seed, mark,
                sorted(self.options), *self._clock(),
                *_profile_mark(dict(self.options)), *_said(arm.validate)]  # fmt: skip
        words = "-".join(
            part for part in (arm.plan, arm.mode, f"w{arm.workers}", arm.validate) if part
        )
        plain = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in words)
        return f"{plain[:48]}-s{seed}-{_digest(said)[:16]}"

    def _clock(self) -> tuple[object, ...]:
        return () if self.time == "real" else (self.time, self.command_seconds)

    def name(self) -> str:
        """Return a short name that stays the same when only repeats are added."""
        said = [
            [[case.name, label, plan.digest] for case in self.cases
             for label, plan in case.plans.items()],
            self.modes, self.models, self.workers, sorted(self.options), self.seed,
            *self._clock(), *self.validations,
        ]  # fmt: skip
        return _digest(said)[:10]


def cases_of(paths: Sequence[Path]) -> tuple[tuple[Case, ...], list[str]]:
    """Return plans sorted into cases by the codebase that they work on, and what to know of it.

    Raises:
        PlanError: a plan cannot be read or run; the mistakes of all plans are in `problems`.
    """
    plans: list[Plan] = []
    problems: list[Problem] = []
    for path in dict.fromkeys(path.absolute() for path in paths):
        plan, findings = find(path)
        problems += errors(findings)
        if plan is not None:
            plans.append(plan)
    if problems:
        raise PlanError(f"{len(problems)} mistakes in the plans to compare", problems=problems)
    grouped: dict[str, list[Plan]] = {}
    for plan in plans:
        place = plan.workspace.resolve() if plan.workspace else plan.path
        grouped.setdefault(str(place), []).append(plan)
    notes = [
        f"the plans {', '.join(_labels(group))} put their goal in different words; they are taken "
        "for one case, because they work on the same codebase"
        for group in grouped.values()
        if len({" ".join(plan.goal.split()) for plan in group}) > 1
    ]
    names = _unique([group[0].name for group in grouped.values()])
    cases = [Case(name, _labelled(group)) for name, group in
             zip(names, grouped.values(), strict=True)]  # fmt: skip
    return tuple(cases), notes


def _labelled(plans: Sequence[Plan]) -> Mapping[str, Plan]:
    if len(plans) == 1:
        return {"": plans[0]}
    return dict(zip(_labels(plans), plans, strict=True))


def _labels(plans: Sequence[Plan]) -> list[str]:
    """Return the shortest names of plan files that tell them apart."""
    files = [plan.path.with_suffix("") if plan.path else Path(plan.name) for plan in plans]
    for depth in range(1, max(len(file.parts) for file in files) + 1):
        names = ["/".join(file.parts[-depth:]) for file in files]
        if len(set(names)) == len(names):
            return names
    return _unique([file.name for file in files])


def _unique(names: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _mode_problems(mode: str) -> tuple[Problem, ...]:
    try:
        find_mode(mode)
    except UsageError as error:
        return error.problems
    return ()


def _model_mark(model: str, base: Path) -> str:
    """Return a digest of the files that a model answers from; "" when it has none."""
    _, _, argument = model.partition(":")
    place = base / argument
    if not argument or not place.exists():
        return ""
    files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    return _digest([
        [file.relative_to(place).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()]
        for file in files if "__pycache__" not in file.parts
    ])  # fmt: skip


def _said(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _profile_mark(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return what the profile of agents says, so that an edited one makes new trials."""
    name = options.get("profile", "")
    return (repr(find_profile(name, Behaviour, Path.cwd()).figures),) if name else ()


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
