"""The commands of a run: processes of this machine, in the sandbox that its plan asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import SubprocessCommands
from orchestrator.runtime.header import Header
from orchestrator.runtime.sandbox import SandboxPolicy
from orchestrator.runtime.workspace import SharedTree


def sandboxed_commands(
    header: Header, tree: SharedTree, blobs: BlobStore, place: Path, apart: Iterable[Path]
) -> SubprocessCommands:
    """Return what runs the commands of a run.

    Args:
        header: says what the sandbox is to leave open.
        tree: its linked environments can be read.
        blobs: where output is kept.
        place: the directory that the private copies are made in.
        apart: directories that no command may reach, whatever the plan asks for.

    Raises:
        PlanError: what the plan wants to be read cannot be.
    """
    # pytest looks for its settings in every folder above, and those of the user's cannot be
    # read from inside: here the search ends.
    end = place / "pytest.ini"
    end.write_text("[pytest]\n", encoding="utf-8")
    policy = SandboxPolicy.asked(
        header.network, header.read, links=tree.links(), apart=tuple(apart)
    )
    return SubprocessCommands(blobs, policy=replace(policy, read=(*policy.read, end)))
