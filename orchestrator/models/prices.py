"""Prices of models by name, from one dated file.

The file of the package is `prices.yaml`. A file of one's own, of the same form, wins over it
model by model: ``-M prices=FILE``, or the environment variable ``ORCHESTRATOR_PRICES``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import UsageError
from orchestrator.models.base import Model
from orchestrator.models.cost import LongPrompt, Price
from orchestrator.models.mappings import Mappings

VARIABLE = "ORCHESTRATOR_PRICES"

_VERSION = re.compile(r"(-latest|[-@]\d{8})\Z")
"""How a provider names one version of a model, after the model's name."""

_KEYS = ("dated", "source", "models")
_FIGURES = ("input", "output", "cache_read", "cache_write")
_NEEDED = ("input", "output")


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices by model.

    Attributes:
        dated: the day on which they were compared with their source, year-month-day.
        source: where they come from.
        prices: by the provider's name of the model.
    """

    dated: str
    source: str
    prices: Mapping[str, Price]

    def find(self, model: str) -> Price | None:
        """Return the price of a model, or of the model that it is a dated version of.

        A name that only begins like a known one is not known: ``claude-opus-4-9`` is not
        ``claude-opus-4``.
        """
        return self.prices.get(model) or self.prices.get(_VERSION.sub("", model))


@cache
def packaged() -> PriceList:
    """Return the prices that come with the package."""
    data = (files("orchestrator.models") / "prices.yaml").read_text(encoding="utf-8")
    return _list(yaml.load(data, Loader=yaml.BaseLoader))


def find_price(model: str, file: Path | None = None) -> Price | None:
    """Return the price of a model, or None when no list has it.

    Args:
        model: the provider's name of the model.
        file: prices of one's own; None: the file that the environment names, if it does.

    Raises:
        UsageError: the file cannot be read or has mistakes; all of them are told.
    """
    named = os.environ.get(VARIABLE)
    if file is None and named:
        file = Path(named)
    own = read_prices(file).find(model) if file is not None else None
    return own or packaged().find(model)


def read_prices(file: Path) -> PriceList:
    """Read a price list.

    Raises:
        UsageError: the file cannot be read or has mistakes; all of them are told, each with
            file:line:column.
    """
    fix = "write a file like orchestrator/models/prices.yaml"
    try:
        text = file.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"the prices {file} cannot be read", why=str(error), fix=fix) from error
    check = _Check(str(file), "bad-price")
    check.root(root)
    if check.problems:
        count = len(check.problems)
        raise UsageError(
            f"the prices {file} have {count} mistake{'s' if count > 1 else ''}",
            problems=check.problems,
        )
    return _list(yaml.load(text, Loader=yaml.BaseLoader))


def price_notice(model: Model) -> str:
    """Return what to tell people once when the price of a run's model is not known, else ""."""
    if isinstance(getattr(model, "price", None), Price):
        return ""
    return (
        f"The price of {model.name} is not known (prices as of {packaged().dated}): its tokens "
        "are counted, its dollars are not, and a limit in dollars cannot be kept. Give "
        "-M price_input=… and -M price_output=… (US dollars per million model tokens), or a "
        f"file of prices with -M prices=FILE or {VARIABLE}; a model of your own has an "
        "attribute `price`."
    )


def _list(data: Mapping[str, Any]) -> PriceList:
    """Make a list of what was read as texts: `dated` would be a date otherwise."""
    prices = {name: _price(figures) for name, figures in data["models"].items()}
    return PriceList(data["dated"], data.get("source", ""), prices)


def _price(figures: Mapping[str, Any]) -> Price:
    numbers = {key: float(figures[key]) for key in _FIGURES if key in figures}
    long = figures.get("long")
    return Price(
        **numbers, long=LongPrompt(int(float(long["above"])), _price(long)) if long else None
    )


class _Check(Mappings):
    """Collects the mistakes of a price list, with their places."""

    def root(self, node: yaml.Node | None) -> None:
        if node is None:
            self.tell(self.file, "there are no prices", "add models")
            return
        entries = self.mapping(node, "a list of prices", _KEYS, ("dated", "models"))
        if "dated" in entries and not _is_day(entries["dated"]):
            self.mistake(entries["dated"], "`dated` is not a day", "write year-month-day")
        models = self.mapping(entries["models"], "the models") if "models" in entries else {}
        for name, figures in models.items():
            self._prices(figures, f"the price of {name}", ("long",))

    def _prices(self, node: yaml.Node, what: str, more: Sequence[str]) -> None:
        needed = (*_NEEDED, *(key for key in more if key == "above"))
        entries = self.mapping(node, what, (*_FIGURES, *more), needed)
        for key, value in entries.items():
            if key == "long":
                self._prices(value, f"{what}, for long prompts", ("above",))
            elif not _is_figure(value):
                self.mistake(value, f"{key} of {what} is not a number", "give 0 or more")


def _is_day(node: yaml.Node) -> bool:
    try:
        return bool(date.fromisoformat(node.value))
    except (TypeError, ValueError):
        return False


def _is_figure(node: yaml.Node) -> bool:
    try:
        return 0.0 <= float(node.value) < float("inf")
    except (TypeError, ValueError):
        return False
