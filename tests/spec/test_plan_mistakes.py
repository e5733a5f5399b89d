"""Everything that can be wrong with a plan, tried as a new user would: place and fix for each."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.task import Task
from orchestrator.errors import PlanError
from orchestrator.spec.findings import Finding
from orchestrator.spec.plan import Plan, check_plan, check_tasks, find, load_plan
from orchestrator.spec.roles import load_roles
from orchestrator.spec.schemacheck import plan_schema

HEAD = "version: 1\nworkspace: project\n"
OK = "tasks: [{id: a, writes: [a.py]}]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a workspace; plans are written to `plan.yaml` in it."""
    (tmp_path / "project" / "tests").mkdir(parents=True)
    (tmp_path / "project" / "a.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings(text: str) -> list[Finding]:
    path = Path("plan.yaml")
    path.write_text(text)
    plan, found = find(path)
    wrong = [finding for finding in found if finding.severity == "error"]
    assert (plan is None) == bool(wrong)
    for finding in found:
        assert finding.code, finding
        assert finding.fix, finding
        assert finding.where.startswith("plan.yaml"), finding
    return found


def only(text: str) -> Finding:
    """Return the one finding about a plan."""
    (finding,) = findings(text)
    return finding


@pytest.mark.parametrize(
    ("text", "code", "where", "what", "fix"),
    [
        ("", "empty-file", "", "the plan file is empty", "begin with `version: 1`"),
        ("# nothing yet\n", "empty-file", "", "the plan file is empty", "begin with"),
        ("a: [", "yaml-syntax", ":2:1", "this is not valid YAML", "bracket is closed"),
        ("- id: a\n", "wrong-type", ":1:1", "the plan must be a mapping, not a list", "key: value"),
        ("hello", "wrong-type", ":1:1", "the plan must be a mapping, not the text", "key: value"),
        (f"{HEAD}tasks: []", "no-tasks", ":3:8", "`tasks` is an empty list", "add at least one"),
        (HEAD, "missing-key", ":1:1", "the plan has no `tasks`", "add `tasks:"),
        (f"workspace: project\n{OK}", "missing-key", ":1:1", "no `version`", "add `version: 1`"),
        (f"version: 2\nworkspace: project\n{OK}", "unknown-version", ":1:10", "must be 1", "1"),
        (f'version: "1"\nworkspace: project\n{OK}', "unknown-version", ":1:10", '"1"', "without"),
        (f"{HEAD}{OK}mode: 5", "unknown-value", ":4:7", "one of solo, uncontrolled", "write solo"),
        (f"{HEAD}{OK}goal: 5", "wrong-type", ":4:7", "`goal` must be text, not 5", '"5"'),
        (f"{HEAD}{OK}name:", "wrong-type", ":4:6", "`name` must be text, not empty", "remove"),
        (f"{HEAD}{OK}gaol: x", "unknown-key", ":4:1", "no key `gaol`", "did you mean `goal`?"),
        (f"{HEAD}{OK}xyz: 1", "unknown-key", ":4:1", "no key `xyz`", "known keys: version, name"),
        (
            f"{HEAD}{OK}version: 1",
            "duplicate-key",
            ":4:1",
            "`version` is here twice",
            "plan.yaml:1:1",
        ),
        (f"{HEAD}{OK}mode: sharde", "unknown-value", ":4:7", "`mode` must be one of", "`shared`"),
        (
            f"{HEAD}{OK}limits: {{workers: 0}}",
            "out-of-range",
            ":4:19",
            "at least 1, not 0",
            "at least 1",
        ),
        (f"{HEAD}{OK}limits: {{tokens: -5}}", "out-of-range", ":4:18", "not -5", "at least 1"),
        (f"{HEAD}{OK}limits: {{usd: -1}}", "out-of-range", ":4:15", "not -1", "at least 0"),
        (f"{HEAD}{OK}limits: {{wall: -1}}", "out-of-range", ":4:16", "more than 0", "more than 0"),
        (f"{HEAD}{OK}limits: {{wall: -5m}}", "bad-text", ":4:16", 'cannot be "-5m"', "15m"),
        (f"{HEAD}{OK}limits: {{wall: 500ms}}", "bad-text", ":4:16", '"500ms"', "90s"),
        (f"{HEAD}{OK}limits: {{wall: 0s}}", "bad-text", ":4:16", '"0s"', "above zero"),
        (
            f"{HEAD}{OK}limits: {{turns: 1_000}}",
            "wrong-type",
            ":4:17",
            "whole number",
            "separators",
        ),
        (f"{HEAD}{OK}limits: 5", "wrong-type", ":4:9", "`limits` must be a mapping", "key: value"),
        (f"{HEAD}{OK}defaults: {{id: x}}", "unknown-key", ":4:12", "no key `id`", "known keys"),
        (
            f"version: 1\nworkspace: nowhere\n{OK}",
            "missing-workspace",
            ":2:12",
            "not exist",
            "create",
        ),
        (
            f"version: 1\nworkspace: project/a.py\n{OK}",
            "workspace-not-a-directory",
            ":2:12",
            "`workspace` is a file, not a directory",
            "correct `workspace`",
        ),
        (f"version: 1\n{OK}", "missing-workspace", ":1:1", "the plan has no `workspace`", "add"),
        (f"{HEAD}{OK}into: project", "nested-directories", ":4:7", "the same directory", "./out"),
        (
            f"{HEAD}{OK}into: ./project/out",
            "nested-directories",
            ":4:7",
            "inside `workspace`",
            "./out",
        ),
        (f"{HEAD}{OK}into: .", "nested-directories", ":4:7", "lies inside `into`", "beside"),
        (f"{HEAD}{OK}roles: nowhere", "missing-roles", ":4:8", "`roles` does not exist", "create"),
        (f"{HEAD}{OK}roles: plan.yaml", "roles-not-a-directory", ":4:8", "is a file", "create"),
        (f'{HEAD}{OK}into: "\\0"', "bad-text", ":4:7", "`into` cannot be", "path"),
    ],
)
def test_mistakes_of_the_plan(
    folder: Path, text: str, code: str, where: str, what: str, fix: str
) -> None:
    finding = only(text)
    assert finding.code == code
    assert finding.where == f"plan.yaml{where}"
    assert what in finding.what
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("task", "code", "column", "what", "fix"),
    [
        ("{writes: [x]}", "missing-key", 4, "entry 2 of `tasks` has no `id`", "add `id:"),
        ("text", "wrong-type", 4, "entry 2 of `tasks` must be a mapping", "key: value"),
        ("{id: 5, writes: [x]}", "wrong-type", 9, "`id` must be text, not 5", '"5"'),
        ("{id: a b, writes: [x]}", "bad-text", 9, 'cannot be "a b"', "begins with a letter"),
        ("{id: .x, writes: [x]}", "bad-text", 9, 'cannot be ".x"', "begins with a letter"),
        ('{id: "b\\n", writes: [x]}', "bad-text", 9, "`id` cannot be", "begins with a letter"),
        (f"{{id: {'x' * 101}, writes: [x]}}", "bad-text", 9, "longer than 100", "at most 100"),
        ("{id: a, writes: [x]}", "duplicate-id", 9, "another task is called `a`", "another id"),
        ("{id: b, writes: x}", "wrong-type", 20, "must be a list, not the text", '["x"]'),
        ("{id: b, writes: [5]}", "wrong-type", 21, "entry 1 of `writes` must be text", '"5"'),
        ("{id: b, write: [x]}", "unknown-key", 12, "the task `b` has no key `write`", "`writes`?"),
        ("{id: b, writes: [x], depends_on: [aa]}", "unknown-dependency", 38, "no task `aa`", "?"),
        ("{id: bbb, writes: [x], depends_on: [qq]}", "unknown-dependency", 40, "`qq`", "add the"),
        ("{id: b, writes: [x], depends_on: [b]}", "self-dependency", 38, "on itself", "remove `b`"),
        ("{id: b, writes: [x], depends_on: [a, a]}", "repeated-entry", 41, '"a" twice', "remove"),
        (
            "{id: b, writes: [x], role: implementr}",
            "unknown-role",
            31,
            "`implementr`",
            "`implementer`?",
        ),
        ("{id: b, writes: [x], role: zzz}", "unknown-role", 31, "no role `zzz`", "known roles: "),
        ("{id: b, writes: [x.py], role: tester}", "outside-role", 21, "`x.py` reaches", "narrow"),
        ("{id: b, writes: [tests/test_x.py]}", "outside-role", 21, "reaches outside", "narrow"),
        (
            "{id: b, writes: [x], role: reviewer}",
            "outside-role",
            21,
            "reaches outside",
            "another role",
        ),
        ("{id: b}", "empty-scope", 4, "may not write any file", "`reviewer`"),
        ("{id: b, writes: []}", "empty-scope", 20, "may not write any file", "list its files"),
        (
            '{id: b, writes: ["src/*", "!**"]}',
            "empty-scope",
            20,
            "no path can match `writes`",
            "`!`",
        ),
        ("{id: b, writes: [/etc/x]}", "bad-glob", 21, "'/etc/x'", "top of the workspace"),
        ("{id: b, writes: [../x]}", "bad-glob", 21, "'../x'", "without"),
        ('{id: b, writes: [x], reads: ["[a"]}', "bad-glob", 33, "'[a'", ""),
        ("{id: b, writes: [x], shares: [x]}", "shares-own-writes", 33, "overlap", "take it out"),
        (
            "{id: b, writes: [x], test: t, tests: [/t.py]}",
            "bad-path",
            42,
            "'/t.py'",
            "top of the workspace",
        ),
        ("{id: b, writes: [x], limits: {turns: 0}}", "out-of-range", 41, "at least 1, not 0", "1"),
        (
            "{id: b, writes: [x], limits: {turns: 99}}",
            "loose-limit",
            41,
            "99, above the run's 40",
            "40",
        ),
        (
            "{id: b, writes: [x], approval: yes}",
            "wrong-type",
            35,
            'true or false, not the text "yes"',
            "write true",
        ),
        (
            "{id: b, writes: [x], on_failure: skp}",
            "unknown-value",
            37,
            "one of skip, continue",
            "`skip`",
        ),
        ("{id: b, writes: [x], estimate: soon}", "bad-text", 35, '"soon"', "90s"),
        (
            "{id: b, writes: [x], test: {tests}}",
            "wrong-type",
            31,
            "must be text",
            "quotation marks",
        ),
    ],
)
def test_mistakes_of_a_task(
    folder: Path, task: str, code: str, column: int, what: str, fix: str
) -> None:
    finding = only(f"{HEAD}tasks:\n - {{id: a, writes: [a.py]}}\n - {task}\n")
    assert finding.code == code
    assert finding.where == f"plan.yaml:5:{column}"
    assert what in finding.what
    assert fix in finding.fix


