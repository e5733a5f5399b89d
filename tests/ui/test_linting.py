"""`lint` as people, programs and editors get it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.ui.linting import load_and_warn, show_lint

ROOT = Path(__file__).resolve().parents[2]

PLAN = """\
version: 1
workspace: project  # here
tasks:
  - id: base
    writes: [base.py]
  - id: user      # imports base
    writes: [user.py]
  - {id: notes, writes: [base.md, "user.p?"]}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan with a missing dependency and an overlap."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "base.py").write_text("def one():\n    raise NotImplementedError\n")
    (project / "user.py").write_text("from base import one\n\ndef two():\n    return one()\n")
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_json_has_the_shape_that_others_rely_on(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_lint(plan, as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == {"plan", "findings", "parallelism"}
    keys = {"code", "severity", "tasks", "where", "message", "fix", "witness"}
    assert all(finding.keys() - {"edit"} == keys for finding in said["findings"])
    assert {finding["code"] for finding in said["findings"]} == {"missing-dependency", "overlap"}


def test_an_error_in_the_code_fails(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (plan.parent / "project" / "user.py").write_text("from base import one\n\nX = one()\n")
    assert show_lint(plan, as_json=False) == 1
    said = capsys.readouterr().out
    assert "error: `user` needs `base` and does not wait for it" in said
    assert "the plan runs, and tasks of it must fail" in said


def test_people_see_the_worst_first(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (plan.parent / "project" / "user.py").write_text("from base import one\n\nX = one()\n")
    show_lint(plan, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines.index("Mistakes:") < lines.index("Warnings:")
    assert "  fix: add `depends_on: [base]` to `user`" in lines
    assert "Checked against the code: 2 source files." in lines


def test_fix_mends_and_says_what_it_did(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_lint(plan, as_json=True, fix=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["findings"] == []
    assert f"{plan}: `user` now waits for `base`" in said["fixed"]
    text = plan.read_text()
    assert "  - id: user      # imports base\n    depends_on: [base]\n" in text
    assert text.startswith("version: 1\nworkspace: project  # here\n")
    show_lint(plan, as_json=False, fix=True)
    assert "nothing to mend" in capsys.readouterr().out
    assert plan.read_text() == text


def test_fix_leaves_a_plan_with_mistakes_alone(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PLAN.replace("id: base", "id: user")
    plan.write_text(text)
    assert show_lint(plan, as_json=False, fix=True) == 1
    assert plan.read_text() == text
    assert "the plan cannot run" in capsys.readouterr().out


def test_sarif(
    plan: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plan.parent)
    assert show_lint(Path("plan.yaml"), as_json=False, sarif="-") == 0
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["missing-dependency", "overlap"]
    assert all(rule["helpUri"].endswith(f"docs/findings.md#{rule['id']}") for rule in rules)
    assert all(rule["helpUri"].startswith("file:///") for rule in rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "warning"
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "plan.yaml"}
        assert place["region"]["startLine"] > 1


def test_sarif_beside_what_people_read(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = plan.parent / "out.sarif"
    show_lint(plan, as_json=False, sarif=str(target))
    assert "the plan can run" in capsys.readouterr().out
    assert json.loads(target.read_text())["version"] == "2.1.0"


def test_fingerprints_stay_when_lines_move(plan: Path) -> None:
    def prints() -> list[str]:
        target = plan.parent / "out.sarif"
        show_lint(plan, as_json=False, sarif=str(target))
        results = json.loads(target.read_text())["runs"][0]["results"]
        return sorted(result["partialFingerprints"]["finding/v1"] for result in results)

    before = prints()
    plan.write_text("# a line more\n" + plan.read_text())
    user = plan.parent / "project" / "user.py"
    user.write_text("# a line more\n" + user.read_text())
    assert prints() == before


def test_two_outputs_for_one_stream_are_refused(plan: Path) -> None:
    with pytest.raises(UsageError, match="both want standard output"):
        show_lint(plan, as_json=True, sarif="-")


def test_a_sarif_file_that_cannot_be_written(plan: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        show_lint(plan, as_json=False, sarif=str(plan.parent / "none" / "out.sarif"))


def test_before_a_run_the_plan_alone_is_looked_at(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_and_warn(plan)
    said = capsys.readouterr().err
    assert "[overlap]" in said
    assert "[missing-dependency]" not in said


# --- the page of findings ----------------------------------------------------------------------

MAKERS = {"Finding", "Problem", "Mistake", "problem", "_problem", "_finding", "once"}
MADE_OF_KEYS = {"missing-workspace", "missing-roles", "workspace-not-a-directory",
                "roles-not-a-directory"}  # fmt: skip
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
SINGLE = {"overlap", "cycle", "chain", "schema", "unreadable"}


def checkers() -> list[Path]:
    """Return the modules that make findings on plans."""
    package = ROOT / "orchestrator"
    return [
        *(package / "spec").glob("*.py"),
        *(package / "analysis" / "linting").glob("*.py"),
        *(package / "analysis").glob("lint*.py"),
        *(package / "analysis").glob("certificate*.py"),
        package / "analysis" / "codefiles.py",
        package / "analysis" / "codemodel.py",
    ]


def literals(node: ast.AST) -> list[str]:
    """Return the texts that an argument can be."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def emitted() -> set[str]:
    """Return every code that some check gives to what it finds, read from the sources."""
    found = {"syntax-error", *MADE_OF_KEYS}
    for path in checkers():
        for node in ast.walk(ast.parse(path.read_text())):
            values: list[ast.expr] = []
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in MAKERS:
                    values = [*node.args, *(one.value for one in node.keywords)]
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                names = [getattr(one, "id", "") for one in node.targets[0].elts]
                if "code" in names and isinstance(node.value, ast.Tuple):
                    values = [node.value.elts[names.index("code")]]
            texts = {text for value in values for text in literals(value)}
            found |= {text for text in texts if CODE.fullmatch(text) or text in SINGLE}
    return found


def sections() -> dict[str, str]:
    parts = (ROOT / "docs" / "findings.md").read_text().split("\n### ")[1:]
    return {part.partition("\n")[0]: part.partition("\n## ")[0] for part in parts}


@pytest.mark.slow
def test_every_code_has_its_section_and_no_other_has() -> None:
    codes = emitted()
    assert {"overlap", "missing-dependency", "cycle", "wrong-type", "missing-file"} <= codes
    assert sections().keys() - codes == set()
    assert codes - sections().keys() == set()


def test_every_section_says_what_why_how_and_the_fix() -> None:
    for code, text in sections().items():
        for mark in ("Why it hurts: ", "Example: ", "Fix: "):
            assert mark in text, (code, mark)
        assert re.search(r"^\*[A-Z][a-z, ]+\.\* \S", text, re.MULTILINE), code
