"""What answers for an agent: the Model protocol and the values that pass through it.

A model is asked for one turn at a time and is given everything it needs each time (the
briefing and the whole history), so a model holds no state of its own that a retry, a replay
or a second worker could disturb.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

StopReason = Literal["tool_use", "end_turn", "max_tokens", "refusal"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it: one operation of a role document.

    Attributes:
        name: the operationId.
        description: what it does, for the model.
        input_schema: JSON Schema (draft 2020-12) of the arguments, an object schema.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to use a tool. `input` is not validated yet."""

    id: str
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one `ToolCall`, as text for the model."""

    call_id: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Model tokens of one turn. `input` leaves out what was read from or written to the cache;
    the total input is `input + cache_read + cache_write`."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def total(self) -> int:
        """All tokens of the turn, input and output."""
        return self.input + self.output + self.cache_read + self.cache_write


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply of a model.

    Attributes:
        text: what the model said beside its tool calls.
        calls: the tool calls, in order.
        usage: model tokens of this turn.
        stop: why the model stopped.
        model: the model that answered, as the provider names it.
        blocks: the turn in the provider's own form, given back to it verbatim with the next
            request (a model that thinks wants its thoughts back); empty: made from the above.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    stop: StopReason = "end_turn"
    model: str = ""
    blocks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One turn of the model and what it was told in return.

    Attributes:
        turn: the model's turn.
        results: one result for each call of the turn, in order.
        notice: further text for the model after the results (a file that it had read has
            changed, a nudge); empty when there is none.
    """

    turn: Turn
    results: tuple[ToolResult, ...] = ()
    notice: str = ""


def _allows_nothing(path: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Briefing:
    """What a model is told at the start of an attempt; the same for all turns of the attempt.

    Attributes:
        task: the task's id.
        attempt: number of the attempt, from 1.
        seed: seed of this attempt, derived from the run's seed, the task and the attempt.
        system: the system prompt: role, rules, tools.
        opening: the first user message: the goal, the task, its files, its tests.
        tools: the tools that the role gives.
        writes: globs of the effective write scope (role and task), shared files included.
        files: workspace paths inside the effective write scope that exist at the start.
        allows: whether a workspace path is inside the effective write scope.
    """

    task: str
    attempt: int
    seed: int
    system: str
    opening: str
    tools: tuple[ToolSpec, ...]
    writes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    allows: Callable[[str], bool] = _allows_nothing


class Interrupt(Protocol):
    """Tells a model that its lease has ended. `threading.Event` fits."""

    def is_set(self) -> bool:
        """Whether the lease has ended."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the end of the lease; True when it has ended."""
        ...


@runtime_checkable
class Model(Protocol):
    """What answers for an agent. Called from several worker threads at once.

    Attributes:
        name: how the model is named on the command line and in the log, for example
            ``oracle:./solution``.
    """

    name: str

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Return the model's next turn.

        Args:
            briefing: what the attempt is about.
            history: everything said so far in this attempt, oldest first.
            interrupt: set when the lease has ended; a long wait must end soon after.

        Raises:
            ModelError: the provider failed or the answer cannot be used; `retryable` says
                whether asking again may help. Also raised, not retryable, after `interrupt`.
        """
        ...

    def close(self) -> None:
        """Release connections. The model is not used afterwards."""
        ...
