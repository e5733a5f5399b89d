from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.runtime.enforcement import probe
from orchestrator.runtime.landlock import version
from orchestrator.runtime.sandbox import SandboxPolicy
from orchestrator.runtime.seccomp import available
from orchestrator.runtime.trial import Tried, try_guards

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux only")


def outcome(policy: SandboxPolicy) -> dict[str, Tried]:
    return {one.guard.name: one for one in try_guards(policy)}


@pytest.mark.parametrize(
    "policy",
    [
        SandboxPolicy(),
        SandboxPolicy(namespaces=False),
        SandboxPolicy(landlock=False),
        SandboxPolicy(network=True),
    ],
    ids=["both", "landlock", "namespaces", "network"],
)
def test_no_attempt_gets_past_a_wall(policy: SandboxPolicy) -> None:
    found = outcome(policy)
    assert [name for name, one in found.items() if one.broken] == []
    for one in found.values():
        if one.through:  # what gets through is told, or allowed
            assert one.guard.gap or policy.network


def test_with_all_walls_down_the_attempts_get_through() -> None:
    found = outcome(SandboxPolicy(namespaces=False, landlock=False, seccomp=False))
    for name in ("write", "attributes", "read", "signal", "sockets"):
        assert found[name].through == (name,)
        assert not found[name].broken  # nothing claims to stop them
    assert found["network"].through == ("tcp", "udp")
    assert found["spy"].through == (() if os.geteuid() == 0 else ("spy",))
    assert found["memory"].through == ()


@pytest.mark.skipif(version() < 4, reason="Landlock here does not know of TCP")
def test_landlock_alone_lets_udp_through_and_says_so() -> None:
    network = outcome(SandboxPolicy(namespaces=False, seccomp=False))["network"]
    assert network.through == ("udp",)
    assert "UDP" in network.guard.gap
    assert not network.broken


@pytest.mark.skipif(not available(), reason="there are no filters of system calls here")
def test_a_filter_closes_the_network_where_there_are_no_namespaces() -> None:
    network = outcome(SandboxPolicy(namespaces=False, landlock=False))["network"]
    assert (network.through, network.guard.gap) == ((), "")


@pytest.mark.skipif(not probe().namespaces, reason="there are no namespaces here")
def test_a_network_that_a_plan_allows_is_open() -> None:
    assert outcome(SandboxPolicy(network=True))["network"].through == ("tcp", "udp")


def test_nothing_of_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try_guards()
    assert list(tmp_path.iterdir()) == []
