"""The verifier: accepts a certificate for its plan and its code, and for no other."""

from __future__ import annotations

import ast
import copy
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from orchestrator.analysis import verify as verifier
from orchestrator.analysis.certificate import certify, claim, plan_digest
from orchestrator.analysis.verify import seal_of, verify
from orchestrator.analysis.verifyscope import BadGlobError, TooLargeError, find, holds, matches
from orchestrator.core.scope import Scope
from orchestrator.spec.plan import load_plan
from orchestrator.spec.roles import builtin_directory

CODE = {
    "pyproject.toml": "[project]\nname = 'demo'\nversion = '1'\n",
    "README.md": "demo\n",
    "pkg/__init__.py": "",
    "pkg/base.py": "LIMIT = 3\n",
    "pkg/left.py": "from pkg.base import LIMIT\n\ndef left():\n    return LIMIT\n",
    "pkg/right.py": "import pkg.base\n\ndef right():\n    return pkg.base.LIMIT\n",
    "tests/conftest.py": "import pytest\n",
    "tests/test_left.py": "from pkg.left import left\n\ndef test_left():\n    left()\n",
    "tests/test_right.py": "from pkg.right import right\n\ndef test_right():\n    right()\n",
}
PLAN: dict[str, Any] = {
    "version": 1,
    "workspace": "./project",
    "roles": "./roles",
    "defaults": {"test": "python -m pytest -q {tests}", "reads": ["tests/*.py", "pkg/base.py"]},
    "tasks": [
        {"id": "base", "role": "coder", "writes": ["pkg/base.py"]},
        {
            "id": "left", "role": "coder", "writes": ["pkg/left.py"], "depends_on": ["base"],
            "tests": ["tests/test_left.py"],
        },
        {
            "id": "right", "role": "coder", "writes": ["pkg/right.py", "pkg/*right.[!x]"],
            "depends_on": ["base"], "tests": ["tests/test_right.py"],
        },
        {"id": "notes", "role": "documenter", "writes": ["**/*.md", "!pkg"], "reads": []},
    ],
}  # fmt: skip


class Desk:
    """A plan with its code, a role of its own, and its certificate.

    Attributes:
        root: the directory of the plan.
        made: the certificate as it was made.
    """

    def __init__(self, root: Path, made: dict[str, Any]) -> None:
        self.root, self.plan, self.file = root, root / "plan.yaml", root / "certificate.json"
        self.role, self.made = root / "roles" / "coder.yaml", made
        self.plan.write_text(yaml.safe_dump(PLAN))
        self.put(made)

    def write(self, path: str, text: str) -> None:
        place = self.root / "project" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def put(self, certificate: Any, *, sealed: bool = False) -> None:
        if sealed:
            certificate = {**certificate, "seal": seal_of(certificate)}
        self.file.write_text(json.dumps(certificate))

    def refusals(self) -> list[str]:
        return [one.what for one in verify(self.file, self.plan)]


