"""Profiles of agents: data files, checked key by key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.models.behaviour import (
    Behaviour,
    Load,
    figure_names,
    find_profile,
    packaged_profiles,
    read_profile,
)
from orchestrator.models.profiled import ProfiledOracle
from orchestrator.models.registry import create_model
from orchestrator.models.simulated import SimulatedModel

GOOD = """\
profile: mine
for: oracle
figures:
  mistakes: {value: 0.5, source: "a study"}
  patience: {value: 2, assumed: "a guess"}
"""


def test_the_packaged_profiles_are_right_and_say_where_each_figure_is_from() -> None:
    assert packaged_profiles(Behaviour) == ("careful", "hasty", "typical")
    assert packaged_profiles(Load) == ("load",)
    for name in packaged_profiles(Behaviour):
        profile = find_profile(name, Behaviour)
        assert profile.name == name
        assert profile.about
        assert set(figure_names(Behaviour)) - set(profile.sources) == {"provider_failures"}
        published = [text for text in profile.sources.values() if "assumed" not in text]
        assert all(re.search(r"arXiv|github|TraceLab|xor", text) for text in published)
    assert find_profile("load", Load).figures.turns == 8


def test_the_packaged_profiles_are_ordered() -> None:
    careful, typical, hasty = (
        find_profile(name, Behaviour).figures for name in ("careful", "typical", "hasty")
    )
    for figure in ("drafts", "mistakes", "repeats", "oversteps", "rewrites", "messages", "words"):
        values = [getattr(each, figure) for each in (careful, typical, hasty)]
        assert values == sorted(values)
    assert careful.reads >= typical.reads >= hasty.reads


def test_what_a_profile_leaves_out_is_off() -> None:
    profile = read_profile(GOOD, "f.yaml", Behaviour)
    assert profile.figures == Behaviour(mistakes=0.5, patience=2)
    assert profile.sources == {"mistakes": "a study", "patience": "assumed: a guess"}


@pytest.mark.parametrize(
    ("line", "where", "expected"),
    [
        ("  mistake: {value: 1, assumed: x}", "f.yaml:6:3", "did you mean 'mistakes'?"),
        ("  reads: {value: 1.5, assumed: x}", "f.yaml:6:18", "not a number from 0 to 1"),
        ("  reads: {value: nan, assumed: x}", "f.yaml:6:18", "not a number from 0 to 1"),
        ("  reads: {value: [], assumed: x}", "f.yaml:6:18", "not a number from 0 to 1"),
        ("  words: {value: 1.5, assumed: x}", "f.yaml:6:18", "not a whole number"),
        ("  words: {value: 1}", "f.yaml:6:10", "nothing says where the figure comes from"),
        ("  words: {value: 1, source: a, assumed: b}", "f.yaml:6:10", "both"),
        ("  words: {value: 1, source: ''}", "f.yaml:6:29", "is not a text"),
        ("  words: {assumed: x}", "f.yaml:6:10", "'value' is missing"),
        ("  words: {valeu: 1, assumed: x}", "f.yaml:6:11", "did you mean 'value'?"),
        ("  words: 5", "f.yaml:6:10", "not a mapping"),
        ("  mistakes: {value: 1, assumed: x}", "f.yaml:6:3", "is there twice"),
        ("about: []", "f.yaml:6:8", "about is not a text"),
        ("title: x", "f.yaml:6:1", "there is no 'title'"),
    ],
)
def test_a_mistake_is_told_with_its_place(line: str, where: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_profile(f"{GOOD}{line}\n", "f.yaml", Behaviour)
    told = {problem.where: f"{problem.what} {problem.fix}" for problem in caught.value.problems}
    assert expected in told[where]


def test_all_mistakes_are_told_at_once() -> None:
    text = "for: simulated\nfigures:\n  reads: {value: 2, assumed: x}\n  speeed: {}\n"
    with pytest.raises(UsageError, match="4 mistakes"):
        read_profile(text, "f.yaml", Behaviour)


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n"])
def test_a_file_that_is_no_profile(text: str) -> None:
    with pytest.raises(UsageError):
        read_profile(text, "f.yaml", Load)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory with a solution and a profile."""
    (tmp_path / "solution").mkdir()
    (tmp_path / "mine.yaml").write_text(GOOD)
    return tmp_path


def test_models_with_profiles(base: Path) -> None:
    model = create_model("oracle:solution", {"profile": "hasty", "mistakes": "0.1"}, base)
    assert isinstance(model, ProfiledOracle)
    assert (model.behaviour.mistakes, model.behaviour.oversteps) == (0.1, 0.3)
    own = create_model("oracle:solution", {"profile": "mine.yaml", "price": ""}, base)
    assert isinstance(own, ProfiledOracle)
    assert own.behaviour == Behaviour(mistakes=0.5, patience=2)
    load = create_model("simulated:load", {"turns": "3", "seed": "1"}, base)
    assert isinstance(load, SimulatedModel)
    assert load.name == "simulated:load"


@pytest.mark.parametrize(
    ("spec", "options", "expected"),
    [
        ("oracle:solution", {"profile": "hastig"}, "did you mean 'hasty'"),
        ("oracle:solution", {"profile": "load"}, "has no profile 'load'"),
        ("oracle:solution", {"profile": "none.yaml"}, "cannot be read"),
        ("oracle:solution", {"profile": "typical", "mistake": "1"}, "did you mean 'mistakes'"),
        ("oracle:solution", {"profile": "typical", "reads": "2"}, "a number from 0 to 1"),
        ("oracle:solution", {"profile": "typical", "words": "1.5"}, "a whole number"),
        ("oracle:solution", {"profile": "typical", "price": "claude"}, "is not known"),
        ("oracle:nowhere", {"profile": "typical"}, "is not a directory"),
        ("simulated:hasty", {}, "Profiles: load"),
        ("simulated", {"turns": "0"}, "at least 1|from 1 to"),
        ("simulated", {"mistakes": "1"}, "has no option 'mistakes'"),
    ],
)
def test_what_cannot_be(base: Path, spec: str, options: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        create_model(spec, options, base)
