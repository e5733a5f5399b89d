"""Who holds which files: exclusion, waking, and turns for those who were passed over."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.claims import PATIENCE, Bounds, Claims, Holdings
from orchestrator.core.scope import Scope

FILES = ("a", "b", "c")


def bounds(writes: str = "", shares: str = "") -> Bounds:
    """Scopes of files with names of one letter."""
    return Bounds(Scope(tuple(writes)), Scope(tuple(shares)))


def block(claims: Claims, task: str, wanted: Bounds) -> list[str]:
    """Try to start; sleep where that is not possible."""
    by = claims.against(task, wanted)
    if by:
        claims.block(task, wanted, by)
    else:
        claims.hold(task, wanted)
    return by


def test_exclusive_excludes_everybody_and_sharers_share() -> None:
    held = Holdings()
    held.add("writer", bounds("a"))
    held.add("sharer", bounds(shares="b"))
    assert held.against("x", bounds("a")) == ["writer"]
    assert held.against("x", bounds(shares="a")) == ["writer"]
    assert held.against("x", bounds("b")) == ["sharer"]
    assert held.against("x", bounds(shares="b")) == []
    assert held.against("x", bounds("c", "b")) == []
    assert held.against("x", bounds("ab")) == ["writer", "sharer"]
    assert held.against("writer", bounds("ab")) == ["sharer"]
    assert held.against("x", Bounds()) == []


def test_adding_again_replaces_and_removing_frees() -> None:
    held = Holdings()
    held.add("t", bounds("a"))
    held.add("t", bounds("b"))
    assert held.against("x", bounds("a")) == []
    assert held.against("x", bounds("b")) == ["t"]
    held.remove("t")
    held.remove("t")
    assert "t" not in held
    assert held.against("x", bounds("abc", "abc")) == []


def test_a_task_without_files_is_never_in_the_way() -> None:
    claims = Claims()
    claims.hold("t", Bounds())
    assert "t" not in claims.held
    assert claims.against("x", bounds("abc")) == []


def test_a_blocked_task_is_woken_by_the_last_of_its_blockers() -> None:
    claims = Claims()
    claims.hold("one", bounds("a"))
    claims.hold("two", bounds("b"))
    assert block(claims, "wide", bounds("ab")) == ["one", "two"]
    assert claims.is_blocked("wide")
    assert claims.blockers("wide") == ("one", "two")
    assert claims.end("one") == []
    assert claims.blockers("wide") == ("two",)
    assert claims.end("two") == ["wide"]
    assert not claims.is_blocked("wide")


def test_whoever_goes_away_while_it_waits_is_not_woken() -> None:
    claims = Claims()
    claims.hold("one", bounds("a"))
    block(claims, "wide", bounds("ab"))
    assert claims.end("wide") == []
    assert claims.end("one") == []


def pass_over(claims: Claims, task: str, wanted: Bounds, files: str, times: int) -> str:
    """Let smaller tasks hold `files` whenever the task looks; return the last, still running."""
    holder = ""
    for turn in range(times):
        assert claims.end(holder) == ([task] if holder else [])
        holder = f"small {turn} before {task}"
        claims.hold(holder, bounds(files))
        assert block(claims, task, wanted) == [holder]
    return holder


def test_passed_over_often_enough_it_reserves_its_files() -> None:
    claims = Claims()
    last = pass_over(claims, "wide", bounds("abc"), "a", PATIENCE)
    assert claims.against("late", bounds("b")) == ["wide"]
    assert claims.against("late", bounds(shares="c")) == ["wide"]
    assert claims.end(last) == ["wide"]
    assert claims.against("wide", bounds("abc")) == []
    claims.hold("wide", bounds("abc"))
    assert "wide" not in claims.reserved


def test_before_that_it_reserves_nothing() -> None:
    claims = Claims()
    pass_over(claims, "wide", bounds("abc"), "a", PATIENCE - 1)
    assert claims.against("late", bounds("b")) == []


def test_reservations_that_overlap_are_served_in_their_order() -> None:
    """Were the second not reserved too, two narrow ones could take turns before it for ever."""
    claims = Claims()
    small = pass_over(claims, "second", bounds("bc"), "c", PATIENCE - 1)
    last = pass_over(claims, "first", bounds("ab"), "a", PATIENCE)
    assert claims.end(small) == ["second"]
    assert block(claims, "second", bounds("bc")) == ["first"]
    assert claims.against("third", bounds("c")) == ["second"]
    assert claims.end(last) == ["first"]
    assert block(claims, "first", bounds("ab")) == []
    assert claims.end("first") == ["second"]
    assert block(claims, "second", bounds("bc")) == []


def test_two_sides_cannot_take_turns_before_a_wide_task_for_ever() -> None:
    """Left and right tasks overlap the wide one but not one another, and reserve in turns."""
    claims = Claims()
    wide, sides = bounds("ab"), {"left": ("x", bounds("ax")), "right": ("y", bounds("by"))}
    running: list[tuple[str, str]] = []
    tries = 0
    for turn in range(10 * PATIENCE):
        name = ("left", "right")[turn % 2]
        hold, wanted = sides[name]
        for n in range(PATIENCE):
            claims.hold(f"{hold}{turn}.{n}", bounds(hold))
            block(claims, f"{name}{turn}", wanted)
            if n < PATIENCE - 1:
                claims.end(f"{hold}{turn}.{n}")
        running.append((f"{hold}{turn}.{PATIENCE - 1}", f"{name}{turn}"))
        if not claims.is_blocked("wide"):
            tries += 1
            if not block(claims, "wide", wide):
                break
        if turn:
            small, side = running.pop(0)
            claims.end(small)
            assert block(claims, side, sides[side.rstrip("0123456789")][1]) == []
            claims.end(side)
    assert "wide" in claims.held
    assert tries <= PATIENCE + 1


def test_a_reservation_goes_with_its_task() -> None:
    claims = Claims()
    pass_over(claims, "wide", bounds("abc"), "a", PATIENCE)
    assert block(claims, "late", bounds("b")) == ["wide"]
    assert claims.end("wide") == ["late"]
    assert claims.against("late", bounds("b")) == []


def test_problems_name_what_is_wrong_with_the_books() -> None:
    claims = Claims()
    claims.hold("one", bounds("a"))
    block(claims, "two", bounds("a"))
    assert claims.problems() == []
    claims.hold("rogue", bounds("a"))
    assert claims.problems() == [
        "one and rogue hold overlapping files", "rogue and one hold overlapping files",
    ]  # fmt: skip
    claims.held.remove("rogue")
    claims.held.remove("one")
    assert claims.problems() == ["two waits for one, which holds nothing it wants"]


letters = st.lists(st.sampled_from(FILES), max_size=2, unique=True).map("".join)


@given(
    st.lists(st.tuples(letters, letters), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40),
)
def test_against_a_model(wants: list[tuple[str, str]], steps: list[tuple[int, bool]]) -> None:
    """Any order of starts and ends: no two overlap, and nobody sleeps beside free files."""
    claims, running, asleep = Claims(), dict[int, None](), set[int]()

    def start(n: int) -> None:
        if block(claims, str(n), bounds(*wants[n])):
            asleep.add(n)
        else:
            running[n] = None

    def end(n: int) -> None:
        del running[n]
        asleep.difference_update(int(name) for name in claims.end(str(n)))

    for number, starts in steps:
        n = number % len(wants)
        if starts and n not in running and n not in asleep:
            start(n)
        elif not starts and n in running:
            end(n)
        assert claims.problems() == []
        for one, other in combinations(running, 2):
            assert not set(wants[one][0]) & set("".join(wants[other]))
            assert not set("".join(wants[one])) & set(wants[other][0])
    left = set(range(len(wants))) - running.keys()
    while left or running:
        for n in left - asleep:
            start(n)
        left -= running.keys()
        assert running, "all sleep, and nobody would wake them"
        for n in tuple(running):
            end(n)
