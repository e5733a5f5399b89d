"""How synthetic agents behave: profiles, read from data files and checked.

A profile says for each of its figures where it comes from: a published `source`, or that it is
`assumed`, and why. What a profile leaves out is off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml

from orchestrator.errors import UsageError, nearest
from orchestrator.models.mappings import Mappings
from orchestrator.models.options import Options

_KEYS = ("profile", "for", "about", "figures")
_FIGURE_KEYS = ("value", "source", "assumed")


def _figure(about: str, default: float = 0.0, high: float = math.inf, low: float = 0.0) -> Any:
    return field(default=default, metadata={"about": about, "low": low, "high": high})


def _share(about: str, default: float = 0.0) -> Any:
    return _figure(about, default, high=1.0)


def _whole(about: str, default: int, low: int = 0, high: float = math.inf) -> Any:
    metadata = {"about": about, "low": low, "high": high, "whole": True}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basics:
    """What all synthetic agents have: how long they think, how often their provider fails, and
    what their model tokens would cost."""

    thinking: float = _figure("median seconds that a turn takes")
    spread: float = _figure("standard deviation of the logarithm of these seconds", high=5.0)
    provider_failures: float = _share("probability per request that the provider fails")
    price: str = field(
        default="", metadata={"about": "model whose prices are used; empty: free", "text": True}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour(Basics):
    """How an agent behaves that restores a reference solution (`profiled`).

    Every figure of probability is drawn from the seed, as is the time.
    """

    speed: float = _figure("further seconds per 1,000 characters that a turn writes")
    reads: float = _share("probability that a file it depends on is read before writing", 1.0)
    drafts: float = _share("probability that it first writes provisional signatures")
    mistakes: float = _share("probability that it first writes a mistake")
    repeats: float = _share("probability, after a red test run, of the same mistake again")
    patience: int = _whole("red test runs with nothing left to change until it gives up", 3, low=1)
    oversteps: float = _share("probability that it writes a file of a neighbour")
    rewrites: float = _share("probability that it writes a shared file whole, not its region")
    messages: float = _share("probability that it sends a message to all")
    words: int = _whole("words of a message", 40, high=100_000)
    verbosity: float = _figure("output tokens per token that is said or called", 1.0, high=1000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Basics):
    """What an agent takes that writes nothing (`simulated`)."""

    turns: float = _figure("median number of turns of an attempt", 8.0, low=1.0, high=10_000.0)
    turns_spread: float = _figure("standard deviation of the logarithm of the turns", high=5.0)
    added: float = _figure("median model tokens that a turn adds to the prompt", 500.0)
    output: float = _figure("median model tokens of output of a turn", 200.0)
    tokens_spread: float = _figure("standard deviation of the logarithm of both", high=5.0)
    failures: float = _share("probability that an attempt is given up")


_Kind = TypeVar("_Kind", Behaviour, Load)


@dataclass(frozen=True, slots=True)
class Profile(Generic[_Kind]):
    """A named set of figures.

    Attributes:
        name: what it is called.
        figures: the figures.
        sources: where each figure that the file gives comes from, by its name; an assumption
            begins with ``assumed: ``.
        about: one sentence on whom it stands for.
    """

    name: str
    figures: _Kind
    sources: Mapping[str, str]
    about: str = ""


def figure_names(kind: type[Behaviour] | type[Load]) -> dict[str, str]:
    """Return the figures of a kind of profile, each with a few words on its value."""
    return {entry.name: str(entry.metadata["about"]) for entry in fields(kind)}


def packaged_profiles(kind: type[Behaviour] | type[Load]) -> tuple[str, ...]:
    """Return the names of the profiles of a kind that come with the package."""
    found = []
    for file in (files("orchestrator.models") / "profiles").iterdir():
        name, _, suffix = file.name.rpartition(".")
        if suffix == "yaml" and f"\nfor: {_MODELS[kind]}\n" in file.read_text(encoding="utf-8"):
            found.append(name)
    return tuple(sorted(found))


def find_profile(name: str, kind: type[_Kind], base: Path = Path()) -> Profile[_Kind]:
    """Return a profile by the name of a packaged one, or by a path.

    Args:
        name: a packaged profile, or a file; what holds a ``/`` or ends with ``.yaml`` is a file.
        kind: `Behaviour` or `Load`.
        base: where a relative path begins.

    Raises:
        UsageError: there is no such profile, or it has mistakes; all of them are told.
    """
    if "/" in name or name.endswith((".yaml", ".yml")):
        return _read_file(base / name, kind)
    known = packaged_profiles(kind)
    if name in known:
        text = (files("orchestrator.models") / "profiles" / f"{name}.yaml").read_text("utf-8")
        return read_profile(text, f"profile {name}", kind)
    guess = nearest(name, known)
    hint = f"did you mean {guess!r}? " if guess else ""
    raise UsageError(
        f"model {_MODELS[kind]} has no profile {name!r}",
        where=f"profile {name!r}",
        fix=f"{hint}Profiles: {', '.join(known)}; or give the path of a YAML file",
    )


def read_profile(text: str, where: str, kind: type[_Kind]) -> Profile[_Kind]:
    """Read a profile.

    Args:
        text: YAML, as in the files of `orchestrator/models/profiles`.
        where: names the file in messages.
        kind: `Behaviour` or `Load`.

    Raises:
        UsageError: mistakes; all of them are told, each with file:line:column.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(
            f"{where} cannot be read as YAML", where, str(error), "mend its syntax"
        ) from error
    check = _Check(where, kind)
    profile = check.profile(root)
    if check.problems or profile is None:
        count = len(check.problems)
        raise UsageError(
            f"{where} has {count} mistake{'s' if count > 1 else ''}", problems=check.problems
        )
    return profile


