"""docs/plan.md is what docs/planreference.py writes from the plan's schema."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from docblocks.blocks import ROOT


@pytest.fixture(scope="module")
def planreference() -> ModuleType:
    """The script, as a module."""
    found = importlib.util.spec_from_file_location(
        "planreference", ROOT / "docs" / "planreference.py"
    )
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_page_is_the_one_that_the_schema_gives(planreference: ModuleType) -> None:
    schema = json.loads(planreference.SCHEMA.read_text())
    assert planreference.PAGE.read_text() == planreference.page(schema), "run `make docs`"


def keys(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all keys that a plan may have anywhere, with what the schema says of each."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties.items() if isinstance(properties, dict) else ()
        for name, value in schema.items():
            if name not in ("examples", "default"):
                yield from keys(value)


def test_every_key_is_on_the_page_and_described(planreference: ModuleType) -> None:
    schema = json.loads(planreference.SCHEMA.read_text())
    page = planreference.PAGE.read_text()
    found = list(keys(schema))
    assert len(found) > 60
    for key, said in found:
        assert f"`{key}`" in page
        if set(said) != {"$ref"}:  # `defaults` has the keys of a task
            assert said.get("title"), key
            assert said.get("description"), key
            assert f"**{said['title']}**" in page, key


def test_a_key_that_is_added_appears(planreference: ModuleType) -> None:
    schema = json.loads(planreference.SCHEMA.read_text())
    schema["$defs"]["task"]["properties"]["colour"] = {
        "title": "Colour", "description": "Of its | bar.", "enum": ["red", "blue"],
        "default": "red",
    }  # fmt: skip
    row = "| `colour` | `red`, `blue` | `red` | **Colour**. Of its \\| bar. |"
    assert row in planreference.page(schema)
