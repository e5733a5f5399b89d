"""Records which file's code calls which other file's, in a program that is being traced.

Python imports a module of this name when it starts. ``tracing.py`` puts this folder first on
PYTHONPATH and says in the environment what to watch and where to write. The program may run under
any Python 3.9 or later, so nothing of orchestrator is imported here; and pathlib is not, because
a program that is watched should start as it always does.
"""
# ruff: noqa: PTH100, PTH118, PTH120, PTH123

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType

OUT = "ORCHESTRATOR_TRACE_OUT"
ROOT = "ORCHESTRATOR_TRACE_ROOT"

_counts: dict[tuple[str, str], int] = {}


def _recorder(root: str) -> Callable[[FrameType, str, object], None]:
    """Return a profile function that counts calls between files below `root`."""
    known: dict[CodeType, str] = {}
    top = os.path.join(os.path.realpath(root), "")

    def path_of(code: CodeType) -> str:
        path = known.get(code)
        if path is None:
            real = os.path.realpath(code.co_filename)
            inside = real.startswith(top) and not code.co_filename.startswith("<")
            path = real[len(top) :].replace(os.sep, "/") if inside else ""
            known[code] = path
        return path

    def record(frame: FrameType, event: str, argument: object) -> None:
        if event != "call" or frame.f_back is None:
            return
        code = frame.f_code
        callee = path_of(code)
        if callee and code.co_name != "<module>":
            caller = path_of(frame.f_back.f_code)
            if caller and caller != callee:
                _counts[caller, callee] = _counts.get((caller, callee), 0) + 1

    return record


def _write(folder: str) -> None:
    sys.setprofile(None)
    place = os.path.join(folder, f"{os.getpid()}.json")
    with open(place, "w", encoding="utf-8") as file:
        json.dump([[one, other, count] for (one, other), count in _counts.items()], file)


def _start() -> None:
    root, out = os.environ.get(ROOT), os.environ.get(OUT)
    if not root or not out:
        return
    atexit.register(_write, out)
    record = _recorder(root)
    threading.setprofile(record)
    sys.setprofile(record)


def _hand_on() -> None:
    """Import the ``sitecustomize`` that this one hides, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    mine = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        if mine is not None:
            sys.modules["sitecustomize"] = mine


if __name__ == "sitecustomize":
    _hand_on()
    _start()
