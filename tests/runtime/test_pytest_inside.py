"""pytest, the most common test command, inside the sandbox: settings and packages of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import SubprocessCommands
from orchestrator.runtime.environment import command_environment
from orchestrator.runtime.sandbox import SandboxPolicy


@pytest.mark.slow
@pytest.mark.parametrize("namespaces", [True, False])
@pytest.mark.parametrize("words", ["", "test_a.py"])
def test_settings_above_the_private_copy_are_not_looked_for(
    tmp_path: Path, namespaces: bool, words: str
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--nonsense'\n")
    copies = tmp_path / "copies"
    (copies / "w1").mkdir(parents=True)
    (copies / "w1.tmp").mkdir()
    (copies / "pytest.ini").write_text("[pytest]\n")
    (copies / "w1" / "test_a.py").write_text("def test_a():\n    pass\n")
    policy = SandboxPolicy(namespaces=namespaces, read=(copies / "pytest.ini",))
    commands = SubprocessCommands(BlobStore(tmp_path / "blobs"), policy=policy)
    result = commands.run(
        f"python -m pytest -q {words}", copies / "w1", timeout=60, tmp=copies / "w1.tmp"
    )
    assert result.exit_code == 0, result.output
    assert "1 passed" in result.output


def test_beside_a_linked_environment_the_copys_own_packages_come_first(tmp_path: Path) -> None:
    copy = tmp_path / "w1"
    (copy / ".venv" / "bin").mkdir(parents=True)
    assert command_environment(copy, tmp_path / "s", {})["PYTHONPATH"] == str(copy)
    (copy / "src").mkdir()
    found = command_environment(copy, tmp_path / "s", {})["PYTHONPATH"]
    assert found == f"{copy / 'src'}:{copy}"
