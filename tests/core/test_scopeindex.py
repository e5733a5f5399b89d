from __future__ import annotations

from random import Random

import pytest

from orchestrator.core.scope import Scope
from orchestrator.core.scopeindex import ScopeIndex

SEGMENTS = ["src", "lib", "core", "a.py", "*.py", "*", "**", "test_*", "{a,b}.py", "[ab]*", "?.py"]


def index_of(**scopes: list[str]) -> ScopeIndex:
    index = ScopeIndex()
    for key, globs in scopes.items():
        index.add(key, Scope(globs))
    return index


def some_glob(rng: Random) -> str:
    return "/".join(rng.choice(SEGMENTS) for _ in range(rng.randint(1, 4)))


def some_scope(rng: Random) -> Scope:
    globs = [some_glob(rng) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.3:
        globs.append("!" + some_glob(rng))
    scope = Scope(globs)
    return scope.intersection(Scope([some_glob(rng)])) if rng.random() < 0.2 else scope


@pytest.mark.slow
def test_answers_agree_with_asking_every_scope() -> None:
    rng = Random(3)
    index, live = ScopeIndex(), dict[str, Scope]()
    found = 0
    for number in range(400):
        key, scope = f"task-{number}", some_scope(rng)
        index.add(key, scope)
        live[key] = scope
        if rng.random() < 0.4:
            ended = rng.choice(list(live))
            index.remove(ended)
            del live[ended]
        if number % 4 == 0:
            new = some_scope(rng)
            expected = [key for key, other in live.items() if other.overlaps(new)]
            assert index.overlapping(new) == expected, new
            found += len(expected)
            path = new.overlap(new) or "src/a.py"
            assert index.matching(path) == [k for k, s in live.items() if s.matches(path)], path
    assert found > 500
    assert len(index) == len(live)


def test_keys_come_in_the_order_in_which_they_were_added() -> None:
    index = index_of(z=["src/**"], b=["src/a.py"], m=["**/a.py"], a=["lib"], c=["src"])
    assert index.overlapping(Scope(["src/a.py"])) == ["z", "b", "m", "c"]
    assert index.matching("src/a.py") == ["z", "b", "m", "c"]
    index.remove("z")
    index.add("z", Scope(["src/*.py"]))
    assert index.overlapping(Scope(["src/a.py"])) == ["b", "m", "c", "z"]


@pytest.mark.parametrize(
    ("globs", "keys"),
    [
        (["src"], ["file", "folder", "wild", "cut"]),
        (["src/a.py"], ["file", "folder", "wild"]),
        (["src/gen/x"], ["folder"]),
        (["src/cut/x"], ["folder", "cut"]),
        (["src/cut/y/x"], ["folder"]),
        (["src/c*/y/*"], ["folder"]),
        (["s*/a.py"], ["file", "folder", "wild"]),
        (["**"], ["file", "folder", "wild", "cut", "docs"]),
        (["**", "!src/**"], ["docs"]),
        (["other"], []),
        (["srcs", "sr"], []),
        ([], []),
        (["[! -\U0010ffff]"], []),
    ],
)
def test_overlapping(globs: list[str], keys: list[str]) -> None:
    index = index_of(
        file=["src/a.py"],
        folder=["src"],
        wild=["src/?.py"],
        cut=["src/cut", "!src/cut/y"],
        docs=["docs/**/*.md"],
        none=[],
        never=["[! -\U0010ffff]"],
    )
    assert index.overlapping(Scope(globs)) == keys


def test_a_key_stands_for_one_scope() -> None:
    index = index_of(a=["src"])
    with pytest.raises(ValueError, match="already"):
        index.add("a", Scope(["lib"]))
    assert index.overlapping(Scope(["lib"])) == []
    with pytest.raises(KeyError):
        index.remove("b")
    assert "a" in index
    assert "b" not in index


def test_what_is_removed_leaves_nothing_behind() -> None:
    index = index_of(a=["src/core/x/*.py", "src/core/**"], b=["src/core/x/y.py"])
    index.remove("b")
    assert index.overlapping(Scope(["**"])) == ["a"]
    index.remove("a")
    assert index.overlapping(Scope(["**"])) == []
    assert len(index) == 0
    assert not index._root.below  # nor an empty branch, which would slow every walk


def test_only_scopes_nearby_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of asking must not grow with the scopes that live elsewhere."""
    index = ScopeIndex()
    for number in range(500):
        index.add(f"task-{number}", Scope([f"pkg{number}/**/*.py", f"pkg{number}/sub/*"]))
    asked: list[Scope] = []
    decide = Scope.overlaps

    def counted(self: Scope, other: Scope) -> bool:
        asked.append(self)
        return decide(self, other)

    monkeypatch.setattr(Scope, "overlaps", counted)
    assert index.overlapping(Scope(["pkg7/**/test_*"])) == ["task-7"]
    assert index.overlapping(Scope(["pkg8/?.md", "pkg9/sub/x"])) == ["task-9"]
    assert len(asked) <= 3
