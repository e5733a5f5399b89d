"""What of the sandbox holds on this machine: tried, not guessed, and said in sentences."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from orchestrator.runtime.launching import Launched, Report, Request

SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/sys",
    "/nix/store", "/gnu/store", "/run/current-system", "/var/lib/ca-certificates",
)  # fmt: skip
"""Where machines keep what is installed; every command may read it."""

_TRUNCATE_SINCE, _TCP_SINCE, _SCOPES_SINCE = 3, 4, 6  # versions of Landlock
_OWN, _LANDLOCK, _LAUNCHER = "namespaces", "Landlock", "the launcher"


@dataclass(frozen=True, slots=True)
class Guard:
    """One thing that commands are kept from.

    Attributes:
        against: what they are kept from.
        by: what keeps them from it, "" if nothing does.
        gap: what they can do all the same, to follow "commands can"; "" if nothing.
    """

    against: str
    by: str
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What can be enforced on commands here.

    Attributes:
        landlock: version of Landlock; 0: none.
        namespaces: whether commands get namespaces of their own.
        why_not: why they get none, in the words of the system.
        network: whether commands may use the network, so that nothing need keep them from it.
    """

    landlock: int = 0
    namespaces: bool = False
    why_not: str = ""
    network: bool = False

    def guards(self) -> tuple[Guard, ...]:
        """Return what commands are kept from here, by what, and how far."""
        return (*self._files(), *self._others(), *self._amounts())

    def notices(self) -> tuple[str, ...]:
        """Return what whoever starts a run must know about its commands; none: all is enforced."""
        gaps = [guard.gap for guard in self.guards() if guard.gap]
        if not gaps:
            return ()
        have = f"Landlock version {self.landlock}" if self.landlock else "no Landlock"
        return (
            f"Commands that agents run are not confined in every way here: they can "
            f"{'; '.join(gaps)}. The system offers {have}, and no namespaces ({self.why_not}). "
            "If you do not trust what the agents may write, run in a virtual machine.",
        )

    def _files(self) -> Iterator[Guard]:
        both, change = self._walls, ""
        if not self.namespaces and self.landlock < _TRUNCATE_SINCE:
            change = "empty any file that you may change" if both else "change your files"
        yield Guard("changing files outside the private copy", both, change)
        yield self._guard(
            "changing mode, owner or times of files outside",
            _OWN * self.namespaces,
            "change the mode, owner and times of your files",
        )
        yield self._guard(
            "reading the home directory, the run, other copies", both, "read your files"
        )

    def _others(self) -> Iterator[Guard]:
        scoped = self.landlock >= _SCOPES_SINCE
        alone = _OWN * self.namespaces
        yield self._guard(
            "reading memory or environment of other processes",
            self._walls or "fewer capabilities" * (os.geteuid() == 0),
            "read the memory and the environment of your processes, this one with its API key too",
        )
        yield self._guard(
            "signalling other processes", alone or _LANDLOCK * scoped, "end your processes"
        )
        yield self._network()
        sockets = "connect to sockets of your other programs"
        yield self._guard("talking to sockets of other programs", alone, sockets)

    def _amounts(self) -> Iterator[Guard]:
        watched = _LAUNCHER * (sys.platform == "linux")
        alone = f"{_OWN} and {_LAUNCHER}" if self.namespaces else watched
        yield self._guard(
            "leaving processes behind", alone, "leave processes behind that changed their session"
        )
        yield self._guard("starting processes without end", alone, "start processes without end")
        yield self._guard("filling the disk", watched, "fill the disk with many files")
        yield Guard("memory, size of one file, open files", "limits of the system")
        yield Guard("running or printing without end", "the run")

    def _network(self) -> Guard:
        if self.network:
            return Guard("using the network (this run allows it)", "")
        if self.namespaces:
            return Guard("using the network", "namespaces: a loopback of its own")
        if self.landlock >= _TCP_SINCE:
            return Guard("using the network", "Landlock: no TCP", "send by UDP")
        return Guard("using the network", "", "use the network")

    @property
    def _walls(self) -> str:
        return " and ".join([_OWN] * self.namespaces + [_LANDLOCK] * bool(self.landlock))

    @staticmethod
    def _guard(against: str, by: str, gap: str) -> Guard:
        return Guard(against, by, "" if by else gap)


@cache
def probe() -> Enforcement:
    """Return what this machine can enforce, by starting the launcher as for a command."""
    if sys.platform != "linux":
        return Enforcement(why_not="this is not Linux")
    from orchestrator.runtime.landlock import version

    best = Enforcement(version(), namespaces=True)
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        whole = _try(best, folder)
        if whole.exit_code == 0:
            return best
        best = replace(best, namespaces=False, why_not=whole.failed)
        return best if _try(best, folder).exit_code == 0 else replace(best, landlock=0)


def _try(enforcement: Enforcement, folder: str) -> Report:
    """Start nothing, within bounds."""
    place = os.path.realpath(folder)
    python = [os.path.realpath(name) for name in (sys.prefix, sys.base_prefix)]
    launched = Launched(
        Request(
            argv=[],
            cwd=place,
            read=[*(name for name in SYSTEM if not Path(name).is_symlink()), *python],
            write=(place, place),
            links={},
            shared=[],
            limits={},
            processes=None,
            disk=None,
            network=False,
            namespaces=enforcement.namespaces,
            landlock=enforcement.landlock,
        ),
        {},
    )
    with launched, launched.process as process:
        process.communicate()
        return launched.report()
