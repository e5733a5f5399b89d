"""Prices by name, and files of prices."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.models.anthropic import AnthropicModel
from orchestrator.models.base import Usage
from orchestrator.models.cost import Price
from orchestrator.models.prices import find_price, packaged, price_notice, read_prices
from orchestrator.models.registry import create_model
from orchestrator.models.scripted import ScriptedModel

PACKAGED = Path(__file__).parents[2] / "orchestrator" / "models" / "prices.yaml"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "some key of no use")
    monkeypatch.delenv("ORCHESTRATOR_PRICES", raising=False)


def prices(folder: Path, text: str) -> Path:
    file = folder / "prices.yaml"
    file.write_text(text)
    return file


def test_the_packaged_list_has_no_mistakes_a_date_and_a_source() -> None:
    found = read_prices(PACKAGED)
    assert found == packaged()
    assert date.fromisoformat(found.dated) <= date.today()
    assert found.source.startswith("https://")


@pytest.mark.parametrize("name", sorted(packaged().prices))
def test_each_price_is_plausible(name: str) -> None:
    price = packaged().prices[name]
    assert price.cache_read is not None
    assert price.cache_write == pytest.approx(1.25 * price.input)
    assert 0 < price.cache_read < price.input < price.output


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("claude-sonnet-4-6-latest", "claude-sonnet-4-6"),
        ("claude-opus-5-9", None),
        ("claude-opus-5-5-turbo", None),
        ("claude-opus-5-", None),
        ("claude", None),
        ("", None),
        ("llama-9", None),
    ],
)
def test_a_name_and_its_dated_versions_and_nothing_else(name: str, known: str | None) -> None:
    assert find_price(name) == (packaged().prices[known] if known else None)


def test_a_long_prompt_costs_more_for_the_whole_request() -> None:
    price = packaged().prices["claude-haiku-5-5"]
    assert price.of(Usage(input=100_000, output=10_000)) == pytest.approx(0.015)
    assert price.of(Usage(input=90_000, cache_read=10_001)) == pytest.approx(
        (90_000 * 0.5 + 10_001 * 0.05) / 1e6
    )


def test_a_file_of_ones_own_wins_model_by_model(tmp_path: Path) -> None:
    text = "dated: 2026-11-01\nmodels: {claude-opus-5-5: {input: 1e0, output: 2}}\n"
    file = prices(tmp_path, text)
    assert find_price("claude-opus-5-5", file) == Price(1.0, 2.0)
    assert find_price("claude-sonnet-5-5", file) == packaged().prices["claude-sonnet-5-5"]


def test_the_environment_names_a_file_and_the_command_line_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("{dated: 2026-11-01, models: {own: {input: 1, output: 2}}}")
    second.write_text("{dated: 2026-11-01, models: {own: {input: 3, output: 4}}}")
    monkeypatch.setenv("ORCHESTRATOR_PRICES", str(first))
    assert AnthropicModel("own").price == Price(1.0, 2.0)
    options = {"prices": "second.yaml"}
    made = create_model("anthropic:own", options, tmp_path)
    assert isinstance(made, AnthropicModel)
    assert made.price == Price(3.0, 4.0)
    options |= {"price_input": "5", "price_output": "6"}
    made = create_model("anthropic:own", options, tmp_path)
    assert isinstance(made, AnthropicModel)
    assert made.price == Price(5.0, 6.0)


def test_all_mistakes_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    file = prices(
        tmp_path,
        "dated: 2026-13-01\n"
        "from: here\n"
        "models:\n"
        "  a: {input: 1}\n"
        "  b: {input: -1, output: x, cached: 2}\n"
        "  c: {input: 1, output: 1, long: {above: [], input: 1, output: 1}}\n"
        "  d: {input: 1, output: 1, long: {input: 1, output: 1}}\n"
        "  a: {input: 1, output: 1}\n"
        "  e: 7\n",
    )
    with pytest.raises(UsageError, match="10 mistakes") as caught:
        read_prices(file)
    told = {
        (problem.where.rpartition("yaml:")[2], problem.what) for problem in caught.value.problems
    }
    assert told == {
        ("1:8", "`dated` is not a day"),
        ("2:1", "a list of prices: there is no 'from'"),
        ("4:6", "the price of a: 'output' is missing"),
        ("5:14", "input of the price of b is not a number"),
        ("5:26", "output of the price of b is not a number"),
        ("5:29", "the price of b: there is no 'cached'"),
        ("6:42", "above of the price of c, for long prompts is not a number"),
        ("7:34", "the price of d, for long prompts: 'above' is missing"),
        ("8:3", "the models: 'a' is there twice"),
        ("9:6", "the price of e: not a mapping"),
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "1 mistake$|there are no prices"),
        ("[", "cannot be read"),
        ("- a", "not a mapping"),
        ("models: {}", "'dated' is missing"),
        ("{dated: [1], models: {}}", "not a day"),
        ("{dated: 2026-11-01, models: []}", "the models: not a mapping"),
    ],
)
def test_what_is_no_list_of_prices(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        read_prices(prices(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        create_model("anthropic", {"prices": "no.yaml"}, tmp_path)


def test_an_unknown_price_is_said() -> None:
    model = AnthropicModel("claude-next")
    notice = price_notice(model)
    assert model.price is None
    assert "anthropic:claude-next" in notice
    assert packaged().dated in notice
    assert "-M price_input" in notice
    assert "ORCHESTRATOR_PRICES" in notice


def test_a_known_price_needs_no_words() -> None:
    assert price_notice(AnthropicModel("claude-opus-5-5")) == ""
    assert price_notice(ScriptedModel({})) == ""