def test_a_missing_file_and_a_directory(folder: Path) -> None:
    with pytest.raises(PlanError, match=r"nowhere\.yaml: there is no such file"):
        load_plan("nowhere.yaml")
    with pytest.raises(PlanError, match="project: this is a directory, not a file"):
        load_plan(folder / "project")


def test_a_cycle_is_shown_with_its_path(folder: Path) -> None:
    tasks = "".join(
        f" - {{id: {name}, writes: [{name}], depends_on: [{after}]}}\n"
        for name, after in [("x", "b"), ("a", "b"), ("b", "c"), ("c", "a"), ("p", "q"), ("q", "p")]
    )
    found = findings(f"{HEAD}tasks:\n{tasks}")
    assert [(finding.code, finding.where, finding.tasks) for finding in found] == [
        ("cycle", "plan.yaml:5:38", ("a", "b", "c")),
        ("cycle", "plan.yaml:8:38", ("p", "q")),
    ]
    assert found[0].what.endswith("a -> b -> c -> a")


def test_several_mistakes_are_all_reported_at_once(folder: Path) -> None:
    Path("plan.yaml").write_text(
        "version: 1\n"
        "workspace: nowhere\n"
        "mode: fast\n"
        "limits: {workers: 0, wall: -1h}\n"
        "goal: one\n"
        "goal: two\n"
        "tasks:\n"
        "  - {id: a, writes: [../x], depends_on: [b]}\n"
        "  - {id: b, writes: [b.py], depends_on: [a, nobody]}\n"
        "  - {id: b, role: wizard, writes: [c.py]}\n"
        "  - {id: d, instruction: x}\n"
    )
    with pytest.raises(PlanError) as caught:
        load_plan("plan.yaml")
    assert [(problem.where, problem.code) for problem in caught.value.problems] == [
        ("plan.yaml:2:12", "missing-workspace"),
        ("plan.yaml:3:7", "unknown-value"),
        ("plan.yaml:4:19", "out-of-range"),
        ("plan.yaml:4:28", "bad-text"),
        ("plan.yaml:6:1", "duplicate-key"),
        ("plan.yaml:8:22", "bad-glob"),
        ("plan.yaml:8:42", "cycle"),
        ("plan.yaml:9:45", "unknown-dependency"),
        ("plan.yaml:10:10", "duplicate-id"),
        ("plan.yaml:10:19", "unknown-role"),
        ("plan.yaml:11:13", "unknown-key"),
    ]
    message = str(caught.value)
    assert message.startswith("plan.yaml: the plan has 11 mistakes\n")
    assert all(str(problem) in message for problem in caught.value.problems)
    assert caught.value.exit_code == 2


