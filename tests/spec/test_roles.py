"""Role documents: what is accepted, what is refused, and what the model is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator.errors import Problem, RoleError
from orchestrator.models.base import ToolSpec
from orchestrator.spec.globpattern import path_pattern
from orchestrator.spec.operations import METHODS, OPERATIONS
from orchestrator.spec.roles import Role, load_role, load_roles

GOOD = (Path(__file__).parent / "data" / "mini_role.yaml").read_text()


def write(directory: Path, text: str, name: str = "mini.yaml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def problems_of(directory: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(RoleError) as caught:
        load_role(write(directory, text))
    return caught.value.problems


@pytest.fixture
def role(tmp_path: Path) -> Role:
    return load_role(write(tmp_path, GOOD))


def schema_of(role: Role, name: str) -> dict[str, Any]:
    operation = role.operation(name)
    assert operation is not None
    return dict(operation.tool.input_schema)


def check(role: Role, name: str, arguments: Any) -> list[str]:
    operation = role.operation(name)
    assert operation is not None
    return operation.check(arguments)


# -- what a good document becomes -----------------------------------------------------------------


def test_a_role_has_what_its_document_says(role: Role, tmp_path: Path) -> None:
    assert (role.name, role.summary, role.description) == ("mini", "A little", "You do little.")
    assert [operation.name for operation in role.operations] == [
        "list_files", "read_file", "write_file", "run_command", "send_message",
    ]  # fmt: skip
    assert [operation.kind for operation in role.operations] == [
        "read", "read", "write", "command", "coordinate",
    ]  # fmt: skip
    assert role.reads == ("src/**", "tests/**")
    assert role.writes == ("src/**", "!src/vendor/**")
    assert role.path == tmp_path / "mini.yaml"
    assert re.fullmatch("[0-9a-f]{64}", role.digest)


def test_a_role_has_nothing_that_its_document_does_not_list(role: Role) -> None:
    listed = {"list_files", "read_file", "write_file", "run_command", "send_message"}
    assert {tool.name for tool in role.tools} == listed
    assert all(role.operation(name) is None for name in OPERATIONS.keys() - listed)


def test_a_tool_joins_parameters_and_body_in_one_flat_schema(role: Role) -> None:
    schema = schema_of(role, "write_file")
    assert list(schema["properties"]) == ["path", "content"]
    assert schema["required"] == ["path", "content"]
    assert schema["additionalProperties"] is False


def test_parameters_of_the_path_are_shared_and_give_way_to_those_of_the_operation(
    role: Role,
) -> None:
    assert list(schema_of(role, "read_file")["properties"]) == ["path", "end_line"]
    described = schema_of(role, "write_file")["properties"]["path"]["description"]
    assert described == "Allowed files: `src/**` except `src/vendor/**`."


def test_the_runtime_adds_its_own_bounds_where_the_document_is_silent(role: Role) -> None:
    assert schema_of(role, "read_file")["properties"]["end_line"] == {
        "type": "integer",
        "minimum": 1,
        "description": "The last line.",
    }


def test_a_tool_schema_stands_alone(role: Role) -> None:
    text = schema_of(role, "send_message")["properties"]["text"]
    assert text == {
        "type": "string",
        "minLength": 1,
        "allOf": [{"type": "string", "description": "Some text."}],
        "maxLength": 20,
        "description": "Some text.",
    }
    for tool in role.tools:
        Draft202012Validator.check_schema(tool.input_schema)
        assert not re.search(r'"(\$ref|x-[a-z]+)"', json.dumps(tool.input_schema))


def test_a_tool_is_described_by_summary_and_description(role: Role) -> None:
    assert [tool.description for tool in role.tools][1:3] == [
        "Read a file",
        "Write a file.\nAll of it.",
    ]


def test_a_role_may_be_json(tmp_path: Path, role: Role) -> None:
    path = write(tmp_path, json.dumps(yaml.safe_load(GOOD.replace("200:", '"200":'))), "r.json")
    assert load_role(path).tools == role.tools


def test_global_security_is_checked_and_none_at_all_is_allowed(tmp_path: Path) -> None:
    without = re.sub(r" +security: .*\n", "", GOOD)
    assert load_role(write(tmp_path, without)).name == "mini"
    problems = problems_of(tmp_path, without + "security: [{leese: []}]\n")
    assert [(p.code, p.fix) for p in problems] == [("undefined-scheme", "write `lease`")]


def test_scopes_of_a_scheme_that_cannot_define_any_are_free(tmp_path: Path) -> None:
    data = yaml.safe_load(GOOD.replace("200:", '"200":'))
    data["components"]["securitySchemes"]["lease"] = {"type": "http", "scheme": "bearer"}
    assert load_role(write(tmp_path, yaml.safe_dump(data))).name == "mini"


# -- what is refused ------------------------------------------------------------------------------

# Each row: old text, new text, code of the problem, part of its text, line that it points to.
MISTAKES = [
    ("operationId: read_file", "operationId: read_fil", "unknown-operation",
     "write `read_file`", "operationId: read_fil"),
    ("operationId: read_file", "operationId: frobnicate", "unknown-operation",
     "use one of list_files", "operationId: frobnicate"),
    ("operationId: read_file", "deprecated: false", "missing-operation-id",
     "the operation get /files", "get:"),
    ("operationId: read_file", "operationId: list_files", "duplicate-operation",
     "the first is at", "operationId: list_files"),
    ("    get:\n      operationId: read_file", "    post:\n      operationId: read_file",
     "wrong-method", "list it under get", "post:"),
    ("content: {type: string}", "path: {type: string}\n                content: {type: string}",
     "duplicate-argument", "`path` twice", "path: {type: string}"),
    ("content: {type: string}", "contents: {type: string}", "unknown-argument",
     "write `content`", "contents: {type: string}"),
    ("                content: {type: string}", "                {}", "missing-argument",
     "property of the body `content` of type string", "put:"),
    ("content: {type: string}", "content: {type: integer}", "wrong-type",
     "has the type integer", "content: {type: integer}"),
    ("content: {type: string}", "content: {}", "wrong-type", "has no type", "content: {}"),
    ("required: [content]", "required: []", "argument-not-required",
     "`required: [content]`", "content: {type: string}"),
    ("requestBody:\n        required: true", "requestBody:\n        required: false",
     "argument-not-required", "`content` of `write_file` is optional", "content: {type: string}"),
    ("required: [content]", "minProperties: 1", "body-not-flat", "plain object",
     "minProperties: 1"),
    ("application/json", "text/plain", "not-json", "text/plain", "text/plain:"),
    ("schema: {type: string, x-files: [\"src/**\", \"!src/vendor/**\"]}",
     "schema: {type: string}", "missing-bound", "no list of globs", "schema: {type: string}"),
    ("x-files: [\"src/**\", \"!src/vendor/**\"]", "x-files: src", "missing-bound",
     "every file operation", "x-files: src"),
    ("x-files: [\"src/**\", \"!src/vendor/**\"]", "x-files: []", "missing-bound",
     "every file operation", "x-files: []"),
    ("\"!src/vendor/**\"", "\"src/[a\"", "bad-glob", "does not close", "src/[a"),
    ("schema: {type: string, x-files: [\"src/**\", \"!src/vendor/**\"]}",
     "x-files: [src]\n          schema: {type: string, x-files: [src]}", "misplaced-bound",
     "move it into the schema of `path`", "x-files: [src]\n"),
    ("content: {type: string}", "content: {type: string, x-files: [a]}", "misplaced-bound",
     "on `content`", "content: {type: string"),
    ("[\"src/**\", \"tests/**\"]}}", "[\"src/**\"]}}", "different-bounds",
     "`read_file` and `list_files` differ", "schema: {type: string, x-files: [\"src/**\", \"t"),
    ("      parameters:\n        - {name: glob,", "      x-was:\n        - {name: glob,",
     "missing-bound", "`list_files` has no file bound", "get:"),
    ("        - {name: glob,", "        - {name: globs,", "unknown-argument", "write `glob`",
     "name: globs"),
    (", pattern: 'ruff( [a-z./]+)*'", "", "missing-bound", "allows every command",
     "description: A linter."),
    ("'ruff( [a-z./]+)*'", "'ruff('", "not-openapi", "regular expression", "'ruff('"),
    ("{type: string, enum: [question, answer]}", "{type: string, enum: [question, chat]}",
     "wrong-value", "cannot be 'chat'", "enum: [question, chat]"),
    ("{lease: [\"files:write\"]}", "{leash: [\"files:write\"]}", "undefined-scheme",
     "write `lease`", "leash"),
    ("{lease: [\"files:write\"]}", "{lease: [\"files:rite\"]}", "undefined-scope",
     "write `files:write`", "files:rite"),
    ("'#/components/schemas/Text'", "'#/components/schemas/Test'", "broken-reference",
     "leads nowhere", "schemas/Test"),
    ("'#/components/parameters/Path'", "'#/components/parameters/Pat'", "broken-reference",
     "leads nowhere", "parameters/Pat'"),
    ("'#/components/schemas/Text'", "'common.yaml#/Text'", "remote-reference",
     "leads out of this file", "common.yaml"),
    ("'#/components/schemas/Text'", "'file:///etc/hostname'", "remote-reference",
     "leads out of this file", "hostname"),
    ("Text: {type: string, x-origin: us, description: Some text.}",
     "Text: {$ref: '#/components/schemas/Text'}", "broken-reference", "in a circle", "Text: {"),
    ("Text: {type: string,", "Text: {type: string, not: {$ref: '#/components/schemas/Text'},",
     "recursive-schema", "contains itself", "text: {$ref"),
    ("- {name: end_line, in: query,", "- {name: end_line, in: header,", "not-a-query-parameter",
     "write `in: query`", "in: header"),
    ("  /tree:", "  /tree/{glob}:", "not-a-query-parameter", "cannot hold the `/`", "/tree/{"),
    ("      summary: Read a file\n", "", "missing-description", "add a `summary`", "get:"),
    ("openapi: 3.1.0", "openapi: 3.0.3", "wrong-openapi", "write `openapi: 3.1.0`", "3.0.3"),
    ("openapi: 3.1.0", "openapi: 3.1", "wrong-openapi", "write `openapi: 3.1.0`", "openapi"),
    ("openapi: 3.1.0", "kind: role", "not-openapi", "begin it with", "kind: role"),
    ("title: mini", "title: ''", "bad-title", "name of a role", "title: ''"),
    ("title: mini, ", "", "not-openapi", "'title' is a required property", "info:"),
    ("summary: Write a file", "sumary: Write a file", "not-openapi", "'sumary' was unexpected",
     "operationId: write_file"),
    ("Text: {type: string,", "Text: {type: strin,", "not-openapi", "'strin'", "Text: {type: strin"),
    ("{type: string, enum: [question, answer]}", "{type: string, default: 3}", "wrong-value",
     "cannot be 3", "default: 3"),
    ("paths:", "paths: []\nx-paths:", "not-openapi", "not of type 'object'", "paths: []"),
    ("summary: Read a file", "summary: Read a file\n      summary: Twice", "duplicate-key", "twice",
     "summary: Twice"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "code", "text", "line"), MISTAKES, ids=[f"{m[2]}-{m[1][:20]}" for m in MISTAKES]
)
def test_a_mistake_is_named_with_its_place_and_its_fix(
    tmp_path: Path, old: str, new: str, code: str, text: str, line: str
) -> None:
    assert old in GOOD
    document = GOOD.replace(old, new, 1)
    matching = [p for p in problems_of(tmp_path, document) if p.code == code and text in str(p)]
    assert matching, [str(problem) for problem in problems_of(tmp_path, document)]
    problem = matching[0]
    file, number, column = problem.where.rsplit(":", 2)
    assert file == str(tmp_path / "mini.yaml")
    from_there = "\n".join(document.splitlines()[int(number) - 1 :]) + "\n"
    assert line in from_there[: from_there.index("\n") + len(line)], problem.where
    assert int(column) >= 1
    assert problem.fix


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    document = GOOD
    for old, new in (
        ("operationId: list_files", "operationId: list_file"),
        ('"!src/vendor/**"', '"src/**x"'),
        ("content: {type: string}", "contents: {type: string}"),
        ('["commands:run"]', '["commands:ran"]'),
        ("pattern: 'ruff( [a-z./]+)*'", "pattern: 'ruff('"),
    ):
        document = document.replace(old, new)
    problems = problems_of(tmp_path, document)
    assert [problem.code for problem in problems] == [
        "unknown-operation", "bad-glob", "unknown-argument",
        "undefined-scope", "not-openapi",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not-openapi"),
        ("# nothing\n", "not-openapi"),
        ("just text", "not-openapi"),
        ("[1, 2]", "not-openapi"),
        ("a: [1\nb: 2", "yaml-syntax"),
        ("openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {}\n", "no-operations"),
        ("openapi: 3.1.0\ninfo: {title: a, version: '1'}\ncomponents: {}\n", "no-operations"),
    ],
)
def test_a_file_that_is_no_role_is_refused(tmp_path: Path, text: str, code: str) -> None:
    assert [problem.code for problem in problems_of(tmp_path, text)] == [code]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RoleError, match="there is no such file"):
        load_role(tmp_path / "none.yaml")


SPLIT = """\
  /parts:
    post:
      operationId: split_task
      summary: Split
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [tasks, reason]
              properties:
                reason: {type: string}
                tasks:
                  type: array
                  items:
                    type: object
                    required: [id, title, instructions, writes]
                    properties:
                      id: {type: string}
                      title: {type: string}
                      instructions: {type: string}
                      writes: {type: array, items: {type: string}}
      responses: {200: {description: Done}}
