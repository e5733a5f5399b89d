"""Makes the helpers beside the tests importable as `docblocks`, and lends them their tools."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

if "docblocks" not in sys.modules:
    package = ModuleType("docblocks", __doc__)
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules["docblocks"] = package

collect_ignore = ["projects"]
"""Projects that the documents work on; their tests are for agents, not for us."""
