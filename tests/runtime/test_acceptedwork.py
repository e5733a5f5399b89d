"""What files hold of accepted work alone, from events without a run around them."""

from __future__ import annotations

from hashlib import sha256

import pytest

from orchestrator.core import events as e
from orchestrator.runtime.acceptedwork import Accepted, AcceptedWork, InseparableError

LINES = "".join(f"{n}\n" for n in range(10))
START = {"f": LINES}


class Story:
    """Events as they would be recorded: a token is an attempt of a task of the same number."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}
        start = {path: self._keep(text.encode()) for path, text in START.items()}
        self.work = AcceptedWork(start, lambda _, digest: self._texts[digest], self._keep)
        self.number = 1

    def _keep(self, data: bytes) -> str:
        digest = sha256(data).hexdigest()
        self._texts[digest] = data
        return digest

    def _digest(self, text: str | None) -> str | None:
        return None if text is None else self._keep(text.encode("latin-1"))

    def wrote(self, token: int, text: str | None, base: int | None = None) -> int:
        """Write `f`; on top of the newest version unless `base` says otherwise."""
        before, self.number = self.number, self.number + 1
        digest = self._digest(text)
        base = before if base is None else base
        self.work.take(e.Wrote(0.0, f"t{token}", 1, token, "f", self.number, digest, base))
        return self.number

    def undone(self, token: int, text: str | None) -> None:
        self.number += 1
        event = e.Undone(0.0, f"t{token}", 1, "f", self.number, self._digest(text), token)
        self.work.take(event)

    def outside(self, text: str | None) -> None:
        self.number += 1
        self.work.take(e.ChangedOutside(0.0, "", 0, "f", self.number, self._digest(text)))

    def accepted(self, token: int) -> Accepted | None:
        return self.work.take(e.Succeeded(0.0, f"t{token}", 1, token, summary="done"))

    def content(self) -> str | None:
        digest = self.work.content("f")
        return None if digest is None else self._texts[digest].decode("latin-1")


@pytest.fixture
def story() -> Story:
    return Story()


def edited(*lines: int) -> str:
    return "".join(f"{n}!\n" if n in lines else f"{n}\n" for n in range(10))


def test_a_file_that_nobody_wrote_is_as_it_was(story: Story) -> None:
    assert story.content() == LINES
    assert story.work.content("absent") is None


def test_what_was_accepted_is_there_and_what_runs_is_not(story: Story) -> None:
    story.wrote(1, edited(1))
    story.wrote(2, edited(1, 5))
    story.wrote(1, edited(1, 5, 9))
    assert story.content() == LINES
    assert story.accepted(2) == Accepted("t2", "done", ("f",))
    assert story.content() == edited(5)
    story.accepted(1)
    assert story.content() == edited(1, 5, 9)


def test_what_was_undone_is_gone(story: Story) -> None:
    story.wrote(1, edited(1))
    story.wrote(2, edited(1, 5))
    story.accepted(2)
    story.work.take(e.AttemptEnded(0.0, "t1", 1, 1, "error", "", "ready", True))
    assert story.content() == edited(5)  # what the plan keeps of it is no accepted work either
    story.undone(1, edited(5))
    assert story.content() == edited(5)
    story.wrote(3, edited(5, 7))
    assert story.accepted(3) == Accepted("t3", "done", ("f",))
    assert story.content() == edited(5, 7)


def test_lines_on_unfinished_lines_cannot_be_told_apart_until_these_are_accepted(
    story: Story,
) -> None:
    story.wrote(1, edited(4))
    story.wrote(2, edited(4).replace("4!", "4!?"))
    story.accepted(2)
    with pytest.raises(InseparableError):
        story.content()
    story.accepted(1)
    assert story.content() == edited(4).replace("4!", "4!?")


def test_what_is_no_text_cannot_be_told_apart(story: Story) -> None:
    story.wrote(1, "\xff\n" + LINES)
    story.wrote(2, "\xff\n" + edited(8))
    story.accepted(2)
    with pytest.raises(InseparableError):
        story.content()


def test_a_file_that_was_written_whole_from_an_older_version_holds_nothing_unfinished(
    story: Story,
) -> None:
    story.wrote(1, edited(1))
    story.wrote(2, edited(2), base=1)  # last writer wins: mode uncontrolled
    story.wrote(1, edited(1, 3), base=2)
    story.accepted(2)
    assert story.content() == edited(2)
    story.accepted(1)
    assert story.content() == edited(1, 3)  # the lost update, as it stands in the tree


def test_files_that_come_and_go(story: Story) -> None:
    story.wrote(1, None)
    assert story.content() == LINES
    story.wrote(2, "again\n", base=0)
    story.accepted(2)
    assert story.content() == "again\n"
    story.wrote(3, None)
    story.accepted(3)
    assert story.content() is None


def test_what_a_person_changed_stays_in(story: Story) -> None:
    story.wrote(1, edited(1))
    story.outside(edited(1, 5))
    story.wrote(2, edited(1, 5, 9))
    story.accepted(2)
    assert story.content() == edited(5, 9)
