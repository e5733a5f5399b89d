"""The oracle with the behaviours of real agents, so that modes differ as they do in reality.

It knows the solution, but not what others do: it reads before it writes, thinks meanwhile, and
writes against the interfaces that it has read. Its text is wrong if they have changed since, and
real tests fail. What it does besides (drafts, mistakes, writing where it may not, talk) is drawn
from the seed with the probabilities of a profile (`behaviour`).

As in the plain oracle, a turn is a function of the briefing, the history and the seed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, ClassVar

from orchestrator.errors import ModelError
from orchestrator.models.base import Briefing, Exchange, Interrupt, Turn
from orchestrator.models.behaviour import (
    Behaviour,
    Profile,
    figure_names,
    find_profile,
    overridden,
)
from orchestrator.models.interfaces import (
    Catalogue,
    drift_candidates,
    drifted,
    used_functions,
    write_against,
)
from orchestrator.models.options import Options
from orchestrator.models.oracle import Agent, OracleModel, Step, as_turn, read_latency, wait
from orchestrator.models.regions import has_regions
from orchestrator.models.synthetic import FailingProvider, lognormal, price_of, usage_of

_MOST_REPEATS = 20
"""Red test runs after which a mistake is given up, whatever its profile says. The runtime has
noticed by then that nothing moves (8 runs that fail in the same way, unless a plan says more)."""

_TALK = (
    "I am going on with the rest of my part, and will say so when anything about it changes. "
    "Please tell me before you touch the same lines, and let me know what you expect of them."
)


class ProfiledOracle(OracleModel):
    """Restores a reference solution the way an agent of a profile works.

    Args:
        directory: the reference solution, laid out as the workspace.
        profile: how the agent behaves.
        name: how the model is named; empty: ``oracle:`` and the directory.
        latency: seconds that a turn takes, from the shorter to the longer, in place of the
            profile's; None: the profile's.
        seed: decides about everything; None: the seed of the briefing.

    Raises:
        UsageError: there is no such directory, or the price of the profile is not known.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        **OracleModel.OPTIONS,
        **figure_names(Behaviour),
        "profile": "how the agent behaves: careful, typical, hasty, or a YAML file",
    }
    offline = True
    """It asks no provider, whatever its prices: nothing is reserved or held back for it."""

    def __init__(
        self,
        directory: Path,
        profile: Profile[Behaviour],
        *,
        name: str = "",
        latency: tuple[float, float] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            directory,
            name=name,
            mistakes=profile.figures.mistakes,
            latency=latency or (0.0, 0.0),
            seed=seed,
        )
        self.profile = profile
        self.behaviour = profile.figures
        self.price = price_of(profile.figures, f"profile {profile.name}")
        self._timed = latency is not None
        self._provider = FailingProvider(self.behaviour.provider_failures, self.random)
        self._lock = threading.Lock()
        self._known: Catalogue | None = None
        self._uses: dict[str, frozenset[str]] = {}

    @classmethod
    def from_options(cls, argument: str, options: Mapping[str, str], base: Path) -> ProfiledOracle:
        """Build the model from the text of a command line.

        Args:
            argument: the directory of the reference solution, relative to `base`.
            options: see `OPTIONS`; what is given there wins over the profile.
            base: where relative paths begin.

        Raises:
            UsageError: a wrong option, mistakes in the profile, or no such directory.
        """
        read = Options("oracle", options, cls.OPTIONS)
        latency = read_latency(read) if "latency" in read else None
        seed = read.whole("seed", 0) if "seed" in read else None
        profile = find_profile(options["profile"], Behaviour, base)
        figures = overridden(profile.figures, read)
        read.check()
        return cls(
            base / argument,
            replace(profile, figures=figures),
            name=f"oracle:{argument}",
            latency=latency,
            seed=seed,
        )

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Return what the agent would do next, after it has thought."""
        number = len(history) + 1
        self._provider.request(briefing, number)
        step = ProfiledAgent(self, briefing, history).step()
        turn = as_turn(step, briefing, number, self.name)
        self._think(briefing, number, turn, interrupt)
        return replace(turn, usage=usage_of(briefing, history, turn, self.behaviour.verbosity))

    def _think(self, briefing: Briefing, number: int, turn: Turn, interrupt: Interrupt) -> None:
        if self._timed:
            self.pause(briefing, number, interrupt)
            return
        chance = self.random(briefing, f"thinking {number}")
        seconds = lognormal(chance, self.behaviour.thinking, self.behaviour.spread)
        written = sum(
            len(text)
            for call in turn.calls
            for text in call.input.values()
            if isinstance(text, str)
        )
        wait(interrupt, seconds + self.behaviour.speed * written / 1000)

    def catalogue(self) -> Catalogue:
        """Return the functions of the reference, read once."""
        with self._lock:
            if self._known is None:
                self._known = Catalogue(dict(self._sources()))
            return self._known

    def uses(self, path: str, reference: str) -> frozenset[str]:
        """Return the files whose functions the reference text of `path` calls."""
        if path not in self._uses:  # two threads may find out the same thing
            found = used_functions(reference, self.catalogue(), path)
            self._uses[path] = frozenset(function.file for function in found)
        return self._uses[path]

    def happens(self, briefing: Briefing, purpose: str, probability: float) -> bool:
        """Whether something happens in this attempt."""
        return self.random(briefing, purpose).random() < probability

    def _sources(self) -> Iterator[tuple[str, str]]:
        for path in self._paths:
            if path.endswith(".py") and not _is_test(path):
                try:
                    yield path, self._text(path)
                except ModelError:
                    continue  # no text; said when a task is to write it


class ProfiledAgent(Agent):
    """One turn of the oracle with behaviours."""

    def __init__(
        self, oracle: ProfiledOracle, briefing: Briefing, history: Sequence[Exchange]
    ) -> None:
        self._oracle, self._briefing = oracle, briefing
        self._behaviour = oracle.behaviour
        self._texts: dict[str, str] = {}
        super().__init__(oracle, briefing, history)

    def step(self) -> Step:
        """Return the first of the things to do that is not done yet."""
        return (
            self._read()
            or self._write()
            or self._repeat()
            or self._overstep()
            or self._talk()
            or self._test()
            or self._finish()
        )

    # --- reading ------------------------------------------------------------------------------

    def _to_know(self) -> set[str]:
        own = self._references.keys()
        stale = {path for path in self._memory.stale if path in own}
        chosen = {path for path in self._dependencies() if self._happens(f"read {path}", "reads")}
        return own | stale | self._memory.noticed | chosen | self._to_look_at_again()

    def _to_look_at_again(self) -> set[str]:
        """Return what may be why the tests failed and was not read since."""
        memory = self._memory
        if not memory.verdicts or memory.verdicts[-1] is not False:
            return set()
        return {
            path
            for path in {*self._dependencies(), *self._references.keys() & memory.written}
            if path not in memory.unread and memory.read_at.get(path, 0) < memory.red_at
        }

    def _next_line(self, path: str) -> int | None:
        memory = self._memory
        if path not in memory.read_at:
            exists = path in self._existing or path not in self._references
            return memory.next_line(path, exists=exists)
        if path in self._to_look_at_again():
            return 1
        if path in self._references or path in memory.noticed:
            return memory.next_line(path, exists=True)
        return memory.rest(path)  # a refusal to write it is no reason to read it again

    def _dependencies(self) -> list[str]:
        """Return the files of others whose functions this task's files call."""
        found = set[str]().union(
            *(
                self._oracle.uses(path, reference)
                for path, reference in self._references.items()
                if path.endswith(".py") and not has_regions(reference)
            )
        )
        return sorted(found - self._references.keys())

    # --- writing ------------------------------------------------------------------------------

    def _text(self, path: str) -> str:
        """Return `path` as it is right by what was read, with provisional signatures first."""
        if path not in self._texts:
            self._texts[path] = self._written(path)
        return self._texts[path]

    def _written(self, path: str) -> str:
        reference, own = self._references[path], self._references
        if not path.endswith(".py") or has_regions(reference):
            return reference
        seen = {at: text for at, text in self._memory.texts.items() if at not in own}
        text = write_against(reference, seen, self._oracle.catalogue(), path)
        return drifted(text, self._provisional(path)) if self._is_drafting() else text

    def _provisional(self, path: str) -> list[str]:
        known = self._oracle.catalogue().functions
        names = drift_candidates(self._references[path])
        return [name for name in names if name in known and known[name].file == path]

    def _is_drafting(self) -> bool:
        """Whether a draft is to be there: until the tests have run once over it."""
        over = self._memory.runs if "run_tests" in self._tools else self._memory.written
        return not over and self._happens("draft", "drafts")

    def _mistake_is_over(self) -> bool:
        """Whether a red test run has led to the mistake."""
        if self._is_drafting():
            return True  # not yet: a draft is right but for its signatures
        reds = self._reds()
        return reds >= _MOST_REPEATS or any(
            not self._happens(f"repeat {number}", "repeats") for number in range(1, reds + 1)
        )

    def _reds(self) -> int:
        drafted = self._happens("draft", "drafts")
        return sum(verdict is False for verdict in self._memory.runs[drafted:])

    def _repeat(self) -> Step | None:
        """Write the same mistake again."""
        red = self._memory.verdicts and self._memory.verdicts[-1] is False
        if not red or self._mistake is None or self._mistake_is_over():
            return None
        if "write_file" not in self._tools:
            return None
        path = self._mistake.path
        return (
            f"The tests fail. Writing {path} once more.",
            [("write_file", {"path": path, "content": self._mistake.text})],
        )

    def _change(self, path: str, known: str | None, wanted: str) -> tuple[str, dict[str, Any]]:
        whole = "write_file" in self._tools and self._by_region(path)
        if whole and self._happens(f"rewrite {path}", "rewrites"):
            return "write_file", {"path": path, "content": wanted}
        return super()._change(path, known, wanted)

    # --- beside the task ----------------------------------------------------------------------

    def _overstep(self) -> Step | None:
        """Write a neighbour's file back as it was when it was read, with a word added."""
        if "write_file" not in self._tools or not self._happens("overstep", "oversteps"):
            return None
        known = [path for path in self._dependencies() if path in self._memory.texts]
        if not known or self._has_overstepped():
            return None
        path = self._oracle.random(self._briefing, "whose").choice(known)
        text = self._memory.texts[path]
        gap = "" if text.endswith("\n") or not text else "\n"
        content = f"{text}{gap}# checked by {self._task}\n"
        return f"{path} needs a word, too.", [("write_file", {"path": path, "content": content})]

    def _has_overstepped(self) -> bool:
        memory = self._memory
        tried = memory.written | memory.refusals.keys() | memory.stale_refusals.keys()
        return bool(tried - self._references.keys() - {"submit"})

    def _talk(self) -> Step | None:
        if "send_message" not in self._tools or self._memory.sent:
            return None
        if not self._happens("message", "messages"):
            return None
        files = ", ".join(sorted(self._memory.written & self._references.keys()))
        said = f"I have written {files}.".split() if files else []
        talk = islice(cycle(_TALK.split()), max(0, self._behaviour.words - len(said)))
        text = " ".join([*said, *talk])
        return "Telling the others.", [
            ("send_message", {"to": "all", "kind": "note", "text": text or "Going on."})
        ]

    # --- the end ------------------------------------------------------------------------------

    def _test(self) -> Step | None:
        verdicts = self._memory.verdicts
        if "run_tests" not in self._tools:
            return None
        if not verdicts:
            return "Running the tests.", [("run_tests", {})]
        if verdicts[-1] is not False:
            return None
        if len(verdicts) < self._behaviour.patience:
            return "Nothing that I have read says why; once more.", [("run_tests", {})]
        return self._give_up("the tests fail, and nothing that I have read says why")

    def _summary(self) -> str:
        written = ", ".join(sorted(self._memory.written))
        return f"Wrote {written}." if written else "Nothing to write."

    def _happens(self, purpose: str, figure: str) -> bool:
        return self._oracle.happens(self._briefing, purpose, getattr(self._behaviour, figure))


def _is_test(path: str) -> bool:
    *folders, name = path.split("/")
    tested = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return tested or "tests" in folders or "test" in folders
