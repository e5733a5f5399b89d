"""How the attempts of a run handle files: what a mode does outside the machine.

What a mode forbids is said in the machine's rules. Whether an attempt writes into the shared tree
or into a branch of its own, and how finished work gets from there to everybody, is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.core.claims import Bounds
from orchestrator.core.events import Event
from orchestrator.core.messages import Lease, Reply, Request
from orchestrator.runtime.attemptfiles import AttemptFiles
from orchestrator.runtime.interruption import Interruption

if TYPE_CHECKING:
    from orchestrator.runtime.context import Context, Site, TestRun

Ask = Callable[[Request], Reply]


class Handling(Protocol):
    """Makes the files of a run's attempts, and hands in what they did. One per run, for all
    worker threads."""

    def files(
        self, site: Site, lease: Lease, bounds: Bounds, ask: Ask, interrupt: Interruption
    ) -> AttemptFiles:
        """Return the files of an attempt that begins, its worker's view brought up to date.

        Args:
            bounds: what it may read and write.
        """
        ...

    def submit(self, context: Context, summary: str) -> Reply | TestRun:
        """Hand an attempt in; see `Context.submit`."""
        ...

    def heard(self, events: Sequence[Event]) -> None:
        """Take in what was recorded. Called from the coordinator's thread after every commit;
        must be quick and must not raise."""
        ...


@dataclass(frozen=True, slots=True)
class InPlace:
    """Attempts work on the shared tree: each write is asked for when it is made.

    Attributes:
        news: agents are told when another task changes what they have read.
        fresh: what an attempt reads is what stands in the tree at that moment; otherwise, what
            stood there when its turn began.
    """

    news: bool = True
    fresh: bool = False

    def files(
        self, site: Site, lease: Lease, bounds: Bounds, ask: Ask, interrupt: Interruption
    ) -> AttemptFiles:
        """Return files on top of the newest cut."""
        site.view.sync()
        return AttemptFiles(
            lease, bounds, ask, site.view, site.tree, site.blobs,
            by_region=site.by_region, news=self.news, fresh=self.fresh,
        )  # fmt: skip

    def submit(self, context: Context, summary: str) -> Reply | TestRun:
        """Its writes are versions already: only the tests have to be seen."""
        return context.submit_in_place(summary)

    def heard(self, events: Sequence[Event]) -> None:
        """Nothing waits for anything here."""


IN_PLACE = InPlace()
"""What all modes but one do."""
