"""The environment that commands run in: what they need, and no secrets.

Commands run code that agents wrote. So the environment is built up from a list of names that are
allowed, not cut down from what this process has; and even an allowed variable is dropped when its
name or its value looks like a secret, or it repeats the value of one that does.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from orchestrator.secrets import Redactor, has_secret_look, is_secret_name, secret_values

ALLOWED = frozenset(
    {
        "CARGO_HOME",
        "CC",
        "CFLAGS",
        "COLUMNS",
        "CONDA_PREFIX",
        "CPATH",
        "CUDA_VISIBLE_DEVICES",
        "CXX",
        "CXXFLAGS",
        "GOCACHE",
        "GOMODCACHE",
        "GOPATH",
        "GOROOT",
        "JAVA_HOME",
        "LDFLAGS",
        "LD_LIBRARY_PATH",
        "LIBRARY_PATH",
        "LOGNAME",
        "MKL_NUM_THREADS",
        "NVM_DIR",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "PKG_CONFIG_PATH",
        "PYENV_ROOT",
        "PYTHONHASHSEED",
        "PYTHONUTF8",
        "RUSTUP_HOME",
        "SHELL",
        "SOURCE_DATE_EPOCH",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TZ",
        "USER",
    }
)
"""Variables that commands inherit. Not PYTHONPATH, which may lead back into the shared tree: see
`command_environment`."""

# Beyond what surely names a secret (`secrets.is_secret_name`): nothing of these is needed.
_PRIVATE_NAME = re.compile(
    r"KEY|TOKEN|PASS|(?:^|_)PWD$|AUTH|SESSION|PRIVATE"
    r"|^(?:ANTHROPIC|CLAUDE|OPENAI|AZURE|AWS|GOOGLE|GCP|GCLOUD|GEMINI|HF|HUGGING|GITHUB|GH|GITLAB"
    r"|BITBUCKET|NPM|TWINE|DOCKER|KUBE|VAULT|STRIPE|SLACK|SENTRY|WANDB|DATABASE_URL)(?:_|$)",
    re.IGNORECASE,
)
_FIXED = {
    "GIT_TERMINAL_PROMPT": "0",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TERM": "dumb",
}
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def is_secret(name: str, value: str) -> bool:
    """Whether a variable looks like a secret, by its name or by its value."""
    return bool(_PRIVATE_NAME.search(name) or is_secret_name(name) or has_secret_look(value))


def command_environment(
    cwd: Path, scratch: Path, inherited: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment for a command.

    Args:
        cwd: where the command will run; its virtual environment, if it has one, comes first.
        scratch: a private directory, for HOME and temporary files; it is prepared.
        inherited: the variables to choose from; by default those of this process.
    """
    given = os.environ if inherited is None else inherited
    known = Redactor(secret_values(given))
    chosen = {
        name: value
        for name, value in given.items()
        if name in ALLOWED
        and (name == "PATH" or not (is_secret(name, value) or known.holds_known(value)))
    }
    home = scratch / "home"
    home.mkdir(parents=True, exist_ok=True)
    chosen |= _FIXED
    chosen |= {"HOME": str(home), "TMPDIR": str(scratch), "PWD": str(cwd)}
    # Without a settings file of its own, a project's tests must not be taken for those of
    # whatever stands above the private copy.
    root = shlex.quote(str(cwd))
    chosen["PYTEST_ADDOPTS"] = f"-p no:cacheprovider --rootdir={root} --confcutdir={root}"
    # Commands must not reach a repository around the private copy: git stops looking here.
    chosen["GIT_CEILING_DIRECTORIES"] = str(cwd.parent)
    own = [str(Path(sys.executable).parent)]
    for name in (".venv", "venv"):
        if (cwd / name / "bin").is_dir():
            chosen["VIRTUAL_ENV"] = str(cwd / name)
            own.insert(0, str(cwd / name / "bin"))
            # A package that is installed there in editable form points into the shared tree,
            # which commands cannot read: what is to be tested stands here.
            sources = [cwd / "src", cwd] if (cwd / "src").is_dir() else [cwd]
            chosen["PYTHONPATH"] = os.pathsep.join(map(str, sources))
            break
    path = os.pathsep.join([*own, chosen.get("PATH") or _DEFAULT_PATH])
    chosen["PATH"] = path if shutil.which("python", path=path) else _with_python(scratch, path)
    return chosen


def _with_python(scratch: Path, path: str) -> str:
    """Return `path` with a directory in front where `python` is this interpreter.

    Some machines only have `python3`, but plans say `python`.
    """
    folder = scratch / "bin"
    folder.mkdir(exist_ok=True)
    link = folder / "python"
    if not link.is_symlink():
        link.symlink_to(sys.executable)
    return os.pathsep.join([str(folder), path])