components:
"""


def with_split(*changes: tuple[str, str]) -> str:
    split = SPLIT
    for old, new in changes:
        assert old in split
        split = split.replace(old, new)
    return GOOD.replace("components:\n", split, 1)


def test_nested_arguments_are_closed_and_checked(tmp_path: Path) -> None:
    role = load_role(write(tmp_path, with_split()))
    task = {"id": "a", "title": "A", "instructions": "Do.", "writes": ["a.py"]}
    assert check(role, "split_task", {"tasks": [task], "reason": "r"}) == []
    wrong = {"tasks": [{**task, "owner": "me", "writes": []}], "reason": "r"}
    assert check(role, "split_task", wrong) == [
        "There is no argument `tasks[0].owner`. There are: id, title, instructions, writes.",
        "`tasks[0].writes` must not be empty.",
    ]


@pytest.mark.parametrize(
    ("old", "new", "code", "text"),
    [
        ("id: {type: string}", "ident: {type: string}", "missing-argument", "property `id`"),
        ("id, title,", "title,", "missing-argument", "property `id`"),
        ("writes: {type: array, items: {type: string}}", "writes: {type: string}", "wrong-type",
         "`writes` in an item of `tasks`"),
        ("{type: array, items: {type: string}}", "{type: array}", "wrong-type", "has no type"),
        ("                    properties:", "                    additionalProperties: true\n"
         "                    properties:", "unknown-argument", "open to any property"),
        ("title: {type: string}", "title: {type: string}\n                      own: {}",
         "unknown-argument", "no property `own`"),
    ],
)  # fmt: skip
def test_nested_arguments_must_fit_the_runtime(
    tmp_path: Path, old: str, new: str, code: str, text: str
) -> None:
    problems = problems_of(tmp_path, with_split((old, new)))
    assert any(p.code == code and text in p.what for p in problems), problems


# -- directories ----------------------------------------------------------------------------------


def test_a_directory_is_looked_at_before_the_built_in_roles(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("title: mini", "title: tester"), "mine.yml")
    write(tmp_path, GOOD)
    write(tmp_path, "not a role", "README.md")
    write(tmp_path, "not a role", ".hidden.yaml")
    roles = load_roles(tmp_path)
    assert "mini" in roles
    assert roles["tester"].path == tmp_path / "mine.yml"
    assert roles["reviewer"] is load_roles(None)["reviewer"]
    assert set(roles) == {*load_roles(None), "mini"}
    assert len(roles) == 7


def test_a_role_is_checked_when_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("read_file", "reed_file"))
    roles = load_roles(tmp_path)
    assert "mini" in roles
    assert roles["reviewer"].name == "reviewer"
    with pytest.raises(RoleError, match="reed_file"):
        roles["mini"]


def test_an_unknown_role_is_a_key_error() -> None:
    assert load_roles(None).get("none") is None
    with pytest.raises(KeyError):
        load_roles(None)["none"]


def test_a_directory_with_documents_without_a_name_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "", "a.yaml")
    write(tmp_path, "x: [", "b.yaml")
    write(tmp_path, "openapi: 3.1.0\ninfo: {version: '1'}\npaths: {}", "c.yaml")
    write(tmp_path, GOOD, "d.yaml")
    write(tmp_path, GOOD, "e.yaml")
    with pytest.raises(RoleError) as caught:
        load_roles(tmp_path)
    found = [(Path(p.where.split(":")[0]).name, p.code) for p in caught.value.problems]
    assert found == [
        ("a.yaml", "not-openapi"),
        ("b.yaml", "yaml-syntax"),
        ("c.yaml", "not-openapi"),
        ("e.yaml", "duplicate-role"),
    ]


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RoleError, match="cannot be read"):
        load_roles(tmp_path / "none")


# -- the file bound --------------------------------------------------------------------------------


def test_braces_that_explode_leave_the_pattern_out_and_the_bound_in(tmp_path: Path) -> None:
    glob = "{a,b}" * 8
    assert path_pattern([glob]) is None
    role = load_role(write(tmp_path, GOOD.replace('"src/**", "!src/vendor/**"', f'"{glob}"')))
    assert "pattern" not in schema_of(role, "write_file")["properties"]["path"]
    assert check(role, "write_file", {"path": "abababab", "content": ""}) == []
    assert check(role, "write_file", {"path": "abababac", "content": ""}) != []


def test_a_pattern_of_the_document_is_kept_beside_that_of_the_bound(tmp_path: Path) -> None:
    role = load_role(
        write(tmp_path, GOOD.replace('"!src/vendor/**"]', '"!src/vendor/**"], pattern: py$'))
    )
    path = schema_of(role, "write_file")["properties"]["path"]
    assert path["pattern"] == "py$"
    assert path["allOf"] == [{"pattern": path_pattern(["src/**", "!src/vendor/**"])}]
    assert check(role, "write_file", {"path": "src/a.py", "content": ""}) == []
    assert check(role, "write_file", {"path": "src/a.md", "content": ""}) == [
        "`path` must match py$, and 'src/a.md' does not."
    ]


# -- the table ------------------------------------------------------------------------------------


def test_every_known_operation_is_sound() -> None:
    assert len(OPERATIONS) == 15
    for name, known in OPERATIONS.items():
        assert known.name == name
        Draft202012Validator.check_schema(known.schema)
        assert set(known.required) <= set(known.arguments)
        assert known.files in {"", *known.arguments}
        assert (known.files != "") == (known.kind in {"read", "write"})
        assert METHODS[known.kind]


# -- any document at all --------------------------------------------------------------------------


def _pointers(value: Any, pointer: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        return [pointer]
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    return [pointer, *(p for k, v in steps for p in _pointers(v, (*pointer, k)))]


_GOOD_DATA = yaml.safe_load(GOOD.replace("200:", '"200":'))
_POINTERS = _pointers(_GOOD_DATA)[1:]
_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 3, "", "x", [], {}, [None], [{}], {"$ref": "#/paths"}, {"$ref": "#"}, {"$ref": 3},
     {"type": "object"}, {"type": ["string"]}, {"a": {"b": []}}, "in", ["**"], {"schema": True}]
)  # fmt: skip


def _put(data: Any, pointer: tuple[Any, ...], value: Any) -> None:
    """Put a value where `pointer` leads, if it still leads anywhere."""
    for step in pointer[:-1]:
        if not isinstance(data, dict | list):
            return
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(data, dict) and pointer[-1] in data:
        data[pointer[-1]] = value


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.sampled_from(_POINTERS), st.one_of(st.none(), _VALUES)), min_size=1,
             max_size=3)
)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_document_is_a_role_or_a_role_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[tuple[Any, ...], Any]]
) -> None:
    data = json.loads(json.dumps(_GOOD_DATA))
    for pointer, value in changes:
        _put(data, pointer, value)
    path = write(tmp_path_factory.mktemp("any"), json.dumps(data))
    problems: tuple[Problem, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    try:
        tools = load_role(path).tools
    except RoleError as error:
        problems = error.problems
    assert tools or problems
    assert [str(p) for p in problems if not (p.fix and p.where.startswith(str(path)))] == []
