"""Models by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.models.anthropic import AnthropicModel
from orchestrator.models.base import Model
from orchestrator.models.cost import Price
from orchestrator.models.oracle import OracleModel
from orchestrator.models.registry import create_model
from orchestrator.models.scripted import ScriptedModel


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a solution and a script, and a key in the environment."""
    (tmp_path / "solution").mkdir()
    (tmp_path / "script.yaml").write_text("a: [{text: x}]\n")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key-0123456789")
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "kind", "name"),
    [
        ("anthropic", AnthropicModel, "anthropic:claude-sonnet-5-5"),
        ("anthropic:claude-opus-5-5", AnthropicModel, "anthropic:claude-opus-5-5"),
        ("oracle:solution", OracleModel, "oracle:solution"),
        (" oracle:./solution ", OracleModel, "oracle:./solution"),
        ("scripted:script.yaml", ScriptedModel, "scripted:script.yaml"),
    ],
)
def test_models_by_name(base: Path, spec: str, kind: type, name: str) -> None:
    model = create_model(spec, {}, base)
    assert type(model) is kind
    assert isinstance(model, Model)
    assert model.name == name
    model.close()


def test_absolute_paths_stay(base: Path) -> None:
    assert create_model(f"oracle:{base / 'solution'}", {}, Path("/")).name.startswith("oracle:/")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", "has no name"),
        ("oracel:solution", "did you mean oracle:DIR"),
        ("echo:x", "Models: anthropic\\[:MODEL\\], oracle:DIR, recorded:RUN, scripted:FILE"),
        ("recorded", "needs a run"),
        ("recorded:nowhere", "there is no run 'nowhere'"),
        ("simulate", "did you mean simulated"),
        ("oracle", "needs a directory"),
        ("oracle:nowhere", "is not a directory"),
        ("scripted", "needs a file"),
        ("scripted:nowhere", "cannot be read"),
    ],
)
def test_models_that_cannot_be(base: Path, spec: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        create_model(spec, {}, base)


@pytest.mark.parametrize(
    ("spec", "options", "expected"),
    [
        ("oracle:solution", {"mistake": "1"}, "did you mean 'mistakes'"),
        ("oracle:solution", {"mistakes": "2"}, "a number from 0 to 1"),
        ("oracle:solution", {"mistakes": "nan"}, "a number from 0 to 1"),
        ("oracle:solution", {"latency": "fast"}, "seconds, or a range"),
        ("oracle:solution", {"latency": "2-1"}, "seconds, or a range"),
        ("oracle:solution", {"latency": "-1"}, "seconds, or a range"),
        ("oracle:solution", {"seed": "1.5"}, "a whole number"),
        ("scripted:script.yaml", {"seed": "1"}, "it has no options"),
        ("anthropic", {"stream": "maybe"}, "true or false"),
        ("anthropic", {"max_tokens": "0"}, "a whole number of at least 1"),
        ("anthropic", {"retries": "11"}, "a whole number from 0 to 10"),
        ("anthropic", {"timeout": "0"}, "a number of at least"),
        ("anthropic", {"stream": "no", "max_tokens": "21334"}, "too much without streaming"),
        ("anthropic", {"price_input": "3"}, "given without 'price_output'"),
        ("anthropic", {"temperature": "1"}, "has no option 'temperature'"),
    ],
)
def test_wrong_options(base: Path, spec: str, options: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        create_model(spec, options, base)


def test_all_wrong_options_are_told_at_once(base: Path) -> None:
    options = {"mistakes": "x", "latency": "x", "seed": "x", "speed": "x"}
    with pytest.raises(UsageError, match="4 mistakes") as caught:
        create_model("oracle:solution", options, base)
    assert [problem.where for problem in caught.value.problems] == [
        "-M speed=x",
        "-M mistakes=x",
        "-M latency=x",
        "-M seed=x",
    ]


def test_prices_are_kept(base: Path) -> None:
    model = create_model("anthropic", {"price_input": "3", "price_output": "15"}, base)
    assert isinstance(model, AnthropicModel)
    assert model.price == Price(3.0, 15.0)


def test_the_sdk_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, orchestrator.models.registry; print('anthropic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_streaming_allows_long_replies(base: Path) -> None:
    create_model("anthropic", {"max_tokens": "64000"}, base).close()
    create_model("anthropic", {"max_tokens": "21333", "stream": "false"}, base).close()
