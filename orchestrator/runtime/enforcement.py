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
        name: short and stable, for programs.
        against: what they are kept from.
        by: what keeps them from it, "" if nothing does.
        gap: what they can do all the same, to follow "commands can"; "" if nothing.
    """

    name: str
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
        seccomp: whether a filter can refuse sockets of the network where there are no namespaces.
    """

    landlock: int = 0
    namespaces: bool = False
    why_not: str = ""
    network: bool = False
    seccomp: bool = False

    def guards(self) -> tuple[Guard, ...]:
        """Return what commands are kept from here, by what, and how far."""
        return (*self._files(), *self._others(), *self._amounts())

    def notices(self) -> tuple[str, ...]:
        """Return what whoever starts a run must know about its commands; none: all is enforced."""
        gaps = [guard.gap for guard in self.guards() if guard.gap]
        if not gaps:
            return ()
        have = f"Landlock version {self.landlock}" if self.landlock else "no Landlock"
        have += ", and namespaces" if self.namespaces else f", and no namespaces ({self.why_not})"
        return (
            f"Commands that agents run are not confined in every way here: they can "
            f"{'; '.join(gaps)}. The system offers {have}. "
            "If you do not trust what the agents may write, run in a virtual machine.",
        )

    def _files(self) -> Iterator[Guard]:
        both, change = self._walls, ""
        if not self.namespaces and self.landlock < _TRUNCATE_SINCE:
            change = "empty any file that you may change" if both else "change your files"
        yield Guard("write", "changing files outside the private copy", both, change)
        yield self._guard(
            "attributes",
            "changing mode, owner or times of files outside",
            _OWN * self.namespaces,
            "change the mode, owner and times of your files",
        )
        yield self._guard(
            "read", "reading the home directory, the run, other copies", both, "read your files"
        )

    def _others(self) -> Iterator[Guard]:
        scoped = self.landlock >= _SCOPES_SINCE
        alone = _OWN * self.namespaces
        yield self._guard(
            "spy",
            "reading memory or environment of other processes",
            self._walls or "fewer capabilities" * (os.geteuid() == 0),
            "read the memory and the environment of your processes, this one with its API key too",
        )
        yield self._guard(
            "signal",
            "signalling other processes",
            alone or _LANDLOCK * scoped,
            "end your processes",
        )
        yield self._network()
        yield self._sockets()

    def _sockets(self) -> Guard:
        name, against = "sockets", "talking to sockets of other programs"
        if not self.namespaces:
            return Guard(name, against, "", "connect to sockets of your other programs")
        # Sockets without a file belong to the network, which is not the command's own then.
        if self.network and self.landlock < _SCOPES_SINCE:
            gap = "connect to abstract sockets of your other programs"
            return Guard(name, against, _OWN, gap)
        return Guard(name, against, f"{_OWN} and {_LANDLOCK}" if self.network else _OWN)

    def _amounts(self) -> Iterator[Guard]:
        watched = _LAUNCHER * (sys.platform == "linux")
        alone = f"{_OWN} and {_LAUNCHER}" if self.namespaces else watched
        yield self._guard(
            "daemons",
            "leaving processes behind",
            alone,
            "leave processes behind that changed their session",
        )
        endless = "start processes without end"
        yield self._guard("processes", "starting processes without end", alone, endless)
        yield self._guard("disk", "filling the disk", watched, "fill the disk with many files")
        yield Guard("memory", "memory, size of one file, open files", "limits of the system")
        yield Guard("time", "running or printing without end", "the run")

    def _network(self) -> Guard:
        if self.network:
            return Guard("network", "using the network (this run allows it)", "")
        if self.namespaces:
            return Guard("network", "using the network", "namespaces: a loopback of its own")
        if self.seccomp:
            return Guard("network", "using the network", "seccomp: no sockets of the network")
        if self.landlock >= _TCP_SINCE:
            gap = "send by UDP, and by TCP that opens fast (MSG_FASTOPEN) or has several paths"
            return Guard("network", "using the network", "Landlock: TCP", gap)
        return Guard("network", "using the network", "", "use the network")

    @property
    def _walls(self) -> str:
        return " and ".join([_OWN] * self.namespaces + [_LANDLOCK] * bool(self.landlock))

    @staticmethod
    def _guard(name: str, against: str, by: str, gap: str) -> Guard:
        return Guard(name, against, by, "" if by else gap)


@cache
def probe() -> Enforcement:
    """Return what this machine can enforce, by starting the launcher as for a command."""
    if sys.platform != "linux":
        return Enforcement(why_not="this is not Linux")
    from orchestrator.runtime.landlock import version
    from orchestrator.runtime.seccomp import available

    best = Enforcement(version(), namespaces=True, seccomp=available())
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        whole = _try(best, folder)
        if whole.exit_code == 0:
            return best
        best = replace(best, namespaces=False, why_not=whole.failed)
        for less in (best, replace(best, seccomp=False), replace(best, landlock=0)):
            if _try(less, folder).exit_code == 0:
                return less
        return replace(best, landlock=0, seccomp=False)


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
            seccomp=enforcement.seccomp and not enforcement.namespaces,
        ),
        {},
    )
    with launched, launched.process as process:
        process.communicate()
        return launched.report()
