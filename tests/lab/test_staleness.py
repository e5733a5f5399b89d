"""Work on superseded versions: when it begins, when it ends, and what counts."""

from __future__ import annotations

from orchestrator.core import events as e
from orchestrator.core.messages import Reads
from orchestrator.lab.staleness import Staleness, staleness_of

START = {"api": "old", "own": "stub"}


def granted(at: float, task: str) -> e.LeaseGranted:
    return e.LeaseGranted(at, task, 1, 1, "w1")


def turn(at: float, task: str, number: int = 1, *reads: tuple[str, int]) -> e.Reported:
    return e.Reported(at, task, 1, 1, "reason", number, reads=reads)


def wrote(
    at: float, task: str, path: str, number: int, base: int = 1, reads: Reads = (), digest: str = ""
) -> e.Wrote:
    return e.Wrote(at, task, 1, 1, path, number, digest or f"{path}{number}", base, reads)


def ended(at: float, task: str) -> e.AttemptEnded:
    return e.AttemptEnded(at, task, 1, 1, "tests_failed", "no", "failed", True)


def of(*events: e.Event) -> Staleness:
    return staleness_of(events, START)


BOTH = (granted(0, "a"), granted(0, "b"), turn(1, "b", 1, ("api", 1), ("own", 1)))


def test_going_on_after_a_change_lasts_until_the_end_of_the_attempt() -> None:
    found = of(
        *BOTH,
        wrote(3, "a", "api", 2),
        turn(4, "b", 2),
        wrote(5, "b", "own", 3),
        turn(6, "b", 3),
        e.Succeeded(9, "b", 1, 1),
    )
    # `api` was stale when `own` was written; `own` was not.
    assert found == Staleness(reads=2, stale=1, seconds=9 - 3, turns=2)
    assert found.rate == 0.5


def test_whoever_looks_again_before_writing_depends_on_what_it_saw_then() -> None:
    found = of(
        *BOTH,
        wrote(3, "a", "api", 2),
        turn(4, "b", 2, ("api", 2)),
        wrote(5, "b", "own", 3),
        e.Succeeded(9, "b", 1, 1),
    )
    assert found == Staleness(reads=2, stale=0, seconds=0, turns=0)


def test_what_is_superseded_after_the_write_is_assumed_until_the_next_look() -> None:
    found = of(
        *BOTH,
        wrote(2, "b", "own", 2),
        wrote(3, "a", "api", 3),
        turn(7, "b", 2, ("api", 3)),
        e.Succeeded(9, "b", 1, 1),
    )
    assert found == Staleness(reads=2, stale=0, seconds=4, turns=0)


def test_whoever_writes_nothing_depends_on_nothing() -> None:
    found = of(*BOTH, wrote(3, "a", "api", 2), ended(9, "b"))
    assert found == Staleness(0, 0, 0.0, 0)
    assert found.rate is None


def test_the_last_writer_wins_on_a_stale_read_of_the_file_itself() -> None:
    found = of(*BOTH, wrote(3, "a", "own", 2), wrote(5, "b", "own", 3, base=1), ended(6, "b"))
    assert found == Staleness(reads=2, stale=1, seconds=2, turns=0)


def test_a_write_merged_onto_the_newer_version_is_not_stale() -> None:
    found = of(*BOTH, wrote(3, "a", "own", 2), wrote(5, "b", "own", 3, base=2), ended(6, "b"))
    assert (found.stale, found.seconds) == (0, 0)


def test_a_change_that_is_taken_back_is_stale_only_meanwhile() -> None:
    found = of(
        *BOTH,
        wrote(3, "a", "api", 2),
        ended(4, "a"),
        e.Undone(5, "a", 1, "api", 3, "old"),
        wrote(6, "b", "own", 4),
        e.Succeeded(9, "b", 1, 1),
    )
    assert (found.stale, found.seconds) == (0, 2)


def test_a_change_from_outside_supersedes_too() -> None:
    found = of(
        *BOTH,
        e.ChangedOutside(3, "", 0, "api", 2, "new"),
        wrote(5, "b", "own", 3),
        e.Succeeded(6, "b", 1, 1),
    )
    assert (found.stale, found.seconds) == (1, 3)


def test_moments_in_which_two_files_are_superseded_count_once() -> None:
    found = of(
        *BOTH,
        turn(2, "b", 2, ("other", 0)),
        wrote(3, "a", "api", 2),
        wrote(4, "a", "other", 3, base=0),
        wrote(5, "b", "own", 4),
        e.Succeeded(7, "b", 1, 1),
    )
    assert (found.reads, found.stale, found.seconds) == (3, 2, 4)


def test_what_was_changed_before_it_was_told_to_have_been_read_is_stale_from_then() -> None:
    found = of(
        granted(0, "a"),
        granted(0, "b"),
        wrote(1, "a", "api", 2),
        turn(2, "b", 1, ("api", 1)),
        wrote(4, "b", "own", 3),
        e.Succeeded(5, "b", 1, 1),
    )
    assert (found.stale, found.seconds) == (1, 3)


def test_ones_own_write_is_no_read() -> None:
    found = of(
        granted(0, "a"),
        granted(0, "b"),
        wrote(1, "b", "own", 2),
        wrote(2, "a", "own", 3, base=2),
        wrote(3, "b", "more", 4, base=0),
        ended(5, "b"),
    )
    assert found == Staleness(0, 0, 0.0, 0)
