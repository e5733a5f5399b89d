"""The machine under random schedules with faults: nothing that must hold is ever broken."""

from __future__ import annotations

from itertools import product

import pytest
from simulation.plans import GLOBS, PATHS, mask, paths_of
from simulation.schedule import simulate
from simulation.stage import Core
from simulation.tracing import play, program, shorten

from orchestrator.core.scope import Scope

SCHEDULES = 300


@pytest.mark.slow
def test_random_schedules_break_nothing() -> None:
    core = Core.of()
    for seed in range(1, SCHEDULES + 1):
        result = simulate(seed, core)
        if result.broken:
            world, steps, broken = shorten(result.world, result.steps, core)
            pytest.fail(program(world, steps, broken, seed))


@pytest.mark.slow
def test_schedules_reach_every_end_and_every_fault() -> None:
    """The simulation would prove little if its runs were all alike."""
    core = Core.of()
    results = [simulate(seed, core) for seed in range(1, 150)]
    assert {result.status for result in results} >= {"succeeded", "failed", "limit"}
    kinds = {type(step).__name__ for result in results for step in result.steps}
    assert kinds == {"Ask", "Commit", "Edit", "Restart"}
    outcomes = {getattr(step, "outcome", "") for result in results for step in result.steps}
    assert outcomes >= {"answered", "not recorded", "not answered"}
    asked = {
        type(getattr(step, "request", None)).__name__ for r in results for step in r.steps
    }  # fmt: skip
    assert asked >= {
        "Claim", "Renew", "Report", "Write", "Delete", "Submit", "GiveUp", "Widen", "Send", "Note",
        "Split", "Overstep", "Approve", "Cancel", "Retry", "Tick", "Lost", "Observe", "Halt",
    }  # fmt: skip


def test_one_seed_is_one_schedule() -> None:
    core = Core.of()
    one, other = simulate(7, core), simulate(7, core)
    assert one == other
    assert one != simulate(8, core)


def test_steps_played_again_are_the_same_run() -> None:
    core = Core.of()
    result = simulate(12, core)
    broken, steps = play(result.world, result.steps, core)
    assert broken is None
    assert tuple(steps) == result.steps


@pytest.mark.parametrize("glob", GLOBS)
def test_the_table_of_globs_is_what_the_program_says(glob: str) -> None:
    assert GLOBS[glob] == {path for path in PATHS if Scope((glob,)).matches(path)}


def test_lists_with_exclusions_are_counted_as_the_program_does() -> None:
    for one, other in product(GLOBS, repeat=2):
        globs = (one, f"!{other}")
        assert paths_of(mask(globs)) == [p for p in PATHS if Scope(globs).matches(p)]
