"""Plans that are right: what the file says is what the plan holds; plans built in code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.limits import Limits
from orchestrator.core.task import Task
from orchestrator.errors import PlanError
from orchestrator.spec.durations import format_duration, parse_duration
from orchestrator.spec.findings import Finding
from orchestrator.spec.plan import COMMITS, MODES, Plan, check_plan, check_tasks, find, load_plan
from orchestrator.spec.plandata import plan_to_data, read_draft
from orchestrator.spec.schemacheck import mistakes, plan_schema

FULL = """\
version: 1
name: minisql
goal: Implement the engine.
workspace: ./project
into: ./out
roles: ./roles
model: oracle:./solution
mode: locks
validate: file
commit: task
limits: {workers: 2, wall: 30m, tokens: 2000000, usd: 10.5, attempts: 5, turns: 30, lease: 90}
defaults:
  role: implementer
  test: "python -m pytest -q {tests}"
  reads: ["minisql/**"]
  limits: {turns: 25, wall: 5m}
tasks:
  - id: tokens
    writes: ["minisql/tokens.py"]
    tests: ["tests/test_tokens.py"]
  - id: lexer
    title: Tokenise SQL text
    instructions: |
      Write it.
    role: architect
    depends_on: [tokens]
    writes: ["minisql/lexer.py"]
    reads: ["**"]
    shares: ["minisql/__init__.py"]
    tests: ["tests/test_lexer.py"]
    test: "python -m pytest {tests} -x"
    estimate: 5m
    priority: 3
    approval: true
    on_failure: continue
    keep: true
    limits: {turns: 20, attempts: 1, tokens: 5000}
  - id: docs
    writes: ["README.md"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("project/tests", "project/minisql", "roles"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("tokens", "lexer"):
        (tmp_path / f"project/tests/test_{name}.py").touch()
    (tmp_path / "plan.yaml").write_text(FULL)
    return tmp_path


def test_every_key_of_a_plan_arrives(folder: Path) -> None:
    plan = load_plan(folder / "plan.yaml")
    assert plan == Plan(
        name="minisql",
        goal="Implement the engine.",
        workspace=folder / "project",
        into=folder / "out",
        roles=folder / "roles",
        model="oracle:./solution",
        mode="locks",
        validate="file",
        commit="task",
        limits=Limits(
            workers=2, wall=1800.0, tokens=2_000_000, usd=10.5, attempts=5, turns=30, lease=90.0
        ),
        base=folder,
        path=folder / "plan.yaml",
        digest=hashlib.sha256(FULL.encode()).hexdigest(),
        tasks=(
            Task(
                id="tokens",
                role="implementer",
                writes=("minisql/tokens.py",),
                reads=("minisql/**",),
                tests=("tests/test_tokens.py",),
                test="python -m pytest -q {tests}",
                turns=25,
                seconds=300.0,
            ),
            Task(
                id="lexer",
                title="Tokenise SQL text",
                instructions="Write it.\n",
                role="architect",
                depends_on=("tokens",),
                writes=("minisql/lexer.py",),
                shares=("minisql/__init__.py",),
                tests=("tests/test_lexer.py",),
                test="python -m pytest {tests} -x",
                estimate=300.0,
                priority=3,
                approval=True,
                on_failure="continue",
                keep=True,
                turns=20,
                attempts=1,
                tokens=5000,
                seconds=300.0,
            ),
            Task(
                id="docs",
                role="implementer",
                writes=("README.md",),
                reads=("minisql/**",),
                test="",
                turns=25,
                seconds=300.0,
            ),
        ),
    )


def test_a_plan_knows_where_its_tasks_stand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    plan = load_plan("plan.yaml")
    assert dict(plan.places) == {
        "tokens": "plan.yaml:18:5",
        "lexer": "plan.yaml:21:5",
        "docs": "plan.yaml:38:5",
    }
    assert plan.task("docs").writes == ("README.md",)
    with pytest.raises(KeyError):
        plan.task("nobody")


def test_the_smallest_plan(tmp_path: Path) -> None:
    path = tmp_path / "tidy.yaml"
    path.write_text("version: 1\nworkspace: .\ntasks: [{id: a, writes: [a.py]}]\n")
    plan, findings = find(path)
    assert findings == []
    assert plan is not None
    assert plan.name == "tidy"
    assert plan.limits == Limits()
    assert plan.mode == "shared"
    assert plan.tasks == (Task(id="a", role="implementer", writes=("a.py",)),)


def test_a_file_called_plan_is_named_after_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "engine" / "plan.yaml"
    path.parent.mkdir()
    path.write_text("version: 1\nworkspace: .\ntasks: [{id: a, writes: [a.py]}]\n")
    assert load_plan(path).name == "engine"


def test_a_role_that_writes_nothing_needs_no_files(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("version: 1\ntasks: [{id: look, role: reviewer}]\n")
    assert find(path)[1] == []


def test_a_plan_in_code_needs_a_name_and_tasks() -> None:
    plan = Plan(name="p", tasks=(Task(id="a"), Task(id="b", depends_on=("a",))))
    plan.check()
    assert check_plan(plan) == []
    assert plan.base == Path.cwd()


def test_a_plan_in_code_may_use_lists_and_relative_paths(tmp_path: Path) -> None:
    tasks = [Task(id="a", writes=["a.py"], depends_on=[])]  # type: ignore[arg-type]
    plan = Plan(name="p", tasks=tasks, workspace=Path("src"), base=tmp_path)  # type: ignore[arg-type]
    assert plan.tasks == (Task(id="a", writes=("a.py",)),)
    assert plan.workspace == tmp_path / "src"
    with pytest.raises(PlanError, match="`workspace` does not exist"):
        plan.check()


def test_a_plan_in_code_gets_all_its_mistakes_at_once() -> None:
    plan = Plan(
        name="p",
        mode="sharde",
        limits=Limits(workers=0, wall=-1.0),
        tasks=(
            Task(id="a b"),
            Task(id="a", depends_on=("c", "a"), turns=0),
            Task(id="b", depends_on=("nobody",), role="implementr", writes=("../x",)),
            Task(id="b", writes="src"),  # type: ignore[arg-type]
        ),
    )
    with pytest.raises(PlanError) as caught:
        plan.check()
    said = {(problem.where, problem.code) for problem in caught.value.problems}
    assert said == {
        ("mode", "unknown-value"),
        ("limits.workers", "out-of-range"),
        ("limits.wall", "bad-text"),
        ("task a b: id", "bad-text"),
        ("task a: limits.turns", "out-of-range"),
        ("task b: depends_on.0", "unknown-dependency"),
        ("task b: role", "unknown-role"),
        ("task b: writes.0", "bad-glob"),
        ("task b: writes", "wrong-type"),
        ("task b: id", "duplicate-id"),
    }


def test_added_tasks_are_checked_with_those_that_are_there() -> None:
    old = [
        Task(id="a", depends_on=("b",), writes=("x",)),
        Task(id="b"),
        Task(id="z", writes=("x",)),
    ]
    assert check_tasks([Task(id="c", depends_on=("a",), writes=("y",))], existing=old) == []
    found = check_tasks(
        [Task(id="b"), Task(id="d", writes=("x",), turns=99), Task(id="e", attempts=-1)],
        existing=old,
        limits=Limits(turns=40),
    )
    assert [(finding.code, finding.tasks) for finding in found] == [
        ("out-of-range", ("e",)),
        ("duplicate-id", ("b",)),
        ("loose-limit", ("d",)),
        ("overlap", ("a", "d")),
        ("overlap", ("z", "d")),
    ]


def test_a_cycle_closed_by_an_added_task_is_found() -> None:
    old = [Task(id="a", depends_on=("new",))]
    found = check_tasks([Task(id="new", depends_on=("a",))], existing=old)
    assert [finding.what for finding in found] == [
        "tasks depend on one another in a circle: a -> new -> a"
    ]


def test_the_schema_is_valid_and_says_something_about_every_key() -> None:
    from jsonschema import Draft202012Validator

    schema = plan_schema()
    Draft202012Validator.check_schema(schema)
    keys = [
        (name, entry)
        for part in (
            schema,
            schema["properties"]["limits"],
            schema["$defs"]["task"],
            schema["$defs"]["task"]["properties"]["limits"],
        )
        for name, entry in part["properties"].items()
    ]
    assert len(keys) > 30
    for name, entry in keys:
        assert entry.get("title"), name
        assert entry.get("description"), name
    assert tuple(sorted(MODES)) == tuple(sorted(schema["properties"]["mode"]["enum"]))


def test_the_schema_alone_accepts_the_full_plan(folder: Path) -> None:
    """Editors use the file as it is, without the shortcuts of the loader."""
    import yaml
    from jsonschema import Draft202012Validator

    Draft202012Validator(plan_schema()).validate(yaml.safe_load(FULL))


def test_findings_print_as_json() -> None:
    finding = Finding("what", "p:1:2", "why", "fix", "code", ("a",), "warning", "x.py")
    assert json.loads(json.dumps(finding.to_json())) == {
        "code": "code",
        "severity": "warning",
        "tasks": ["a"],
        "where": "p:1:2",
        "message": "what: why",
        "fix": "fix",
        "witness": "x.py",
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("1.5h", 5400), ("7", 7), (0.25, 0.25), (3, 3)],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "500ms", "-5s", "5 m", "1d", "m", "1e3s", "5m\n", -1, float("nan"), float("inf")]
)
def test_what_is_no_duration(text: str | float) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@settings(deadline=None)
@given(st.integers(1, 10**6))
def test_durations_are_written_as_they_are_read(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
globs = st.lists(st.sampled_from(["src/**", "a.py", "!src/x", "docs"]), max_size=3).map(tuple)
counts = st.none() | st.integers(1, 100)
tasks = st.builds(
    Task,
    id=names,
    title=texts,
    instructions=texts,
    role=names,
    depends_on=st.lists(names, unique=True, max_size=3).map(tuple),
    writes=globs,
    reads=globs,
    shares=globs,
    tests=globs,
    test=texts.filter(lambda text: "{tests}" not in text),
    estimate=st.integers(1, 10**6).map(float),
    priority=st.integers(-5, 5),
    approval=st.booleans(),
    on_failure=st.sampled_from(["skip", "continue"]),
    keep=st.booleans(),
    attempts=counts,
    turns=counts,
    tokens=counts,
    seconds=counts.map(lambda value: None if value is None else float(value)),
)
plans = st.builds(
    Plan,
    name=names,
    goal=texts,
    tasks=st.lists(tasks, min_size=1, max_size=4).map(tuple),
    mode=st.sampled_from(MODES),
    validate=st.sampled_from(["region", "file"]),
    commit=st.none() | st.sampled_from(COMMITS),
    model=names,
    workspace=st.none() | st.just(Path("/w")),
    limits=st.builds(Limits, workers=st.integers(1, 9), usd=st.none() | st.just(0.5), wall=counts),
)


@pytest.mark.slow
@settings(deadline=None)
@given(plans)
def test_a_plan_written_as_data_is_read_back_the_same(plan: Plan) -> None:
    data = json.loads(json.dumps(plan_to_data(plan)))
    assert mistakes(data) == []
    draft = read_draft(data, ())
    assert Plan(**draft.values, tasks=tuple(draft.tasks), base=plan.base) == plan
