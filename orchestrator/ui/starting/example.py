"""A tiny project with a plan, for a directory in which there is nothing yet.

Its tests need the standard library alone, so that it runs wherever orchestrator does.
"""

from __future__ import annotations

from collections.abc import Mapping

_PLAN = """\
# An example plan: three agents write the functions of a small package, two of them at once.
#
#   orchestrator run plan.yaml         runs it, offline; the result is in ./out
#   orchestrator status RUN            RUN is the id that the run has printed
#   orchestrator report RUN            what happened, as one HTML page
#
# Then try `--workers 1`, or `-M mistakes=1` (each task begins with a mistake that its tests
# find), each with `--into out2`, because a copy is never written over.
version: 1
name: counting

# Every agent is told the goal.
goal: |
  Write the functions of the package `counting` that have no body yet, so that its tests pass.

workspace: ./project        # where the code is, seen from this file
into: ./out                 # the agents work on a copy, made here

# `oracle` needs no key: it puts the files of a reference solution. `--model anthropic` asks a
# real model; set ANTHROPIC_API_KEY first.
model: oracle:./solution

mode: shared                # files are claimed, and what an agent has read must be current
limits: {workers: 3, wall: 10m, usd: 1, attempts: 2, turns: 20}
defaults: {role: implementer, test: "python -m unittest {tests}"}

tasks:
  # These two wait for nobody, so they are done at the same time.
  - id: words
    title: Cut a text into words
    writes: [counting/words.py]
    tests: [tests/test_words.py]
    instructions: |
      Write the body of `words` in counting/words.py.

  - id: tally
    title: Count words
    writes: [counting/tally.py]
    tests: [tests/test_tally.py]
    instructions: |
      Write the body of `tally` in counting/tally.py.

  # This one calls what the other two write, so it comes last.
  - id: report
    title: The commonest words as text
    depends_on: [words, tally]
    writes: [counting/report.py]
    tests: [tests/test_report.py]
    instructions: |
      Write the body of `report` in counting/report.py, with what the other files have.
"""

_INIT = '"""Counts the words of a text."""\n'

_WORDS = '''\
"""From a text to its words."""

import re


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, in their order."""
    {body}
'''

_TALLY = '''\
"""How often words occur."""

from collections import Counter


def tally(words: list[str]) -> list[tuple[str, int]]:
    """Return each word with its number, commonest first, equals by the alphabet."""
    {body}
'''

_REPORT = '''\
"""The commonest words of a text."""

from counting.tally import tally
from counting.words import words


def report(text: str, most: int = 3) -> str:
    """Return one line for each of the commonest words: the number, a space, the word."""
    {body}
'''

_TEST_WORDS = """\
import unittest

from counting.words import words


class WordsTest(unittest.TestCase):
    def test_case_and_punctuation_do_not_count(self) -> None:
        self.assertEqual(words("To be, or not to BE!"), ["to", "be", "or", "not", "to", "be"])

    def test_nothing(self) -> None:
        self.assertEqual(words(" . "), [])
"""

_TEST_TALLY = """\
import unittest

from counting.tally import tally


class TallyTest(unittest.TestCase):
    def test_commonest_first(self) -> None:
        self.assertEqual(tally(["b", "c", "a", "c"]), [("c", 2), ("a", 1), ("b", 1)])
"""

_TEST_REPORT = """\
import unittest

from counting.report import report


class ReportTest(unittest.TestCase):
    def test_the_commonest(self) -> None:
        self.assertEqual(report("To be or not to be", 2), "2 be\\n2 to")
"""

_BODIES = {
    "words": (_WORDS, 'return re.findall(r"[a-z]+", text.lower())'),
    "tally": (_TALLY, "return sorted(Counter(words).items(), key=lambda one: (-one[1], one[0]))"),
    "report": (
        _REPORT,
        'return "\\n".join(f"{number} {word}" for word, number in tally(words(text))[:most])',
    ),
}


def example_files() -> Mapping[str, str]:
    """Return the files of the example, by path."""
    tests = {"words": _TEST_WORDS, "tally": _TEST_TALLY, "report": _TEST_REPORT}
    found = {"plan.yaml": _PLAN, ".gitignore": "/out*/\n"}
    for folder in ("project", "solution"):
        found[f"{folder}/counting/__init__.py"] = _INIT
        for name, (text, body) in _BODIES.items():
            written = body if folder == "solution" else "raise NotImplementedError"
            found[f"{folder}/counting/{name}.py"] = text.replace("{body}", written)
    found |= {f"project/tests/test_{name}.py": text for name, text in tests.items()}
    return found
