"""Models by name, as they are written on the command line and in plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.errors import UsageError, nearest
from orchestrator.models.anthropic import AnthropicModel
from orchestrator.models.base import Model
from orchestrator.models.oracle import OracleModel
from orchestrator.models.recorded import RecordedModel
from orchestrator.models.scripted import ScriptedModel
from orchestrator.models.simulated import SimulatedModel

Builder = Callable[[str, Mapping[str, str], Path], Model]

_BUILDERS: Mapping[str, Builder] = {
    "anthropic": AnthropicModel.from_options,
    "oracle": OracleModel.from_options,
    "recorded": RecordedModel.from_options,
    "scripted": ScriptedModel.from_options,
    "simulated": SimulatedModel.from_options,
}
_FORMS: Mapping[str, str] = {
    "anthropic": "anthropic[:MODEL]",
    "oracle": "oracle:DIR",
    "recorded": "recorded:RUN",
    "scripted": "scripted:FILE",
    "simulated": "simulated[:PROFILE]",
}


def create_model(spec: str, options: Mapping[str, str], base: Path) -> Model:
    """Return the model that `spec` names.

    Args:
        spec: ``anthropic[:MODEL]``, ``oracle:DIR``, ``recorded:RUN``, ``scripted:FILE`` or
            ``simulated[:PROFILE]``.
        options: the model's options, as text (``-M key=value``).
        base: the directory that a relative DIR, RUN, FILE or PROFILE begins at.

    Raises:
        UsageError: there is no such model, or it cannot work as asked: a wrong option, a file
            that is missing, no credentials.
        LogError: the run whose answers are asked for cannot be read.
    """
    kind, _, argument = spec.strip().partition(":")
    if kind not in _BUILDERS:
        guess = nearest(kind, _BUILDERS)
        hint = f"did you mean {_FORMS[guess]}? " if guess else ""
        raise UsageError(
            f"there is no model {kind!r}" if kind else "the model has no name",
            where=f"model {spec!r}",
            fix=f"{hint}Models: {', '.join(_FORMS.values())}",
        )
    return _BUILDERS[kind](argument, options, base)
