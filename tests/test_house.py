"""The house keeps its own rules: layers of start-up, generated parts, the wheel, the examples."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from orchestrator.core.states import diagram

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("anthropic", "networkx", "openapi_spec_validator", "jsonschema", "rich", "yaml", "sqlite3")


def python(code: str, *words: str, cwd: Path = ROOT, path: Path = ROOT) -> str:
    """Run Python in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True, text=True, check=False, cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(path), "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy() -> None:
    code = f"import orchestrator, sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    assert python(code).strip() == "[]"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from orchestrator.ui.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        f"print('heavy:', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    shown = python(code)
    assert "Usage:" in shown
    assert "heavy: []" in shown


def test_every_public_name_is_there() -> None:
    code = "import orchestrator as o; print([type(getattr(o, n)).__name__ for n in o.__all__])"
    assert "NoneType" not in python(code)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import orchestrator

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        orchestrator.Nothing  # noqa: B018


def test_the_diagram_in_the_design_is_the_table() -> None:
    assert diagram() in (ROOT / "DESIGN_DOC.md").read_text()


def test_the_map_is_short_and_its_files_exist() -> None:
    text = (ROOT / "CLAUDE.md").read_text()
    assert len(text.split()) <= 730
    named = {
        word
        for row in text.splitlines()
        if row.startswith("| `")
        for word in row.split("|")[1].replace("`", "").replace(",", " ").split()
        if "/" in word
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / "orchestrator" / name).is_file()] == []


def test_no_file_is_too_long() -> None:
    long = {
        path.name: lines
        for path in (ROOT / "orchestrator").rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 460
    }
    assert long == {}


@pytest.mark.slow
def test_roles_and_schema_work_from_an_installed_wheel(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    code = (
        "import orchestrator\n"
        "from orchestrator.spec.roles import load_roles\n"
        "from orchestrator.spec.schemacheck import plan_schema\n"
        "assert plan_schema()\n"
        "roles = load_roles()\n"
        "print(orchestrator.__file__, sorted(roles[name].name for name in roles))\n"
    )
    shown = python(code, cwd=tmp_path, path=tmp_path / "installed")
    assert str(tmp_path / "installed") in shown
    for name in ("architect", "documenter", "implementer", "integrator", "reviewer", "tester"):
        assert name in shown


@pytest.mark.slow
def test_the_embedding_example_runs() -> None:
    shown = python((ROOT / "examples" / "embed.py").read_text())
    assert "succeeded in" in shown
    assert "the instrument was not warm yet (embed.py" in shown.replace("<string>", "embed.py")
    assert "# north\nnorth.txt\n" in shown
    assert "# south\nsouth.txt\n" in shown