def test_a_wrong_default_is_one_mistake_however_many_tasks_take_it_over(folder: Path) -> None:
    finding = only(
        f"{HEAD}defaults: {{role: implementr, reads: [/x]}}\n"
        "tasks: [{id: a, writes: [a], reads: [a]}, {id: b, writes: [b], reads: [b]}]\n"
    )
    assert finding.code == "unknown-role"
    assert finding.where == "plan.yaml:3:18"
    assert finding.tasks == ("a", "b")


def test_what_a_broken_entry_may_lack_is_not_held_against_it(folder: Path) -> None:
    text = f"{HEAD}tasks: [{{id: a, writes: a.py}}, {{id: b, writes: [b], depends_on: [a]}}]\n"
    assert only(text).code == "wrong-type"


def test_a_wrong_limit_of_the_run_is_not_held_against_the_tasks(folder: Path) -> None:
    text = f"{HEAD}limits: {{turns: no}}\ntasks: [{{id: a, writes: [a], limits: {{turns: 99}}}}]\n"
    assert only(text).where == "plan.yaml:3:17"


def test_overlap_of_unordered_tasks_is_a_warning(folder: Path) -> None:
    tasks = (
        "tasks:\n"
        ' - {id: a, role: integrator, writes: ["src/*.py"]}\n'
        " - {id: b, writes: [src/x.py]}\n"
        " - {id: c, writes: [src/x.py], depends_on: [a, b]}\n"
        " - {id: d, writes: [d.py], shares: [src/x.py], depends_on: [c]}\n"
        " - {id: e, writes: [e.py], shares: [src/x.py], depends_on: [c]}\n"
        " - {id: f, writes: [src/x.py], depends_on: [c]}\n"
    )
    found = findings(HEAD + tasks)
    assert [(f.code, f.severity, f.tasks, f.witness, f.where) for f in found] == [
        ("overlap", "warning", ("a", "b"), "src/x.py", "plan.yaml:5:20"),
        ("overlap", "warning", ("d", "f"), "src/x.py", "plan.yaml:9:20"),
        ("overlap", "warning", ("e", "f"), "src/x.py", "plan.yaml:9:20"),
    ]
    assert found[0].what == "`b` and `a` both write `src/x.py`"
    assert "one after the other" in found[0].why
    assert "replaces" in findings(f"{HEAD}mode: uncontrolled\n{tasks}")[0].why
    assert "merged" in findings(f"{HEAD}mode: worktree\n{tasks}")[0].why
    assert findings(f"{HEAD}mode: solo\n{tasks}") == []


