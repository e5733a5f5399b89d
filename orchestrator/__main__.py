"""``python -m orchestrator``: the command line."""

from __future__ import annotations

from orchestrator.ui.cli import main

if __name__ == "__main__":
    main()
