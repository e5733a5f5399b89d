"""Makes the helpers beside the tests importable as `docblocks`, and lends them their tools."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

if "docblocks" not in sys.modules:
    package = ModuleType("docblocks", __doc__)
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules["docblocks"] = package


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print how many blocks of each kind there are."""
    from docblocks.blocks import COUNTS

    if COUNTS in config.stash:
        terminalreporter.write_line(config.stash[COUNTS])


collect_ignore = ["projects"]
"""Projects that the documents work on; their tests are for agents, not for us."""
