"""The safe edits: written where they belong, nothing else touched, and once is enough."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.lintfix import fix_text, write_plan
from orchestrator.core.task import Task
from orchestrator.errors import WorkspaceError
from orchestrator.spec.findings import AddDependency, Finding
from orchestrator.spec.yamldoc import parse_document

HEAD = "version: 1\ntasks:\n  - id: b\n  - id: c\n"


def asked(*edges: tuple[str, str], code: str = "missing-dependency") -> list[Finding]:
    return [
        Finding("x", code=code, severity="warning", edit=AddDependency(task, on))
        for task, on in edges
    ]


def tasks_in(text: str) -> list[Task]:
    data = parse_document(text.removeprefix("\ufeff"), Path()).data
    return [Task(id=t["id"], depends_on=tuple(t.get("depends_on", ()))) for t in data["tasks"]]


def fixed(text: str, *edges: tuple[str, str]) -> str:
    return fix_text(text, tasks_in(text), asked(*edges)).text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  - id: a  # first\n    writes: [x]\n",
         "  - id: a  # first\n    depends_on: [b]\n    writes: [x]\n"),
        ("  - id: a\n    title: One\n    instructions: |\n      do it\n    role: tester\n",
         "  - id: a\n    title: One\n    instructions: |\n      do it\n    role: tester\n"
         "    depends_on: [b]\n"),
        ("  - id: a\n    depends_on: [c]  # why\n", "  - id: a\n    depends_on: [c, b]  # why\n"),
        ("  - id: a\n    depends_on: []\n", "  - id: a\n    depends_on: [b]\n"),
        ("  - id: a\n    depends_on: [\n      c, # one\n    ]\n",
         "  - id: a\n    depends_on: [\n      c, b, # one\n    ]\n"),
        ("  - id: a\n    depends_on:\n      - c  # needs it\n    writes: [x]\n",
         "  - id: a\n    depends_on:\n      - c  # needs it\n      - b\n    writes: [x]\n"),
        ("  - id: a\n    depends_on:\n    - c\n", "  - id: a\n    depends_on:\n    - c\n    - b\n"),
        ("  - {id: a, writes: [x]}\n", "  - {id: a, depends_on: [b], writes: [x]}\n"),
        ("  - id: 'a'\n", "  - id: 'a'\n    depends_on: [b]\n"),
        ("  - id: a", "  - id: a\n    depends_on: [b]"),
    ],
)  # fmt: skip
def test_an_entry_is_put_where_it_belongs(before: str, after: str) -> None:
    assert fixed(HEAD + before, ("a", "b")) == HEAD + after


def test_line_ends_and_byte_order_mark_stay() -> None:
    text = "\ufeff" + (HEAD + "  - id: a\n    writes: [x]\n").replace("\n", "\r\n")
    assert fixed(text, ("a", "b")) == text.replace("id: a\r\n", "id: a\r\n    depends_on: [b]\r\n")


@pytest.mark.parametrize("name", ["1", "1e3", "true", "No", "null", "0x1F"])
def test_ids_that_look_like_something_else_are_quoted(name: str) -> None:
    text = f'tasks:\n  - id: a\n  - id: "{name}"\n'
    assert tasks_in(fixed(text, ("a", name)))[0].depends_on == (name,)


@pytest.mark.parametrize(
    "text",
    [
        "tasks:\n  - id: b\n  - {id: c, depends_on: &n [b]}\n  - id: a\n    depends_on: *n\n",
        "base: &base {depends_on: []}\ntasks:\n  - id: b\n  - <<: *base\n    id: a\n",
        "one: &one {id: a}\ntasks:\n  - id: b\n  - *one\n",
    ],
)  # fmt: skip
def test_what_is_written_with_aliases_is_left_to_people(text: str) -> None:
    tasks = [*(task for task in tasks_in(text) if task.id != "a"), Task(id="a")]
    result = fix_text(text, tasks, asked(("a", "b")))
    assert result.text == text
    assert result.by_hand == (AddDependency("a", "b"),)


def test_an_edit_that_would_close_a_circle_is_not_made() -> None:
    text = HEAD + "  - id: a\n"
    result = fix_text(text, tasks_in(text), asked(("a", "b"), ("b", "c"), ("c", "a")))
    assert result.done == (AddDependency("a", "b"), AddDependency("b", "c"))
    assert result.needless == (AddDependency("c", "a"),)


def test_an_edit_that_others_imply_is_not_made() -> None:
    text = HEAD + "  - id: a\n"
    result = fix_text(text, tasks_in(text), asked(("a", "c"), ("a", "b"), ("b", "c")))
    assert set(result.done) == {AddDependency("a", "b"), AddDependency("b", "c")}


def test_what_the_code_asks_for_comes_before_what_only_orders() -> None:
    text = HEAD + "  - id: a\n"
    both = [*asked(("a", "b"), code="overlap"), *asked(("b", "a"))]
    assert fix_text(text, tasks_in(text), both).done == (AddDependency("b", "a"),)


def test_no_finding_no_change() -> None:
    assert fix_text(HEAD, tasks_in(HEAD), [Finding("x")]).text == HEAD


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_only_the_entries_asked_for_are_added_and_once(data: st.DataObject) -> None:
    names = [f"t{n}" for n in range(data.draw(st.integers(2, 6)))]
    lines = ["tasks:"]
    for number, name in enumerate(names):
        needs = [one for one in names[:number] if data.draw(st.booleans())]
        shape = data.draw(st.sampled_from(["flow", "block", "map", "none"]))
        if shape == "map":
            lines.append(f"- {{id: {name}, depends_on: [{', '.join(needs)}]}} # {name}")
        elif shape == "block" and needs:
            lines += [f"- id: {name}", "  depends_on:", *(f"  - {one} # c" for one in needs)]
        elif shape == "flow":
            lines += [f"- id: {name} # c", f"  depends_on: [{', '.join(needs)}]"]
        else:
            lines.append(f"- id: {name}")
    text = "\n".join(lines) + "\n"
    pairs = [(one, other) for one in names for other in names if one != other]
    edges = data.draw(st.lists(st.sampled_from(pairs), max_size=4))
    result = fix_text(text, tasks_in(text), asked(*edges))
    before = {task.id: task.depends_on for task in tasks_in(text)}
    after = {task.id: task.depends_on for task in tasks_in(result.text)}
    for name in names:
        added = tuple(edit.on for edit in result.done if edit.task == name)
        assert after[name] == before[name] + added
    assert not result.by_hand
    assert result.text.count("#") == text.count("#")
    again = fix_text(result.text, tasks_in(result.text), asked(*edges))
    assert again.text == result.text


def test_writing_keeps_permissions_and_links(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("a")
    real.chmod(0o640)
    link = tmp_path / "plan.yaml"
    link.symlink_to(real)
    write_plan(link, "b")
    assert link.is_symlink()
    assert real.read_text() == "b"
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.yaml", "real.yaml"]


def test_a_plan_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot be written"):
        write_plan(tmp_path / "none" / "plan.yaml", "b")
