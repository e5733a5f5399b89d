"""Runs several coding agents on one codebase at the same time without collisions.

The public names are loaded when they are first used, so that ``import orchestrator`` and
``--help`` stay fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.core.limits import Limits
    from orchestrator.core.task import Task
    from orchestrator.errors import OrchestratorError
    from orchestrator.lab.metrics import Metrics, measure
    from orchestrator.runtime.context import Context
    from orchestrator.runtime.coordinator import Coordinator
    from orchestrator.runtime.results import RunResult
    from orchestrator.runtime.run import resume, run
    from orchestrator.spec.plan import Plan, load_plan

__version__ = "0.1.0"

_HOMES = {
    "Context": "orchestrator.runtime.context",
    "Coordinator": "orchestrator.runtime.coordinator",
    "Limits": "orchestrator.core.limits",
    "Metrics": "orchestrator.lab.metrics",
    "OrchestratorError": "orchestrator.errors",
    "Plan": "orchestrator.spec.plan",
    "RunResult": "orchestrator.runtime.results",
    "Task": "orchestrator.core.task",
    "load_plan": "orchestrator.spec.plan",
    "measure": "orchestrator.lab.metrics",
    "resume": "orchestrator.runtime.run",
    "run": "orchestrator.runtime.run",
}

__all__ = [
    "Context",
    "Coordinator",
    "Limits",
    "Metrics",
    "OrchestratorError",
    "Plan",
    "RunResult",
    "Task",
    "__version__",
    "load_plan",
    "measure",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
