"""Calls at random, mixed from valid and hostile pieces: no exception, nothing out of bounds."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.spec.operations import OPERATIONS

STRESS = os.environ.get("HYPOTHESIS_PROFILE") == "stress"
# `give_up` ends the attempt and `widen_scope` moves the bounds that are watched here.
TOOLS = sorted(OPERATIONS.keys() - {"give_up", "widen_scope"})
NAMES = sorted({name for known in OPERATIONS.values() for name in known.arguments})


@pytest.fixture(scope="module")
def calls(corpus: Any) -> st.SearchStrategy[tuple[str, Any]]:
    """Return a strategy for the name of a tool and its arguments."""
    characters = st.characters()  # lone surrogates among them
    scalars = st.one_of(
        st.sampled_from(corpus.PIECES), st.text(characters, max_size=40), st.integers(),
        st.floats(), st.booleans(),
    )  # fmt: skip
    values = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner)
    )

    def arguments(tool: str) -> st.SearchStrategy[Any]:
        known = OPERATIONS[tool].arguments
        fitting = {name: _fitting(schema, values, corpus) for name, schema in known.items()}
        return st.one_of(
            st.fixed_dictionaries({}, optional=fitting),
            st.fixed_dictionaries(fitting),
            st.dictionaries(st.sampled_from(NAMES) | st.text(characters), values, max_size=5),
            values,
        )

    known = st.sampled_from(TOOLS).flatmap(lambda tool: st.tuples(st.just(tool), arguments(tool)))
    return known | st.tuples(st.text(characters), values)


def _fitting(schema: Any, values: st.SearchStrategy[Any], corpus: Any) -> st.SearchStrategy[Any]:
    """Return mostly values of the type that a schema wants."""
    texts = st.sampled_from([piece for piece in corpus.PIECES if isinstance(piece, str)])
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "string": texts | st.text(st.characters(), max_size=60),
        "integer": st.integers(-1, 10**20),
        "boolean": st.booleans(),
        "array": st.lists(texts, max_size=3) | st.just([dict(corpus.PART)]),
    }
    return kinds[schema["type"]] | values


@pytest.mark.slow
@settings(
    max_examples=3000 if STRESS else 60,  # for each of the six roles
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_no_call_leaves_the_bounds_or_breaks_the_tools(
    yard: Any, calls: st.SearchStrategy[tuple[str, Any]], data: st.DataObject
) -> None:
    tool, arguments = data.draw(calls)
    outcome = yard.use(tool, arguments)
    assert yard.problems(outcome) == []
    assert outcome.ending is None
