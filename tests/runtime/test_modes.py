"""Finding a coordination mode by its name."""

from __future__ import annotations

import pytest

from orchestrator.core.limits import Limits
from orchestrator.errors import UsageError
from orchestrator.runtime.modes import MODES, find_mode
from orchestrator.spec.plan import MODES as NAMED


def test_modes_are_found_by_name() -> None:
    assert {find_mode(name).name for name in MODES} == set(MODES)
    assert set(MODES) <= set(NAMED)


@pytest.mark.parametrize(
    ("name", "close"), [("shard", "shared"), ("Solo", "solo"), ("worktree", "shared"), ("", "")]
)
def test_what_is_not_there_is_refused_with_the_nearest(name: str, close: str) -> None:
    with pytest.raises(UsageError, match="is not available") as caught:
        find_mode(name)
    assert f"--mode {close}" in caught.value.fix
    assert all(mode in caught.value.why for mode in MODES)


def test_one_agent_alone_is_kept_away_from_nobody() -> None:
    shared, solo = (find_mode(name).rules(Limits()) for name in ("shared", "solo"))
    assert (shared.exclusive, shared.validate_reads) == (True, True)
    assert (solo.exclusive, solo.validate_reads) == (False, False)
