"""Random histories against a search over all serial orders.

The definition that the graph must match: the accepted attempts of a history are (strictly) view
serialisable if they can be carried out one after the other, whoever began after another had ended
also after it, so that each reads the very versions that it read in the history and the files
hold the same versions in the end. Each write has read the version that it was made from, so there
are no blind writes, and view and conflict serialisability are the same. The search below knows
nothing of graphs: it carries the attempts out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from random import Random

import pytest

from orchestrator.lab.anomalies import AnomalyReport, find_anomalies
from orchestrator.lab.histories import parse_history

FILES = ("x", "y", "z")


@dataclass
class Attempt:
    """One attempt of a random history: its steps as (kind, file, version known, version made)."""

    name: str
    began: int = 0
    ended: int = 0
    accepted: bool = False
    steps: list[tuple[str, str, int, int]] = field(default_factory=list)

    def what_counts(self) -> list[tuple[str, str, int, int]]:
        """Leave out looks that a later look or write of the same file replaces."""
        return [
            step
            for at, step in enumerate(self.steps)
            if step[0] == "=" or step[1] not in {later[1] for later in self.steps[at + 1 :]}
        ]


@dataclass
class Story:
    """A random history: its text, its attempts, and what the files hold in the end."""

    text: str
    attempts: list[Attempt]
    final: dict[str, int]

    def carried_out(self, order: tuple[Attempt, ...]) -> bool:
        """Whether the attempts, one after the other, see and leave what they did."""
        files = dict.fromkeys(FILES, 1)
        for attempt in order:
            for kind, path, known, made in attempt.what_counts():
                if files[path] != known:
                    return False
                if kind == "=":
                    files[path] = made
        return files == self.final

    def serial_orders(self) -> set[tuple[str, ...]]:
        """Return all orders that explain the history, as names."""
        accepted = [attempt for attempt in self.attempts if attempt.accepted]
        return {
            tuple(attempt.name for attempt in order)
            for order in permutations(accepted)
            if not any(
                later.ended < earlier.began
                for at, earlier in enumerate(order)
                for later in order[at + 1 :]
            )
            and self.carried_out(order)
        }


def random_story(seed: int) -> Story:
    """Make up a history of up to five attempts on three files.

    Most steps are on current versions, as if somebody took care, and some on older ones. Nobody
    edits on top of somebody's edit who is still at work: that is judged by lines, not by files.
    An ended attempt's versions are undone at once; whoever sees a file then sees what was before.
    """
    random = Random(seed)
    live: list[Attempt] = []
    story = Story("", [], dict.fromkeys(FILES, 1))
    names = [f"t{number}" for number in range(random.randint(2, 5))]
    held = {path: [1] for path in FILES}  # versions as they came to be current
    author: dict[int, Attempt] = {}
    stands_for: dict[int, int] = {}
    cut, steps, carelessness = 1, list[str](), random.choice((0.0, 0.1, 0.3))
    while names or live:
        if names and (not live or random.random() < 0.35):
            live.append(Attempt(names.pop(0)))
            story.attempts.append(live[-1])
        one, path = random.choice(live), random.choice(FILES)
        current = held[path][-1]
        careless = random.random() < carelessness
        own = max((step[3] for step in one.steps if step[1] == path), default=0)
        known = random.choice([v for v in held[path] if v >= own]) if careless else current
        identity = stands_for.get(known, known)
        did = random.choices(("?", "=", "."), (4, 3, 3))[0]
        if did == "." and one.steps:
            live.remove(one)
            one.ended = len(steps) + 1
            one.accepted = random.random() < 0.85
            steps.append(f"{one.name}{'.' if one.accepted else '!'}")
            if not one.accepted:
                written = dict.fromkeys(step[1] for step in one.steps if step[0] == "=")
                for file in written:
                    cut += 1
                    left = [v for v in held[file] if author.get(stands_for.get(v, v)) is not one]
                    stands_for[cut] = stands_for.get(left[-1], left[-1])
                    held[file].append(cut)
            continue
        writers = {author[v].name for v in held[path] if v in author and author[v] in live}
        if (did == "=" and writers - {one.name}) or did == ".":
            continue
        one.began = one.began or len(steps) + 1
        if did == "?":
            one.steps.append(("?", path, identity, 0))
            steps.append(f"{one.name}?{path}@{known}")
        if did == "=":
            cut += 1
            author[cut] = one
            one.steps.append(("=", path, identity, cut))
            steps.append(f"{one.name}={path}@{known}")
            held[path].append(cut)
    story.text = " ".join(steps)
    accepted = {attempt.name for attempt in story.attempts if attempt.accepted}
    for path in FILES:
        lasting = [v for v in held[path] if v in author and author[v].name in accepted]
        story.final[path] = lasting[-1] if lasting else 1
    return story


def judged(story: Story) -> AnomalyReport:
    return find_anomalies(parse_history(story.text, FILES))


def agree(story: Story) -> bool:
    """Compare report and search; return whether the history is serialisable."""
    orders, report = story.serial_orders(), judged(story)
    assert report.serialisable == bool(orders), (story.text, orders, report)
    if orders:
        assert report.order in orders, story.text
        assert not any(one.cycle for one in report.anomalies), story.text
    else:
        assert report.order == ()
        assert any(one.cycle or one.kind == "dirty read" for one in report.anomalies), story.text
    return bool(orders)


@pytest.mark.parametrize("block", range(4))
def test_the_report_agrees_with_a_search_over_all_orders(block: int) -> None:
    found = [agree(random_story(seed)) for seed in range(block * 60, block * 60 + 60)]
    assert 5 < sum(found) < 55  # both answers occur often
