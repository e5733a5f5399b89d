"""Writes docs/plan.md, the reference of the plan's keys, from the published JSON Schema.

`make docs` runs it; `tests/docs/test_plan_reference.py` says that the file is as it writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "orchestrator" / "spec" / "plan.schema.json"
PAGE = ROOT / "docs" / "plan.md"

Schema = Mapping[str, Any]

HEAD = """\
<!-- Written by docs/planreference.py from orchestrator/spec/plan.schema.json; do not edit it. -->
# Plan reference

{description}

```console
orchestrator lint examples/minisql/plan.yaml    # every mistake with line and column, and its fix
orchestrator schema plan > plan.schema.json     # for editors: completion while you type
```

With `# yaml-language-server: $schema=plan.schema.json` as its first line, many editors check a \
plan as you write it. Unknown keys and keys that stand twice are mistakes. A dash as default means \
that there is none: what is left out is not limited, or not there.
"""

TYPES = {"string": "text", "integer": "whole number", "boolean": "true or false"}
REFERENCES = {
    "duration": "[duration](#duration)",
    "globs": "[globs](#globs)",
    "path": "[path](#path)",
}
LISTED = {(): ("tasks",), ("limits",): ("roles",)}
"""Keys of the plan and of its limits whose entries have a section of their own."""

HUGE = 1_000_000_000
"""A bound of this size or more is none that anybody meets."""


def page(schema: Schema) -> str:
    """Return the whole page."""
    limits, task = schema["properties"]["limits"], schema["$defs"]["task"]
    within = limits["properties"]
    budget: Schema = within["roles"]["additionalProperties"]
    budget = {
        **budget,
        "description": f"{within['roles']['description']} {budget['description']}",
        "examples": within["roles"]["examples"],
    }
    whole = {**schema, "description": ""}
    parts = [
        HEAD.format(description=schema["description"]),
        *(_yaml("A whole plan:", example) for example in schema["examples"]),
        *_section("## The plan", whole, ()),
        *_section("## Tasks", task, ("tasks",)),
        *_section("### `limits` of a task", task["properties"]["limits"], ("limits",)),
        *_defaults(schema["properties"]["defaults"]),
        *_section("## `limits` of the run", limits, ("limits",)),
        *_section("### `attempts_by`", within["attempts_by"], ("limits", "attempts_by")),
        *_section("### `roles`", budget, ("limits", "roles")),
        *_section("### `provider`", within["provider"], ("limits", "provider")),
        *_section("## `sandbox`", schema["properties"]["sandbox"], ("sandbox",)),
        *_definitions(schema["$defs"]),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _section(title: str, schema: Schema, at: tuple[str, ...]) -> Iterator[str]:
    """Yield a heading, what the mapping is for, a table of its keys, and its examples.

    Args:
        title: the heading.
        schema: of the mapping.
        at: the keys of the plan that lead to it.
    """
    yield f"{title}\n"
    if schema["description"]:
        yield schema["description"] + "\n"
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    for key, found in schema["properties"].items():
        needed = " (must be there)" if key in schema.get("required", ()) else ""
        meaning = f"**{found['title']}**{needed}. {found['description']}"
        if "properties" in found or key in LISTED.get(at, ()):
            meaning += " Its keys are below."
        yield f"| `{key}` | {_type(found)} | {_default(found)} | {_cell(meaning)} |"
    yield ""
    for example in schema.get("examples", ()) if at else ():
        if at == ("tasks",):
            yield _yaml("For example:", {"tasks": [example]})
        else:
            yield _yaml("For example:", _nested(at, example))


def _nested(at: tuple[str, ...], value: Any) -> Any:
    for key in reversed(at):
        value = {key: value}
    return value


def _defaults(schema: Schema) -> Iterator[str]:
    """Yield the section on the defaults of all tasks, whose keys are those of a task."""
    keys = ", ".join(f"`{key}`" for key in schema["properties"])
    yield "## `defaults`\n"
    yield f"{schema['description']} It may have {keys}; they mean what they mean in a task.\n"
    yield _yaml("For example:", {"defaults": schema["examples"][0]})


def _definitions(definitions: Schema) -> Iterator[str]:
    """Yield what globs, durations and paths are."""
    for name, title in (("glob", "Globs"), ("duration", "Duration"), ("path", "Path")):
        found = definitions[name]
        yield f"## {title}\n"
        before = definitions["globs"]["description"] + " A glob: " if name == "glob" else ""
        text = found["description"]
        yield (before + text[0].lower() + text[1:] if before else text) + "\n"
        if found.get("examples"):
            yield "Examples: " + ", ".join(f"`{each}`" for each in found["examples"]) + ".\n"


def _yaml(title: str, data: Any) -> str:
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96)
    return f"{title}\n\n```yaml\n{text}```\n"


class _Dumper(yaml.SafeDumper):
    """Writes lists of texts and small mappings of figures on one line, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    flow = all(isinstance(item, str) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


_Dumper.add_representer(list, _list)


def _type(schema: Schema) -> str:
    """Return in words what values a key takes."""
    reference = schema.get("$ref", "").rsplit("/", 1)[-1]
    if reference:
        return REFERENCES[reference]
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        inner = schema["items"].get("$ref", "").rsplit("/", 1)[-1]
        return {"task": "list of tasks", "path": "list of paths"}.get(inner, "list of texts")
    if schema["type"] == "object":
        return "mapping"
    return TYPES.get(schema["type"], str(schema["type"])) + _bounds(schema)


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum", HUGE)
    if low is None:
        return ""
    return f" from {low:,}" + (f" to {high:,}" if high < HUGE else "")


def _default(schema: Schema) -> str:
    default = schema.get("default")
    if default is None or default in ({}, [], ""):
        return "–"
    text = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return f"`{text}`"


def _cell(text: str) -> str:
    """Return a text that may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(SCHEMA.read_text(encoding="utf-8"))), encoding="utf-8")
