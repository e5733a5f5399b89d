"""What must be as it was when a run began, so that it can go on."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.errors import Problem, RoleError
from orchestrator.runtime.header import Header
from orchestrator.spec.roles import Role


def check_roles(header: Header, roles: Mapping[str, Role]) -> None:
    """Check that the documents of roles are those that the run was started with.

    What was decided so far was decided under their bounds, and half a run under other bounds is
    neither of the two experiments.

    Args:
        header: what the run was started with.
        roles: the roles as they are now, by name.

    Raises:
        RoleError: some have changed; each is named in `problems`.
    """
    program = header.packages.get("orchestrator", "")
    kept = "put the document back as it was (git knows it, if it was committed)"
    if program:
        kept += f"; a built-in one comes with orchestrator {program}"
    problems = [
        Problem(
            f"role {name} has changed since the run began",
            str(role.path),
            f"its document had the digest {header.role_digests[name][:12]}, now it has "
            f"{role.digest[:12]}",
            f"{kept}; or start a new run",
        )
        for name, role in sorted(roles.items())
        if header.role_digests.get(name, role.digest) != role.digest
    ]
    if problems:
        raise RoleError(
            "the run cannot go on with other roles",
            f"run {header.run}",
            "its tasks so far had other bounds or tools",
            problems=problems,
        )
