"""What decides in which order, and at which times, the coordinator decides requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orchestrator.core.events import Event
from orchestrator.core.messages import Reply, Request

Asked = tuple[str, Request | None]
"""Who asks ("" for nobody in particular), and what; None: the coordinator is to end."""


class Mailbox(Protocol):
    """Where whoever asks gets the answers."""

    def put(self, item: Reply, /) -> None:
        """Give an answer; called by the coordinator."""
        ...

    def get(self) -> Reply:
        """Wait for the next answer."""
        ...


class Order(Protocol):
    """Queue, clock and listener of a coordinator in one; see `runtime.ordering`, where the order
    is a recorded one, and `runtime.virtualtime`."""

    @property
    def kept(self) -> bool:
        """Whether the clock's turns are brought as requests; otherwise the coordinator looks."""
        ...

    def mailbox(self, name: str) -> Mailbox:
        """Return where `name` gets its answers."""
        ...

    def put(self, item: Asked) -> None:
        """Take in a request; from any thread."""
        ...

    def get(self, *, timeout: float | None = None) -> Asked:
        """Wait for the next request; raises `queue.Empty` when none came in `timeout` seconds."""
        ...

    def get_nowait(self) -> Asked:
        """Return a request to be decided with those before; raises `queue.Empty`."""
        ...

    def now(self) -> float:
        """Return seconds since the run began; never less than the call before."""
        ...

    def heard(self, events: Sequence[Event]) -> None:
        """Take in what was decided; called after each batch."""
        ...
