"""Before models are paid for: the estimate, and the question."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from orchestrator.errors import UsageError
from orchestrator.lab.costing import Forecast, Range
from orchestrator.lab.experiment import Experiment, cases_of
from orchestrator.ui.cli import main
from orchestrator.ui.paying import approval, in_words

PLAN = """\
version: 1
name: small
goal: One file.
workspace: project
model: scripted:script.yaml
tasks:
  - {id: one, writes: [one.py]}
"""
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README").write_text("small\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "script.yaml").write_text("one: [{calls: [{tool: submit, input: {summary: x}}]}]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Standard input is a terminal, at which somebody types."""
    outer, inner = os.openpty()

    def write(text: str) -> None:
        os.write(outer, text.encode())

    with os.fdopen(inner, "r") as keyboard:
        monkeypatch.setattr(sys, "stdin", keyboard)
        yield write
    os.close(outer)


def experiment(here: Path, models: tuple[str, ...]) -> Experiment:
    return Experiment(
        cases=cases_of([here / "plan.yaml"])[0], modes=("solo", "shared"), models=models, repeats=2
    )


def status(words: list[str]) -> object:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    return leaving.value.code


COMPARE = ["compare", "plan.yaml", "--modes", "solo,shared", "--out", "out", "--repeats", "2"]
PAID = [*COMPARE, "--models", "anthropic:claude-haiku-4-5"]


@pytest.mark.slow
def test_without_a_terminal_nothing_is_paid_for(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    assert status(PAID) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Estimate for 4 trials with anthropic:claude-haiku-4-5: " in told.err
    assert " US dollars (prices as of " in told.err
    assert "Guessed from the plans, with 3 to 15 turns per task" in told.err
    assert "say --yes" in told.err
    assert list((here / "out" / "trials").iterdir()) == []


@pytest.mark.slow
def test_without_a_key_nothing_is_estimated(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(PAID) == 2
    told = capsys.readouterr().err
    assert "needs an API key" in told
    assert "oracle:DIR" in told
    assert "Estimate" not in told


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["n\n", "\n", "no\n"])
def test_whoever_does_not_say_yes_says_no(
    here: Path,
    typed: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    typed(answer)
    assert status(PAID) == 1
    told = capsys.readouterr().err
    assert "Go on? [y/N]" in told
    assert "Nothing was run." in told
    assert list((here / "out" / "trials").iterdir()) == []


def test_yes_goes_on(
    here: Path,
    typed: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    made = experiment(here, ("anthropic:claude-haiku-4-5",))
    typed("y\n")
    approval(made, yes=False)(made.trials(), [])
    assert "Go on?" in capsys.readouterr().err
    approval(made, yes=True)(made.trials(), [])
    told = capsys.readouterr().err
    assert "Estimate for 4 trials" in told
    assert "Go on?" not in told


def test_offline_models_and_finished_trials_need_no_answer(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = experiment(here, ())
    approval(made, yes=False)(made.trials(), [])
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    paid = experiment(here, ("anthropic:claude-haiku-4-5",))
    approval(paid, yes=False)([], [])
    assert capsys.readouterr().err == ""


def test_an_unknown_price_is_told_and_asked_about(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    made = experiment(here, ("anthropic:nobody-knows",))
    with pytest.raises(UsageError, match="nobody can be asked"):
        approval(made, yes=False)(made.trials(), [])
    told = capsys.readouterr().err
    assert "The price of anthropic:nobody-knows is not known" in told
    assert " US dollars" not in told


def test_a_closed_input_is_nobody_to_ask(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    monkeypatch.setattr("sys.stdin", None)  # what Python makes of `<&-`
    made = experiment(here, ("anthropic:claude-haiku-4-5",))
    with pytest.raises(UsageError, match="nobody can be asked"):
        approval(made, yes=False)(made.trials(), [])


def test_an_end_of_input_is_no_answer(
    here: Path, typed: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    made = experiment(here, ("anthropic:claude-haiku-4-5",))
    typed("\x04")
    with pytest.raises(click.Abort):
        approval(made, yes=False)(made.trials(), [])


def test_the_estimate_says_where_it_comes_from() -> None:
    lines = in_words(Forecast(5, 3, ("m",), (), Range(1000, 2_500_000), Range(0.5, 1234.5)))
    assert lines[0].startswith(
        "Estimate for 5 trials with m: 1.0k to 2.5M model tokens, 0.50 to 1,234.50 US dollars"
    )
    assert lines[1] == "By finished trials of the same cases: 3 trials."
    assert "with 3 to 15 turns per task and one attempt: 2 trials." in lines[2]
