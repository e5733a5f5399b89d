"""What commands may reach, and how they are started so that they reach no more.

A command may change its private copy and its temporary directory. It may read those, what is
installed on the machine, and the environments that the copy links. Everything is granted by name;
of a home directory, only the tools are that the environment names. How it is enforced is in
`launcher`, how far on this machine in `enforcement`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import PlanError, Problem, UsageError
from orchestrator.runtime.enforcement import SYSTEM, Enforcement, probe
from orchestrator.runtime.launching import Launched, Request
from orchestrator.runtime.processes import CommandLimits

_SHARED = "/dev/shm"  # locks between processes need it; namespaces give a private one
_NAMES = "/etc/resolv.conf"  # often a link to a place that is not granted otherwise
_OWN = tuple(Path(name) for name in ("/tmp", "/dev/shm", "/proc"))  # what namespaces replace

_TOOL_FOLDERS = (
    "CONDA_PREFIX", "GOMODCACHE", "GOPATH", "GOROOT", "JAVA_HOME", "NVM_DIR", "PYENV_ROOT",
    "RUSTUP_HOME", "SSL_CERT_DIR", "SSL_CERT_FILE",
)  # fmt: skip
_TOOL_PATHS = ("PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH")
_BINARIES = frozenset({"bin", "sbin", "shims", "condabin"})
# Folders that hold tools and other things too, and what of them commands may read.
_MIXED = {".local": ("bin", "lib"), ".cargo": ("bin", "registry", "git")}
_MOST_LINKS = 40  # in one path, as for the kernel


@dataclass(frozen=True, slots=True)
class SandboxPolicy:
    """What commands may do, beyond working in their private copy.

    Attributes:
        network: use the network; otherwise only a loopback of their own, or not even that.
        read: read these too: what the copies link, data sets.
        landlock: use Landlock where the kernel has it.
        namespaces: use namespaces where the system allows it.
        seccomp: where there are no namespaces, refuse sockets of the network by a filter.

    Raises:
        UsageError: `read` names a folder that is too much to grant.
    """

    network: bool = False
    read: tuple[Path, ...] = ()
    landlock: bool = True
    namespaces: bool = True
    seccomp: bool = True

    def __post_init__(self) -> None:
        for path in self.read:
            if _holds(path.resolve(), _OWN):
                raise UsageError(
                    f"commands cannot be allowed to read all of {path}",
                    why="it holds what is kept apart for each command",
                    fix="name the folders in it that they need",
                )

    @classmethod
    def for_links(cls, links: Mapping[str, str]) -> SandboxPolicy:
        """Return the policy for commands in copies with these symbolic links: path to text.

        Links that lead to everything, or to a home directory, are not granted.
        """
        targets = [Path(text) for text in links.values() if text.startswith("/")]
        private = (*_OWN, _home())
        return cls(read=tuple(path for path in targets if not _holds(path.resolve(), private)))

    @classmethod
    def asked(
        cls,
        network: bool = False,
        read: Iterable[str] = (),
        *,
        links: Mapping[str, str] | None = None,
        apart: Iterable[Path] = (),
    ) -> SandboxPolicy:
        """Return the policy that a plan asks for.

        Args:
            network: commands may use the network.
            read: files and folders that they may read besides, never change: absolute, or from
                the home directory (``~/data``).
            links: symbolic links in the copies: path to text; see `for_links`.
            apart: folders that must stay out of reach: the workspace, the run's.

        Raises:
            PlanError: some of `read` cannot be granted; every one is in `problems`.
        """
        private = [Path(os.path.realpath(folder)) for folder in apart]
        problems = [found for text in read if (found := _mistake(text, private))]
        if problems:
            raise PlanError("commands cannot be given all that they are to read", problems=problems)
        linked = cls.for_links(links or {})
        return cls(network, (*linked.read, *(Path(text).expanduser() for text in read)))

    def enforced(self) -> Enforcement:
        """Return what of the sandbox holds on this machine under this policy."""
        best = probe()
        return replace(
            best,
            landlock=best.landlock if self.landlock else 0,
            namespaces=best.namespaces and self.namespaces,
            why_not=best.why_not if self.namespaces else "they are switched off",
            network=self.network,
            seccomp=best.seccomp and self.seccomp,
        )


class Sandbox:
    """Starts commands within what a policy allows. Used by several threads at once.

    Args:
        policy: what is allowed.
        limits: what a command may use.
        environment: variables that name installed tools.

    Attributes:
        enforced: what of it holds on this machine.
    """

    def __init__(
        self, policy: SandboxPolicy, limits: CommandLimits, environment: Mapping[str, str]
    ) -> None:
        self.policy, self.limits = policy, limits
        self.enforced = policy.enforced()
        self._environment = environment
        self._readable: dict[Path, tuple[list[str], dict[str, str]]] = {}

    def start(
        self, argv: Sequence[str], cwd: Path, scratch: Path, environment: Mapping[str, str]
    ) -> Launched:
        """Start a command.

        Args:
            argv: its words.
            cwd: where it runs; it may change everything beneath.
            scratch: its temporary directory.
            environment: its variables.

        Raises:
            OSError: the launcher cannot be started.
        """
        readable = self._readable.get(cwd)
        if readable is None:
            readable = self._readable[cwd] = self._find_readable(cwd)
        read, links = readable
        alone = self.enforced.namespaces
        request = Request(
            argv=list(argv),
            cwd=os.path.realpath(cwd),
            read=read,
            write=(os.path.realpath(cwd), os.path.realpath(scratch)),
            links=links | dict(_links([cwd, scratch])),
            shared=[] if alone else [_SHARED],
            limits=self.limits.by_kind(),
            processes=self.limits.processes,
            disk=self.limits.disk,
            network=self.policy.network,
            namespaces=alone,
            landlock=self.enforced.landlock,
            seccomp=self.enforced.seccomp and not alone and not self.policy.network,
        )
        return Launched(request, environment)

    def _find_readable(self, cwd: Path) -> tuple[list[str], dict[str, str]]:
        """Return the real paths of what may be read, and the symbolic links on the way there."""
        # Granting a folder grants all beneath it: none may lie above these.
        private = (*_OWN, Path(os.path.expanduser("~")), _home(), cwd, cwd.resolve())  # noqa: PTH111
        places = [Path(name) for name in (*SYSTEM, sys.prefix, sys.base_prefix, sys.executable)]
        places += [Path(_NAMES)] if self.policy.network else []
        places += _tools(self._environment, private)
        for given in self.policy.read:
            places += [given.absolute(), *_interpreter(given, private)]
        return _outermost(os.path.realpath(path) for path in places), dict(_links(places))


def _mistake(text: str, apart: Sequence[Path]) -> Problem | None:
    """Return what is wrong with a path that commands are to read, if something is."""
    where = f"sandbox.read: {text}"
    path = Path(os.path.expanduser(text))  # noqa: PTH111 - an unknown user's stays as it is
    if not path.is_absolute():
        why = "commands run in private copies, so it is not said from where to look"
        fix = "give it from / or from ~; what lies in the workspace can be read already"
        return Problem("the path is not absolute", where, why, fix)
    real = Path(os.path.realpath(path))
    if not real.exists():
        return Problem("there is no such file or folder", where, fix="make it, or leave it out")
    if _holds(real, (*_OWN, _home())):
        why = "it holds what is private, or kept apart for each command"
        return Problem("it is too much to grant", where, why, "name the folders in it that count")
    if any(real.is_relative_to(one) or one.is_relative_to(real) for one in apart):
        why = "commands must not see the shared tree, the log or other copies: only their own cut"
        fix = "leave it out (their copy has the workspace's files), or move it elsewhere"
        return Problem("it overlaps the workspace or the run's directory", where, why, fix)
    return None


def _home() -> Path:
    return Path(os.path.realpath(os.path.expanduser("~")))  # noqa: PTH111 - there may be none


def _tools(environment: Mapping[str, str], private: Sequence[Path]) -> Iterator[Path]:
    """Yield the folders of the tools that variables name."""
    named = [environment[name] for name in _TOOL_FOLDERS if name in environment]
    for name in _TOOL_PATHS:
        named += environment.get(name, "").split(os.pathsep)
    for text in dict.fromkeys(named):
        if text.startswith("/"):
            yield from _installation(Path(text), private)


def _installation(folder: Path, private: Sequence[Path], *, follow: bool = True) -> Iterator[Path]:
    """Yield a folder of tools, and around it and behind its links what they consist of."""
    if _is_system(folder) or _holds(folder, private):
        return
    yield folder
    around = folder.parent
    if around.name in _MIXED:
        yield from (around / name for name in _MIXED[around.name])
    elif folder.name in _BINARIES and not _holds(around, private):
        yield around
    if follow and folder.is_dir():
        links = [path for path in folder.iterdir() if path.is_symlink()]
        for target in sorted({path.resolve().parent for path in links}):
            if target.name in _BINARIES:
                yield from _installation(target, private, follow=False)


def _interpreter(environment: Path, private: Sequence[Path]) -> Iterator[Path]:
    """Yield the installation behind a virtual environment, if it is one."""
    if (environment / "pyvenv.cfg").is_file():
        python = environment / "bin" / "python"
        yield python
        yield from _installation(Path(os.path.realpath(python)).parent, private)


def _holds(folder: Path, private: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for path in private)


def _is_system(folder: Path) -> bool:
    return any(folder.is_relative_to(name) for name in SYSTEM)


def _outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths that exist and do not lie in another of them, sorted."""
    found: list[str] = []
    for path in sorted(set(paths)):
        inside = bool(found) and Path(path).is_relative_to(found[-1])
        if not inside and Path(path).exists():
            found.append(path)
    return found


def _links(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Yield every symbolic link that is passed on the way to paths, with its text."""
    for path in paths:
        left, here, passed = list(path.parts[:0:-1]), "/", 0
        while left and passed < _MOST_LINKS:
            name = left.pop()
            place = os.path.normpath(f"{here}/{name}")
            try:
                text = os.readlink(place)  # noqa: PTH115
            except OSError:
                here = place
                continue
            yield place, text
            passed += 1
            here = "/" if text.startswith("/") else here
            left += [part for part in reversed(text.split("/")) if part not in ("", ".")]
