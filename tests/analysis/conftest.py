"""Shared by the tests of the analysis: a small directory of code, written from a mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write files and return the directory that they are in."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "project"
        for path, text in files.items():
            place = root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(dedent(text), encoding="utf-8")
        return root

    return write