def test_a_role_may_cut_files_out_of_a_wider_glob(folder: Path) -> None:
    finding = only(f'{HEAD}tasks: [{{id: a, writes: ["src/**"]}}]\n')
    assert (finding.code, finding.severity) == ("role-exclusion", "info")
    assert finding.witness is not None
    assert finding.witness.startswith("src/")


def test_what_a_role_does_not_list_is_outside_even_if_only_in_part(folder: Path) -> None:
    finding = only(f'{HEAD}tasks: [{{id: a, role: documenter, writes: ["docs/**", "**/*.txt"]}}]\n')
    assert (finding.code, finding.where) == ("outside-role", "plan.yaml:3:55")
    assert finding.witness is not None
    assert finding.witness.endswith(".txt")


def test_a_broken_role_document_is_reported_with_the_plan(folder: Path) -> None:
    (folder / "roles").mkdir()
    (folder / "roles" / "implementer.yaml").write_text(
        "openapi: 3.1.0\ninfo: {title: implementer}\n"
    )
    Path("plan.yaml").write_text(f"{HEAD}roles: roles\n{OK}goal: 5\n")
    _, found = find("plan.yaml")
    assert {finding.where.partition(":")[0] for finding in found} == {
        "plan.yaml",
        "roles/implementer.yaml",
    }


def test_test_files_are_looked_for(folder: Path) -> None:
    (folder / "project/tests/test_a.py").touch()
    found = findings(
        f'{HEAD}defaults: {{test: "pytest {{tests}}"}}\n'
        "tasks:\n"
        " - {id: a, writes: [a.py], tests: [tests, tests/test_a.py, 'tests/test_a.py::test_x']}\n"
        " - {id: b, role: tester, writes: ['tests/test_b*.py']}\n"
        " - {id: c, writes: [c.py], tests: [tests/test_b1.py, tests/test_c.py]}\n"
    )
    assert [(f.code, f.severity, f.where) for f in found] == [
        ("missing-tests", "warning", "plan.yaml:7:54")
    ]


