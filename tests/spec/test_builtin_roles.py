"""The roles that come with the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import orchestrator
from orchestrator.core.scope import Scope
from orchestrator.spec.operations import OPERATIONS
from orchestrator.spec.roles import Role, builtin_directory, load_roles
from orchestrator.spec.yamldoc import read_document

NAMES = ["architect", "documenter", "implementer", "integrator", "reviewer", "tester"]
TESTS = ["tests/test_a.py", "tests/data/a.json", "test/a.py", "src/test_a.py", "src/a_test.py",
         "conftest.py", "pkg/tests/helper.py"]  # fmt: skip
CODE = ["src/a.py", "a.py", "pyproject.toml", "pkg/testing.py", "src/contest.py"]
DOCS = ["docs/a.png", "doc/index.txt", "README.md", "src/notes.rst"]


@pytest.fixture(params=NAMES)
def role(request: pytest.FixtureRequest) -> Role:
    return load_roles(None)[request.param]


def named(name: str) -> Role:
    return load_roles(None)[name]


def test_all_six_are_there() -> None:
    assert list(load_roles(None)) == NAMES


def test_each_passes_the_stock_validator(role: Role) -> None:
    document = read_document(role.path)
    assert list(OpenAPIV31SpecValidator(document.data).iter_errors()) == []


def test_each_is_named_like_its_file_and_tells_the_agent_its_part(role: Role) -> None:
    assert role.path == builtin_directory() / f"{role.name}.yaml"
    assert role.description.startswith("You ")
    assert "refused" in role.description
    assert "Give up" in role.description
    assert role.summary


def test_each_describes_only_tools_that_it_has(role: Role) -> None:
    mentioned = {name for name in OPERATIONS if name in role.description}
    assert mentioned <= {operation.name for operation in role.operations}


def test_each_can_read_and_can_end_its_task(role: Role) -> None:
    names = {operation.name for operation in role.operations}
    assert {"list_files", "read_file", "search_files", "submit", "give_up", "run_tests"} <= names
    assert role.reads == ("**",)


def test_tool_schemas_are_closed_and_described(role: Role) -> None:
    for tool in role.tools:
        Draft202012Validator.check_schema(tool.input_schema)
        assert tool.input_schema["additionalProperties"] is False
        for name, schema in tool.input_schema["properties"].items():
            assert schema["description"], f"{tool.name}.{name}"


def test_the_six_together_use_every_operation() -> None:
    used = {operation.name for name in NAMES for operation in named(name).operations}
    assert used == set(OPERATIONS)


def test_only_the_architect_splits_tasks() -> None:
    assert [name for name in NAMES if named(name).operation("split_task")] == ["architect"]


@pytest.mark.parametrize(
    ("name", "may", "may_not"),
    [
        ("architect", CODE + DOCS, TESTS),
        ("implementer", CODE + DOCS, TESTS),
        ("tester", TESTS, CODE + DOCS),
        ("reviewer", [], CODE + DOCS + TESTS),
        ("integrator", CODE + DOCS + TESTS, []),
        ("documenter", DOCS, CODE + TESTS),
    ],
)
def test_what_each_may_write(name: str, may: list[str], may_not: list[str]) -> None:
    scope = Scope(named(name).writes)
    assert [path for path in may if not scope.matches(path)] == []
    assert [path for path in may_not if scope.matches(path)] == []
    writing = named(name).operation("write_file")
    if writing is not None:
        assert [p for p in may if writing.check({"path": p, "content": ""})] == []
        assert [p for p in may_not if not writing.check({"path": p, "content": ""})] == []


def test_the_reviewer_has_no_operation_that_writes() -> None:
    assert [found.name for found in named("reviewer").operations if found.kind == "write"] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "documenter"])
@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("python -m pytest", True),
        ("python -m pytest -q tests/test_a.py::test_b[1] --maxfail=1", True),
        ("ruff check src", True),
        ("python -c 1", False),
        ("python -m pytest && rm a", False),
        ("python -m pytest; rm a", False),
        ("python -m pytest $(id)", False),
        ("python -m pytest --basetemp=/home", False),
        ("python -m pytest --basetemp=../..", False),
        ("python -m pytest /etc", False),
        ("python -m pytest\n", False),
        ("python -m pytest  -q", False),
        ("python -m pytest-x", False),
        ("rm -rf .", False),
        ("sh", False),
    ],
)
def test_commands(name: str, command: str, allowed: bool) -> None:
    operation = named(name).operation("run_command")
    assert operation is not None
    assert (operation.check({"command": command}) == []) is allowed


def test_the_documenter_runs_no_commands_of_its_own() -> None:
    assert named("documenter").operation("run_command") is None


def test_a_role_is_read_once_per_process() -> None:
    assert load_roles(None)["tester"] is load_roles(None)["tester"]


@pytest.mark.slow
def test_an_installed_package_finds_its_roles_beside_its_modules(tmp_path: Path) -> None:
    package = tmp_path / "orchestrator"
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(orchestrator.__file__).parent, package, ignore=skip)
    shutil.copytree(builtin_directory(), package / "roles", dirs_exist_ok=True)
    code = (
        "from orchestrator.spec.roles import builtin_directory, load_roles\n"
        "print(builtin_directory()); print(load_roles()['reviewer'].path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(package / "roles"), str(package / "roles/reviewer.yaml")]