def build(root: Path) -> Desk:
    desk = Desk(root, {})
    for path, text in CODE.items():
        desk.write(path, text)
    desk.role.parent.mkdir()
    text = (builtin_directory() / "implementer.yaml").read_text()
    desk.role.write_text(text.replace("title: implementer", "title: coder", 1))
    answer = certify(load_plan(desk.plan))
    assert answer.certificate is not None, answer.findings
    return Desk(root, answer.certificate)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk whose plan and certificate alone may be changed."""
    return build(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def desk(shared: Desk, tmp_path: Path) -> Desk:
    shutil.copytree(shared.root, tmp_path, dirs_exist_ok=True)
    return Desk(tmp_path, shared.made)


# --- it accepts ----------------------------------------------------------------------------------


def test_it_holds_for_its_plan_and_code(desk: Desk) -> None:
    assert desk.refusals() == []
    kinds = {
        reason[2]
        for pair in desk.made["unordered"]
        for condition in ("writes_writes", "writes_reads", "reads_writes")
        for reason in pair[condition]
    }
    assert kinds == {"begins", "ends", "removed", "search"}


def test_formatting_and_comments_of_the_plan_do_not_matter(desk: Desk) -> None:
    text = "# a comment\n" + json.dumps(PLAN, indent=3, sort_keys=True)
    desk.plan.write_text(text)
    assert desk.refusals() == []


def test_files_that_nothing_depends_on_do_not_matter(desk: Desk) -> None:
    desk.write("README.md", "something else\n")
    desk.write("notes.txt", "new\n")
    desk.write("__pycache__/pkg.py", "not code of the project\n")
    assert desk.refusals() == []


def test_it_holds_wherever_the_plan_is(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    moved = tmp_path_factory.mktemp("moved") / "there"
    shutil.copytree(desk.root, moved)
    assert verify(moved / "certificate.json", moved / "plan.yaml") == ()


# --- the certificate is changed ------------------------------------------------------------------


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, key))


def changed(certificate: Any, at: tuple[Any, ...], how: str) -> Any:
    """Return a certificate with one value dropped, altered or given twice."""
    result = copy.deepcopy(certificate)
    outer = result
    for key in at[:-1]:
        outer = outer[key]
    last = at[-1]
    if how == "dropped":
        del outer[last]
    elif how == "altered":
        inner = outer[last]
        outer[last] = (
            inner + "x"
            if isinstance(inner, str)
            else [*inner, "x"]
            if isinstance(inner, list)
            else {**inner, "x": "x"}
        )
    elif isinstance(outer, list):
        outer.insert(last, copy.deepcopy(outer[last]))
    return result


@pytest.mark.slow
def test_every_single_change_is_refused_by_the_seal(shared: Desk) -> None:
    tried = 0
    for at in places(shared.made):
        for how in ("dropped", "altered", "twice"):
            other = changed(shared.made, at, how)
            if other == shared.made:
                continue
            shared.put(other)
            assert shared.refusals(), (how, at)
            tried += 1
    assert tried > 400


@pytest.mark.slow
def test_every_single_change_is_refused_though_it_is_sealed_again(shared: Desk) -> None:
    for at in places(shared.made):
        if at[0] == "seal":
            continue
        for how in ("dropped", "altered", "twice"):
            other = changed(shared.made, at, how)
            # Tests beyond those that the plan names, and needs said twice, harm nobody.
            more = (at[2:] == ("tests",) and how == "altered") or (
                at[2:3] in (("tests",), ("derived",)) and len(at) == 4 and how == "twice"
            )
            if other == shared.made or more:
                continue
            shared.put(other, sealed=True)
            assert shared.refusals(), (how, at)


def test_swapped_tasks_are_refused(shared: Desk) -> None:
    other = copy.deepcopy(shared.made)
    other["tasks"][1], other["tasks"][2] = other["tasks"][2], other["tasks"][1]
    shared.put(other, sealed=True)
    assert "tasks are not those of the plan" in shared.refusals()[0]
    other = copy.deepcopy(shared.made)
    for key in ("writes", "reads", "derived", "tests"):
        one, two = other["tasks"][1], other["tasks"][2]
        one[key], two[key] = two[key], one[key]
    shared.put(other, sealed=True)
    assert "`writes` of task left is not as in the plan" in shared.refusals()


def test_a_pair_cannot_be_passed_off_as_ordered(shared: Desk) -> None:
    other = copy.deepcopy(shared.made)
    row = other["unordered"].pop(0)
    other["ordered"].append({"path": row["tasks"]})
    shared.put(other, sealed=True)
    first, second = row["tasks"]
    assert shared.refusals() == [f"{second} does not depend on {first}"]


def test_a_lie_about_an_ending_is_refused(shared: Desk) -> None:
    other = copy.deepcopy(shared.made)
    reasons = (pair["reads_writes"] for pair in other["unordered"])
    reason = next(one for some in reasons for one in some if one[2] == "ends")
    reason[3] = "elsewhere"
    shared.put(other, sealed=True)
    assert "nothing shows that" in shared.refusals()[0]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"format": "orchestrator certificate 1"}']
)
def test_what_is_no_certificate_is_refused(desk: Desk, text: str) -> None:
    desk.file.write_text(text)
    assert len(desk.refusals()) == 1


def test_no_file_is_refused_not_raised(desk: Desk) -> None:
    assert "cannot be read" in verify(desk.root / "nothing.json", desk.plan)[0].what
    assert "cannot be read" in verify(desk.file, desk.root / "nothing.yaml")[0].what


# --- the plan, the roles, the code are changed ---------------------------------------------------


@pytest.mark.slow
def test_every_single_change_of_the_plan_is_refused(shared: Desk) -> None:
    shared.put(shared.made)
    for at in places(PLAN):
        for how in ("dropped", "altered", "twice"):
            if at == ("version",) and how == "altered":
                continue
            other = changed(PLAN, at, how)
            if other != PLAN:
                shared.plan.write_text(yaml.safe_dump(other))
                assert shared.refusals(), (how, at)
    shared.plan.write_text(yaml.safe_dump(PLAN))
    assert shared.refusals() == []


def test_a_forged_certificate_for_a_widened_plan_is_refused(desk: Desk) -> None:
    wide = copy.deepcopy(PLAN)
    wide["tasks"][1]["writes"] = ["pkg/*.py"]
    desk.plan.write_text(yaml.safe_dump(wide))
    forged = claim(load_plan(desk.plan))
    desk.put(forged)
    assert any("left and right are apart (writes_writes)" in what for what in desk.refusals())
    old = {**desk.made, "plan": plan_digest(desk.plan), "tasks": forged["tasks"]}
    desk.put(old, sealed=True)
    assert desk.refusals()


def test_a_forged_order_through_a_task_that_may_fail_is_refused(desk: Desk) -> None:
    loose = copy.deepcopy(PLAN)
    loose["tasks"][0]["on_failure"] = "continue"
    desk.plan.write_text(yaml.safe_dump(loose))
    tasks = claim(load_plan(desk.plan))["tasks"]
    old = {**desk.made, "plan": plan_digest(desk.plan), "tasks": tasks}
    desk.put(old, sealed=True)
    assert "left may run beside base, which need not succeed before it" in desk.refusals()


def test_a_changed_role_is_refused(desk: Desk) -> None:
    text = desk.role.read_text()
    desk.role.write_text(text + "\n# a comment\n")
    assert desk.refusals() == ["the document of role coder has changed"]
    desk.role.write_text(text.replace('- "**"', '- "pkg/**"', 1))
    other = copy.deepcopy(desk.made)
    other["roles"]["coder"]["digest"] = claim(load_plan(desk.plan))["roles"]["coder"]["digest"]
    desk.put(other, sealed=True)
    assert desk.refusals() == ["the bounds of role coder are not those of its document"]


@pytest.mark.parametrize("path", [path for path in CODE if path != "README.md"])
def test_changed_code_is_refused(desk: Desk, path: str) -> None:
    desk.write(path, CODE[path] + "\n")
    assert desk.refusals() == [f"{path} has changed"]
    (desk.root / "project" / path).unlink()
    assert desk.refusals() == [f"{path} is gone"]


def test_new_code_is_refused(desk: Desk) -> None:
    desk.write("pkg/more.py", "")
    assert desk.refusals() == ["pkg/more.py is new: the certificate does not know it"]


def test_needs_that_were_left_out_are_found_by_the_imports(desk: Desk) -> None:
    other = copy.deepcopy(desk.made)
    left = other["tasks"][1]
    left["derived"].remove("pkg/base.py")
    desk.put(other, sealed=True)
    (refusal,) = desk.refusals()
    assert (
        refusal == "task left needs pkg/base.py by its imports or its tests, which is not recorded"
    )


# --- its own algorithm ---------------------------------------------------------------------------

PIECES = ("a", "b", ".", "*", "?", "[ab]", "[!a]", "{a,b}", "{,a}", "a*b", "x.py")


def random_glob(random: Random) -> str:
    names = []
    for _ in range(random.randint(1, 3)):
        pieces = random.choices(PIECES, k=random.randint(1, 2))
        names.append("**" if random.random() < 0.25 else "".join(pieces))
    return "/".join(names)


def is_glob(glob: str) -> bool:
    try:
        Scope([glob])
    except ValueError:
        return False
    return True


@pytest.mark.slow
def test_its_scopes_are_those_of_the_core() -> None:
    """Two algorithms that share no code agree on random lists of globs, and on each witness."""
    random = Random(11)
    met = 0
    for _ in range(120):
        globs = [glob for glob in (random_glob(random) for _ in range(8)) if is_glob(glob)]
        one = [("!" if n and random.random() < 0.4 else "") + g for n, g in enumerate(globs[::2])]
        two = [("!" if n and random.random() < 0.4 else "") + g for n, g in enumerate(globs[1::2])]
        path = Scope(one).overlap(Scope(two))
        found = find(globs, (), lambda match: holds(one, match) and holds(two, match))  # noqa: B023
        assert (path is None) == (found is None), (one, two, path, found)
        for witness in (path, found):
            if witness is not None:
                met += 1
                assert Scope(one).matches(witness)
                assert Scope(two).matches(witness)
                assert all(matches(g, witness) == Scope([g]).matches(witness) for g in globs)
    assert met > 25


@pytest.mark.parametrize("glob", ["a[", "{a", "a{b,c"])
def test_a_text_that_is_no_glob_is_not_matched(glob: str) -> None:
    with pytest.raises(BadGlobError):
        matches(glob, "a")


def test_a_search_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.analysis.verifyscope.MOST_STATES", 50)
    with pytest.raises(TooLargeError):
        find(["*a????????"], (), lambda match: False)


# --- it stands alone -----------------------------------------------------------------------------


def test_it_imports_nothing_of_the_program_but_its_own_parts() -> None:
    folder = Path(verifier.__file__).parent
    seen: set[str] = set()
    for path in sorted(folder.glob("verify*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                seen.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                seen.update(f"{node.module}.{alias.name}" for alias in node.names)
    own = {name for name in seen if name.startswith("orchestrator")}
    assert {name.split(".")[2] for name in own if name != "orchestrator.analysis"} == {
        "verifyreasons", "verifyscope", "verifysources",
    }  # fmt: skip
    others = {name.split(".")[0] for name in seen - own}
    assert others <= {*sys.stdlib_module_names, "yaml"}
