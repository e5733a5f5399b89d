from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import RoleError
from orchestrator.runtime.continuity import check_roles
from orchestrator.runtime.header import Header
from orchestrator.spec.roles import Role, load_roles

BUILT_IN = load_roles(None)["implementer"].path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        text = BUILT_IN.read_text().replace("title: implementer", f"title: {name}")
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def roles(folder: Path) -> dict[str, Role]:
    found = load_roles(folder)
    return {name: found[name] for name in ("one", "two")}


def header(roles: dict[str, Role]) -> Header:
    digests = {role.name: role.digest for role in roles.values()}
    return Header(run="r1", name="p", role_digests=digests, packages={"orchestrator": "0.1"})


def test_the_same_roles_will_do_wherever_they_stand(folder: Path) -> None:
    begun = header(roles(folder))
    (folder / "moved").mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.yaml").rename(folder / "moved" / f"{name}.yaml")
    check_roles(begun, roles(folder / "moved"))


def test_every_role_that_has_changed_is_named(folder: Path) -> None:
    begun = header(roles(folder))
    for name in ("one", "two"):
        with (folder / f"{name}.yaml").open("a") as file:
            file.write("# changed\n")
    with pytest.raises(RoleError, match="cannot go on with other roles") as caught:
        check_roles(begun, roles(folder))
    assert [problem.what for problem in caught.value.problems] == [
        "role one has changed since the run began",
        "role two has changed since the run began",
    ]
    for problem in caught.value.problems:
        assert problem.where.endswith(".yaml")
        assert "put the document back" in problem.fix
        assert "orchestrator 0.1" in problem.fix
    assert caught.value.exit_code == 2


def test_a_role_that_the_header_does_not_know_cannot_have_changed(folder: Path) -> None:
    check_roles(Header(run="r1", name="p"), roles(folder))
