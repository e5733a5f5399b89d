"""Traces: a failing schedule played again, made shorter, and written as a program.

A trace is a world and its steps. It is made shorter by delta debugging (Zeller and Hildebrandt,
"Simplifying and isolating failure-inducing input", 2002) over the steps, then over the tasks and
their settings, as long as the same rule is broken. A step that is left out makes tokens and
version numbers move; so while it shrinks, a step speaks of "the lease of that attempt" and of "the
current version" where it did so in the first place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from simulation.book import Broken
from simulation.finish import finish
from simulation.plans import World
from simulation.stage import LEASED, Ask, Core, Stage, Step, content, marks

from orchestrator.core import messages as m
from orchestrator.core.limits import Limits

T = TypeVar("T")
PLAYS = 3000
"""Trials of one shrinking at most."""


@dataclass(frozen=True, slots=True)
class Loose:
    """A request with names in place of numbers.

    Attributes:
        of: task and number of the attempt whose token it shows.
        current: paths whose current version it named; "" stands for the base and the cut.
        added: marks that a write added to the current content.
    """

    step: Ask
    of: tuple[str, int] | None
    current: frozenset[str]
    added: frozenset[str] = frozenset()


Move = Step | Loose


def play(world: World, steps: Sequence[Move], core: Core) -> tuple[Broken | None, list[Step]]:
    """Play a trace to its end.

    Returns:
        What is broken, None when nothing is; and the steps as they were done, up to there.
    """
    stage = Stage(world, core)
    try:
        for step in steps:
            stage.play(_bound(stage, step) if isinstance(step, Loose) else step)
        finish(stage)
    except Broken as broken:
        return broken, stage.steps
    return None, stage.steps


def shorten(world: World, steps: Sequence[Step], core: Core) -> tuple[World, list[Step], Broken]:
    """Return a shorter trace that breaks the same rule.

    Raises:
        ValueError: the trace breaks none.
    """
    broken, done = play(world, steps, core)
    if broken is None:
        raise ValueError("there is nothing wrong with this trace")
    code, left = broken.code, [PLAYS]

    def fails(now: World, moves: Sequence[Move]) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        found, _ = play(now, moves, core)
        return found is not None and found.code == code

    moves = _loosened(world, done, core)
    if not fails(world, moves):
        moves = list(done)
    while left[0] > 0:
        before = (world, len(moves))
        moves = _ddmin(moves, lambda some: fails(world, some))  # noqa: B023
        world, moves = _fewer_tasks(world, moves, fails)
        world = _plainer(world, lambda now: fails(now, moves))  # noqa: B023
        if before == (world, len(moves)):
            break
    found, done = play(world, moves, core)
    assert found is not None
    return world, done, found


# --- names in place of numbers ----------------------------------------------------------------


def _loosened(world: World, steps: Sequence[Step], core: Core) -> list[Move]:
    stage, moves = Stage(world, core), list[Move]()
    for step in steps:
        moves.append(_loose(stage, step) if isinstance(step, Ask) else step)
        try:
            stage.play(step)
        except Broken:
            break
    return moves


def _loose(stage: Stage, step: Ask) -> Move:
    request: Any = step.request
    if not isinstance(request, LEASED):
        return step
    attempt = stage.book.attempts.get(request.token)
    files = stage.machine.state.files
    current = {p for p, number in getattr(request, "reads", ()) if number == _number(stage, p)}
    if isinstance(request, m.Write | m.Delete):
        there = files.current(request.path)
        if request.base == there.number or (request.base == 0 and there.digest is None):
            current.add("")
    if isinstance(request, m.Submit) and request.cut == files.cut:
        current.add("")
    added = set[str]()
    if isinstance(request, m.Write):
        added = marks(request.digest) - marks(files.current(request.path).digest)
    of = (attempt.task, attempt.number) if attempt else None
    return Loose(step, of, frozenset(current), frozenset(added))


def _number(stage: Stage, path: str) -> int:
    return int(stage.machine.state.files.current(path).number)


def _bound(stage: Stage, loose: Loose) -> Ask:
    request: Any = loose.step.request
    tokens = (t for t, a in stage.book.attempts.items() if (a.task, a.number) == loose.of)
    changed: dict[str, Any] = {"token": next(tokens, request.token)}
    if hasattr(request, "reads"):
        changed["reads"] = tuple(
            (path, _number(stage, path) if path in loose.current else number)
            for path, number in request.reads
        )
    if "" in loose.current and isinstance(request, m.Submit):
        changed["cut"] = stage.machine.state.files.cut
    elif "" in loose.current:
        changed["base"] = _number(stage, request.path)
        if isinstance(request, m.Write):
            there = stage.machine.state.files.current(request.path).digest
            changed["digest"] = content(marks(there) | loose.added)
    return replace(loose.step, request=replace(request, **changed))


# --- shorter ------------------------------------------------------------------------------------


def _ddmin(items: Sequence[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Return a part of `items` that still fails and of which no single one can be left out."""
    kept, size = list(items), max(1, len(items) // 2)
    while True:
        start, before = 0, len(kept)
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            if fails(fewer):
                kept = fewer
            else:
                start += size
        if size > 1:
            size = max(1, size // 2)
        elif len(kept) == before:
            return kept


def _fewer_tasks(
    world: World, moves: list[Move], fails: Callable[[World, Sequence[Move]], bool]
) -> tuple[World, list[Move]]:
    for gone in [task.id for task in world.tasks]:
        tasks = tuple(
            replace(task, depends_on=tuple(name for name in task.depends_on if name != gone))
            for task in world.tasks
            if task.id != gone
        )
        fewer = replace(world, tasks=tasks)
        if tasks and fails(fewer, moves):
            world = fewer
    return world, moves


def _plainer(world: World, fails: Callable[[World], bool]) -> World:
    """Set what can be set back to its default without losing the failure."""
    for n, task in enumerate(world.tasks):
        for name, value in _settings(task).items():
            plain = replace(world.tasks[n], **{name: value})
            tasks = (*world.tasks[:n], plain, *world.tasks[n + 1 :])
            if fails(replace(world, tasks=tasks)):
                world = replace(world, tasks=tasks)
    for limits in (Limits(), Limits(lease=100.0)):
        plain_rules = replace(world, rules=replace(world.rules, limits=limits))
        if world.rules.limits != limits and fails(plain_rules):
            world = plain_rules
            break
    for path in tuple(world.files):
        files = {name: text for name, text in world.files.items() if name != path}
        if fails(replace(world, files=files)):
            world = replace(world, files=files)
    return world


def _settings(value: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults, with these."""
    found = {}
    for field in fields(value):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if default is not MISSING and getattr(value, field.name) != default:
            found[field.name] = default
    return found


# --- as a program -------------------------------------------------------------------------------

_PROGRAM = '''\
"""{what}

Found by the simulation{seed}. Ends with status 1 as long as it is so.
"""

import sys

sys.path.insert(0, {tests!r})

from orchestrator.core.limits import Budget, Limits, ProviderLimits
from orchestrator.core.messages import *
from orchestrator.core.rules import Rules
from orchestrator.core.task import Task
from simulation.plans import World
from simulation.planted import named
from simulation.stage import Ask, Commit, Edit, Restart
from simulation.tracing import play

world = World(
    tasks=({tasks}
    ),
    rules={rules},
    files={files!r},
)
steps = [
{steps}
]
core = named({bug!r})
broken, done = play(world, steps, core)
print(f"after {{len(done)}} of {{len(steps)}} steps: {{broken}}" if broken else "nothing is wrong")
sys.exit(broken is not None)
'''


def program(
    world: World, steps: Sequence[Step], broken: Broken, seed: int | None = None, bug: str = ""
) -> str:
    """Return a trace as a program that plays it and says what is wrong.

    Args:
        world: plan, rules, files.
        steps: what is done.
        broken: what is wrong.
        seed: where it was found.
        bug: name of the planted bug; "" for the program itself.
    """
    return _PROGRAM.format(
        what=str(broken).replace("\\", "/").replace('"""', "'''"),
        seed="" if seed is None else f", seed {seed}",
        tests=str(Path(__file__).resolve().parent.parent),
        tasks="".join(f"\n        {_short(task)}," for task in world.tasks),
        rules=_short(world.rules),
        files=dict(world.files),
        steps="\n".join(f"    {_short(step)}," for step in steps),
        bug=bug,
    )


def _short(value: Any) -> str:
    """Return the expression that makes a value, defaults left out."""
    if isinstance(value, tuple):
        inner = ", ".join(map(_short, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_short(item)}" for key, item in value.items()) + "}"
    if not hasattr(value, "__dataclass_fields__"):
        return repr(value)
    given = _settings(value)
    shown = [
        f"{field.name}={_short(getattr(value, field.name))}"
        for field in fields(value)
        if field.name in given or (field.default is MISSING and field.default_factory is MISSING)
    ]
    return f"{type(value).__name__}({', '.join(shown)})"
