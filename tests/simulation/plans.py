"""Random plans over a few files, with scopes whose files can be counted out by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from orchestrator.core.limits import Budget, Limits
from orchestrator.core.rules import RoleBounds, Rules
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task

PATHS = ("a.py", "b.py", "c.txt", "d/x.py", "d/y.py", "d/e/z.py", "f/g.md", "top")
GLOBS: Mapping[str, frozenset[str]] = {
    "a.py": frozenset({"a.py"}),
    "b.py": frozenset({"b.py"}),
    "c.txt": frozenset({"c.txt"}),
    "d/x.py": frozenset({"d/x.py"}),
    "d/e": frozenset({"d/e/z.py"}),
    "f/**": frozenset({"f/g.md"}),
    "?.py": frozenset({"a.py", "b.py"}),
    "d": frozenset({"d/x.py", "d/y.py", "d/e/z.py"}),
    "d/*.py": frozenset({"d/x.py", "d/y.py"}),
    "**/y.py": frozenset({"d/y.py"}),
    "{c.txt,top}": frozenset({"c.txt", "top"}),
    "top": frozenset({"top"}),
    "**/*.py": frozenset({"a.py", "b.py", "d/x.py", "d/y.py", "d/e/z.py"}),
    "**": frozenset(PATHS),
}
"""Each glob with the files of `PATHS` that it names: a table, not a matcher, on purpose."""

_NAMES = tuple(GLOBS)
_SINGLE = ("a.py", "b.py", "c.txt", "d/x.py", "d/e", "f/**", "**/y.py", "top")
_WRITERS = {"upper": ("?.py", "c.txt", "top"), "lower": ("d", "f/**")}
ROLES = {name: RoleBounds(Scope(["**"]), Scope(globs)) for name, globs in sorted(_WRITERS.items())}

Mask = int
"""A set of files: bit n stands for `PATHS[n]`."""

BIT = {path: 1 << n for n, path in enumerate(PATHS)}
ALL = (1 << len(PATHS)) - 1


def mask(globs: Iterable[str]) -> Mask:
    """Return the files that a list of scope entries names; the last entry that matches wins."""
    found = 0
    for glob in globs:
        named = sum(BIT[path] for path in GLOBS[glob.removeprefix("!")])
        found = found & ~named if glob.startswith("!") else found | named
    return found


_REACH = {"": ALL} | {name: mask(globs) for name, globs in _WRITERS.items()}


def reach(role: str) -> Mask:
    """Return the files that a role may write."""
    return _REACH[role]


def paths_of(files: Mask) -> list[str]:
    """Return the names of a set of files."""
    return [path for path in PATHS if files & BIT[path]]


@dataclass(frozen=True, slots=True)
class World:
    """What a run starts from.

    Attributes:
        tasks: the plan.
        rules: what is enforced.
        files: path to content; a content is a list of marks, see `stage`.
    """

    tasks: tuple[Task, ...]
    rules: Rules = Rules()  # noqa: RUF009  (frozen)
    files: Mapping[str, str] = field(default_factory=dict)


def random_world(random: Random) -> World:
    """Return tasks, rules and files; small ones more often than large ones."""
    most = random.choice((3, 3, 3, 4, 6, 6, 10, 20))
    names = [f"t{n}" for n in range(1, random.randint(1, most) + 1)]
    style = random.choice(("apart", "mixed", "mixed", "close", "shared"))
    tasks = [random_task(random, name, names[:n], style) for n, name in enumerate(names)]
    random.shuffle(tasks)
    files = {path: "" for path in PATHS if random.random() < 0.6}
    return World(tuple(tasks), _random_rules(random), files)


def random_task(random: Random, name: str, before: list[str], style: str = "mixed") -> Task:
    """Return a task that may depend on any of `before`; most of its fields are as they default."""
    writes: tuple[str, ...]
    shares: tuple[str, ...]
    needs = random.sample(before, min(len(before), random.choice((0, 0, 1, 1, 2))))
    settings: dict[str, Any] = {}
    if random.random() < 0.5:
        settings = {
            key: values[int(random.random() * len(values))]
            for key, values in _SETTINGS
            if random.random() < 0.2
        }
    if style == "shared" and random.random() < 0.8:
        writes, shares = (), (random.choice(("a.py", "?.py", "**", "d")),)
        needs = needs[:1] if random.random() < 0.3 else []
    else:
        writes = _random_scope(random, style)
        shares = (random.choice(_NAMES),) if random.random() < 0.2 else ()
    return Task(id=name, depends_on=tuple(needs), writes=writes, shares=shares, **settings)


_SETTINGS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("role", ("upper", "lower")),
    ("test", ("run",)),
    ("estimate", (1.0, 600.0)),
    ("priority", (1, -1)),
    ("approval", (True,)),
    ("on_failure", ("continue",)),
    ("keep", (True,)),
    ("attempts", (1, 2)),
    ("turns", (2,)),
    ("tokens", (30,)),
    ("usd", (0.5,)),
    ("commands", (2,)),
    ("seconds", (40.0,)),
)


def _random_scope(random: Random, style: str) -> tuple[str, ...]:
    if style == "apart" or random.random() < 0.3:
        return (random.choice(_SINGLE),)
    if style == "close" or random.random() < 0.2:
        return (random.choice(("**", "**/*.py", "?.py", "a.py", "d")),)
    chosen = tuple(random.sample(_NAMES, random.choice((0, 1, 1, 2))))
    return (*chosen, "!" + random.choice(_SINGLE)) if random.random() < 0.1 else chosen


def _random_rules(random: Random) -> Rules:
    draw = random.random()
    return Rules(
        exclusive=draw < 0.85,
        validate_reads=draw < 0.75,
        check_base=draw < 0.95,
        limits=_random_limits(random),
    )


def _random_limits(random: Random) -> Limits:
    tight = random.choice((0, 0, 0, 1, 1, 2))
    settings = {key: random.choice(values) for key, values in random.sample(_LIMITS, tight)}
    return Limits(attempts=random.choice((1, 2, 3)), lease=100.0, **settings)


_LIMITS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("wall", (300.0, 2000.0)),
    ("tokens", (60, 300)),
    ("usd", (1.0, 5.0)),
    ("commands", (3, 12)),
    ("total_attempts", (2, 6)),
    ("total_turns", (5, 30)),
    ("attempts_by", ({"model_error": 2}, {"worker_died": 1, "gave_up": 3})),
    ("backoff", (0.0, 30.0)),
    ("roles", ({"upper": Budget(attempts=1)}, {"lower": Budget(tokens=40, turns=3)})),
)
