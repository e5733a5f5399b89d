"""Makes the simulator importable as `simulation` for the tests beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

if "simulation" not in sys.modules:
    package = ModuleType("simulation", __doc__)
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules["simulation"] = package