def overridden(figures: _Kind, read: Options) -> _Kind:
    """Return figures with those replaced that the user gave as options.

    Mistakes are noted in `read`; its `check` raises them.
    """
    changed: dict[str, Any] = {}
    for entry in fields(figures):
        if entry.name not in read:
            continue
        low, high = entry.metadata.get("low", 0.0), entry.metadata.get("high", math.inf)
        if entry.metadata.get("text"):
            changed[entry.name] = read.given[entry.name]
        elif entry.metadata.get("whole"):
            changed[entry.name] = read.whole(entry.name, 0, low, high)
        else:
            changed[entry.name] = read.number(entry.name, low, low, high)
    return figures if read.problems else replace(figures, **changed)


_MODELS: Mapping[type, str] = {Behaviour: "oracle", Load: "simulated"}


def _read_file(path: Path, kind: type[_Kind]) -> Profile[_Kind]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the profile {path} cannot be read",
            str(path),
            str(error),
            f"give a YAML file, or one of {', '.join(packaged_profiles(kind))}",
        ) from error
    return read_profile(text, str(path), kind)


class _Check(Mappings, Generic[_Kind]):
    """Collects the mistakes of a profile, with their places."""

    def __init__(self, file: str, kind: type[_Kind]) -> None:
        super().__init__(file, "bad-profile")
        self._kind: type[_Kind] = kind

    def profile(self, root: yaml.Node | None) -> Profile[_Kind] | None:
        """Return what was read; None when too little of it is right."""
        if root is None:
            self.tell(self.file, "the profile is empty", f"give {', '.join(_KEYS)}")
            return None
        top = self.mapping(root, "a profile", _KEYS, ("profile", "for", "figures"))
        about = {key: self._text(top[key], key) for key in _KEYS[:3] if key in top}
        wanted = _MODELS[self._kind]
        if "for" in top and about["for"] and about["for"] != wanted:
            self.mistake(top["for"], f"this profile is for model {about['for']!r}",
                          f"give one for {wanted}, or write `for: {wanted}`")  # fmt: skip
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        known = {entry.name: entry for entry in fields(self._kind)}
        given = (
            self.mapping(top["figures"], "the figures", tuple(known)) if "figures" in top else {}
        )
        for name, node in given.items():
            entry = self.mapping(node, name, _FIGURE_KEYS, ("value",))
            if isinstance(node, yaml.MappingNode):
                sources[name] = self._source(node, name, entry)
            if "value" in entry:
                values[name] = self._value(entry["value"], name, known[name].metadata)
        if self.problems:
            return None
        return Profile(about["profile"], self._kind(**values), sources, about.get("about", ""))

    def _source(self, node: yaml.Node, name: str, entry: Mapping[str, yaml.Node]) -> str:
        given = [key for key in ("source", "assumed") if key in entry]
        if len(given) != 1:
            self.mistake(
                node,
                f"{name}: both `source` and `assumed`"
                if given
                else f"{name}: nothing says where the figure comes from",
                "give a published `source`, or `assumed: why`",
            )
            return ""
        text = self._text(entry[given[0]], f"{name}: {given[0]}")
        return text if given == ["source"] else f"assumed: {text}"

    def _value(self, node: yaml.Node, name: str, about: Mapping[str, Any]) -> Any:
        if about.get("text"):
            return self._text(node, name)
        low, high = about["low"], about["high"]
        number = _number(node)
        fits = number is not None and low <= number <= high
        if number is None or not fits or (about.get("whole") and not number.is_integer()):
            what = "a whole number" if about.get("whole") else "a number"
            bounds = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
            self.mistake(node, f"{name}: {getattr(node, 'value', '')!r} is not {what} {bounds}",
                          f"give {about['about']}, {bounds}")  # fmt: skip
            return low
        return int(number) if about.get("whole") else number

    def _text(self, node: yaml.Node, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self.mistake(node, f"{name} is not a text", "write a few words")
            return ""
        return str(node.value).strip()


def _number(node: yaml.Node) -> float | None:
    try:
        value = float(node.value) if isinstance(node, yaml.ScalarNode) else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