def test_a_command_without_its_test_files_and_the_other_way_round(folder: Path) -> None:
    found = findings(
        f"{HEAD}tasks:\n"
        " - {id: a, writes: [a.py], tests: [tests]}\n"
        ' - {id: b, writes: [b.py], test: "pytest {tests}"}\n'
    )
    assert [(f.code, f.severity, f.where) for f in found] == [
        ("tests-not-run", "warning", "plan.yaml:4:35"),
        ("no-test-files", "warning", "plan.yaml:5:34"),
    ]


def overlapping_pairs(tasks: list[Task]) -> set[tuple[str, str]]:
    """Say which pairs are unordered and share a file, by looking at all of them."""
    above: dict[str, set[str]] = {}
    for task in tasks:
        above[task.id] = {*task.depends_on}.union(*(above[name] for name in task.depends_on))
    return {
        (one.id, two.id)
        for one, two in itertools.combinations(tasks, 2)
        if one.id not in above[two.id]
        if {*one.writes} & {*two.writes, *two.shares} or {*one.shares} & {*two.writes}
    }


@pytest.mark.slow
@settings(deadline=None)
@given(st.data())
def test_overlaps_are_those_that_a_look_at_all_pairs_finds(data: st.DataObject) -> None:
    tasks: list[Task] = []
    files = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True)
    for number in range(data.draw(st.integers(1, 7))):
        names = [task.id for task in tasks]
        deps = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        writes = data.draw(files)
        shares = [name for name in data.draw(files) if name not in writes]
        tasks.append(
            Task(
                id=f"t{number}",
                depends_on=tuple(deps),
                writes=tuple(writes),
                shares=tuple(shares),
            )
        )
    found = check_tasks(tasks)
    assert {finding.tasks for finding in found} == overlapping_pairs(tasks)


def test_a_long_circle_is_shortened() -> None:
    tasks = [Task(id=f"t{number}", depends_on=(f"t{(number + 1) % 90}",)) for number in range(90)]
    (finding,) = check_tasks(tasks)
    assert finding.what.endswith(
        "t0 -> t1 -> t2 -> t3 -> t4 -> t5 -> t6 -> t7 -> t8 -> t9 -> t10 "
        "-> t11 -> t12 -> t13 -> t14 -> t15 -> ... -> t88 -> t89 -> t0"
    )
    assert len(finding.tasks) == 90


@pytest.mark.slow
def test_many_overlaps_are_counted_not_listed() -> None:
    tasks = [Task(id=f"t{number}", writes=("a.py",)) for number in range(5000)]
    found = check_tasks([*tasks, *(Task(id=f"u{n}", writes=(f"{n}.py",)) for n in range(3))])
    rest = 5000 * 4999 // 2 - 100
    assert len(found) == 101
    assert sum(finding.what.startswith(f"{rest:,} more pairs") for finding in found) == 1


@pytest.mark.slow
def test_a_long_chain_on_one_file_has_no_overlap() -> None:
    tasks = [
        Task(id=f"t{number}", writes=("a.py",), depends_on=(f"t{number - 1}",) if number else ())
        for number in range(5000)
    ]
    assert check_tasks(tasks) == []


def test_roles_can_be_given_to_a_plan_in_code() -> None:
    plan = Plan(name="p", tasks=(Task(id="a", role="reviewer", writes=("x",)),))
    assert [finding.code for finding in check_plan(plan, load_roles())] == ["outside-role"]
    assert [finding.code for finding in check_plan(plan, {})] == ["unknown-role"]


schema = plan_schema()
keys = st.sampled_from(
    [
        *schema["properties"],
        *schema["properties"]["limits"]["properties"],
        *schema["$defs"]["task"]["properties"],
        "other",
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        ["a", "b", "implementer", "src/**", "!x", "/", "..", "5m", "shared", "{tests}"]
    )
    | st.just(10**400)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)
likely = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "tasks": st.lists(st.dictionaries(keys, values, max_size=6), max_size=4),
    },
    optional={"limits": values, "defaults": values, "workspace": values, "into": values},
)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values | likely)
def test_any_value_is_a_plan_or_a_plan_error(tmp_path: Path, value: object) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(value), encoding="utf-8", errors="surrogatepass")
    plan, found = find(path)
    assert all(finding.code and finding.where and finding.fix for finding in found)
    if plan is None:
        with pytest.raises(PlanError):
            load_plan(path)
    else:
        assert load_plan(path) == plan


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_are_a_plan_or_a_plan_error(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(raw)
    with pytest.raises(PlanError):
        load_plan(path)
