"""A reference file that is too long to be read by one call."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import Plan, Task, run
from orchestrator.runtime.tools import READ_LIMIT


@pytest.mark.slow
def test_a_long_file_is_read_in_parts(tmp_path: Path) -> None:
    line = "# " + "x" * 90 + "\n"
    count = 2 * READ_LIMIT // len(line)
    for folder, last in (("work", "old\n"), ("solution", "new\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "long.txt").write_text(line * count + last)
    plan = Plan(
        name="p", workspace=tmp_path / "work", base=tmp_path,
        tasks=(Task(id="a", role="implementer", writes=("long.txt",), test="true"),),
    )  # fmt: skip
    result = run(plan, model=f"oracle:{tmp_path / 'solution'}", durability="normal")
    assert result.status == "succeeded", result.tasks["a"].reason
    assert (tmp_path / "work" / "long.txt").read_text().endswith("new\n")
