"""Every code block of README.md and docs/*.md is run, or checked by a rule that says why."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from docblocks.blocks import COUNTS, ROOT, blocks_of, commands_of, documents
from docblocks.player import KINDS, Player
from docblocks.shapes import differing_keys, missing_lines
from docblocks.stage import PROJECTS, Stage
from llmock.pytest_plugin import LLMock


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Runs that were made before: one that succeeded, one that a task holds up."""
    stage = Stage(tmp_path_factory.mktemp("before"), {})
    stage.prepare(blocks_of(held_document(stage.root))[0])
    made = {"A_RUN": stage.root / "a-run", "HELD_RUN": stage.root / "held-run"}
    orders = {
        "A_RUN": [stage.root / "plan.yaml"],
        "HELD_RUN": [stage.root / "held" / "plan.yaml", "--limit", "wall=0.3s"],
    }
    for name, order in orders.items():
        command = [sys.executable, "-m", "orchestrator", "run", *order, "--run-dir", made[name]]
        done = subprocess.run(command, cwd=stage.root, capture_output=True, text=True, check=False)
        assert done.returncode == (3 if name == "HELD_RUN" else 0), done.stderr
    return made


def held_document(folder: Path) -> Path:
    """A document that asks for the project with the held task."""
    path = folder / "held.md"
    path.write_text("<!-- run: project=held -->\n```sh\ntrue\n```\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_its_blocks_do_what_it_says(
    document: Path, tmp_path: Path, runs: Mapping[str, Path], llmock: LLMock
) -> None:
    problems = Player(Stage(tmp_path, runs), llmock).play(blocks_of(document))
    assert not problems, "\n\n".join(problems)


def test_there_is_a_rule_for_every_block(pytestconfig: pytest.Config) -> None:
    blocks = [block for document in documents() for block in blocks_of(document)]
    counts = Counter(block.kind for block in blocks)
    pytestconfig.stash[COUNTS] = (
        f"{len(blocks)} code blocks in {len(documents())} documents: "
        + ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    )
    assert set(counts) <= KINDS
    assert all(block.marks.get("example") != "" for block in blocks), "an example without a reason"
    commands = [c for block in blocks if block.kind == "commands" for c in commands_of(block)]
    assert len(commands) > 20  # the documents are read at all


WRONG = """
```sh
orchestrator lint nothing.yaml
orchestrator --version     # exit code 1
make no-such-target
pip install 'orchestrator[nothing]'
```

```python
x = 1
assert x == 2
```

```python
print("x is", x)
```

```text
y is 1
```

```yaml
limits: {wokers: 4}
```

```yaml
experiment: minisql
cases: {}
```

```json
{"a": 1}
```

```toml
[project.entry-points."orchestrator.nothing"]
a = "b:c"
```

```cobol
STOP RUN.
```

# Another section

```text
from nowhere
```
"""

RIGHT = """
```console
$ orchestrator scope overlaps 'src/**' 'src/*.py'
yes src/a.py
$ orchestrator scope overlaps src docs   # exit code 1
no
```

```sh
cd examples
export WORD=kept
echo "$PWD $WORD"
cat <<'END'
# this is no comment
END
```

```text
…/examples kept
# this is no comment
```

```sh
orchestrator roles --json
```

```json
[{"name": "architect", "operations": [{"name": "read_file", "…": 0}], "reads": "…"}]
```

```python
from dataclasses import dataclass

@dataclass(frozen=True, slots=True)
class Point:
    x: int
```

```python
print(Point(3))
```

```text
Point(x=4)
```

<!-- example: of another program -->
```text
anything
```

```yaml
limits: {workers: 4}
```

```yaml
- {id: a, writes: [a]}
```
"""


@pytest.mark.slow
def test_what_is_wrong_is_found(tmp_path: Path, llmock: LLMock) -> None:
    (tmp_path / "wrong.md").write_text(WRONG)
    blocks = blocks_of(tmp_path / "wrong.md")
    problems = Player(Stage(tmp_path / "stage", {}), llmock).play(blocks)
    (third,) = [block.where for block in blocks if block.text.startswith("print")]
    assert len(problems) == len(blocks) - 1, "\n\n".join(problems)
    assert not [problem for problem in problems if problem.startswith(third)]
    commands = problems[0]
    for word in ("exit code 2, the document says 0", "exit code 0, the document says 1",
                 "no-such-target", "no such extras"):  # fmt: skip
        assert word in commands


@pytest.mark.slow
def test_what_is_right_passes(tmp_path: Path, llmock: LLMock) -> None:
    (tmp_path / "right.md").write_text(RIGHT)
    blocks = blocks_of(tmp_path / "right.md")
    assert Player(Stage(tmp_path / "stage", {}), llmock).play(blocks) == []


def test_marks_are_known_words(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("<!-- rum: tasks=3 -->\n```sh\ntrue\n```\n")
    with pytest.raises(ValueError, match=r"a\.md:1: no such mark: \['rum'\]"):
        blocks_of(tmp_path / "a.md")


def test_outputs_are_compared_by_shape() -> None:
    actual = "All 14 tasks succeeded in 6.9 s.\nLog: /home/x/.orchestrator/runs/20260101-010101-9\n"
    assert missing_lines(["All 3 tasks succeeded in 12.25 s.", "…", "Log: runs/RUN"], actual) == []
    assert missing_lines(["Log: a/RUN", "All 3 tasks …"], actual) == ["All 3 tasks …"]
    assert missing_lines(["All 3 tasks failed in 2 s."], actual) == ["All 3 tasks failed in 2 s."]


def test_values_are_compared_by_shape() -> None:
    actual = {"a": [{"b": 1, "c": "x"}], "d": None}
    assert differing_keys({"a": [{"b": 2.5}], "d": 3}, actual) == []
    assert differing_keys({"a": [{"b": "2"}], "e": 1}, actual) == [
        ".a[0].b is 1, not like '2'",
        ".e is not there",
    ]


def test_the_projects_of_the_documents_are_there() -> None:
    assert {path.name for path in PROJECTS.iterdir()} == {"comments", "held", "shapes"}
    assert (ROOT / "docs" / "plan.md").is_file()
