from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.runtime.environment import command_environment, is_secret


@pytest.mark.parametrize(
    "name",
    [
        "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN", "GH_PAT", "HF_HOME", "DB_PASSWORD", "PGPASSWORD", "MYSQL_PWD", "my_secret",
        "SSH_AUTH_SOCK", "GOOGLE_APPLICATION_CREDENTIALS", "SENTRY_DSN", "DATABASE_URL",
        "SESSION_COOKIE", "BASIC_PASS", "PRIVATE_DATA", "Api_Key",
    ],
)  # fmt: skip
def test_a_name_gives_a_secret_away(name: str) -> None:
    assert is_secret(name, "x")


@pytest.mark.parametrize(
    "value",
    [
        "sk-ant-" + "api03-" + "a1" * 20,
        "ghp_" + "a1" * 18,
        "AKIA" + "A1" * 8,
        "postgres://user:" + "hunter2@host/db",
        "https://:" + "x@host",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "xoxb-" + "123456789012",
        "hf_" + "a1" * 12,
    ],
)
def test_a_value_gives_a_secret_away(value: str) -> None:
    assert is_secret("HARMLESS", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LANG", "C.UTF-8"),
        ("TZ", "Europe/Vienna"),
        ("HOME", "/home/ask-me-anything"),
        ("JAVA_HOME", "/usr/lib/jvm/java-21-openjdk-amd64"),
        ("LD_LIBRARY_PATH", "/opt/task-1234567890abcdefghij/lib"),
        ("SITE", "https://example.org:8080/a@b"),
    ],
)
def test_ordinary_variables_are_no_secrets(name: str, value: str) -> None:
    assert not is_secret(name, value)


def test_only_allowed_variables_are_inherited(tmp_path: Path) -> None:
    inherited = {
        "PATH": "/usr/bin:/bin",
        "TZ": "UTC",
        "CUDA_VISIBLE_DEVICES": "0",
        "PYTHONPATH": "/somewhere",
        "GIT_DIR": "/somewhere/.git",
        "WHATEVER": "x",
        "ANTHROPIC_API_KEY": "x",
        "CFLAGS": "-Dtoken=ghp_" + "a1" * 18,
    }
    chosen = command_environment(tmp_path, tmp_path / "scratch", inherited)
    assert chosen["TZ"] == "UTC"
    assert chosen["CUDA_VISIBLE_DEVICES"] == "0"
    assert not {"PYTHONPATH", "GIT_DIR", "WHATEVER", "ANTHROPIC_API_KEY", "CFLAGS"} & set(chosen)


def test_no_value_of_this_process_with_a_secret_name_gets_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-for-tests")
    monkeypatch.setenv("MY_PASSWORD", "not-for-tests")
    chosen = command_environment(tmp_path, tmp_path / "scratch")
    assert "not-for-tests" not in chosen.values()


def test_commands_get_a_home_of_their_own_and_leave_no_caches(tmp_path: Path) -> None:
    chosen = command_environment(tmp_path / "cwd", tmp_path / "scratch", {"HOME": "/root"})
    assert chosen["HOME"] == str(tmp_path / "scratch" / "home")
    assert (tmp_path / "scratch" / "home").is_dir()
    assert chosen["TMPDIR"] == str(tmp_path / "scratch")
    assert chosen["PYTHONDONTWRITEBYTECODE"] == "1"
    assert chosen["PYTEST_ADDOPTS"].startswith("-p no:cacheprovider --rootdir=")
    assert chosen["NO_COLOR"] == "1"
    assert chosen["LC_ALL"] == "C.UTF-8"
    assert chosen["GIT_CEILING_DIRECTORIES"] == str(tmp_path)


def test_this_interpreter_comes_first(tmp_path: Path) -> None:
    chosen = command_environment(tmp_path, tmp_path / "scratch", {"PATH": "/usr/bin"})
    assert chosen["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin"]


@pytest.mark.parametrize("name", [".venv", "venv"])
def test_the_workspaces_own_environment_comes_before_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "original" / "bin").mkdir(parents=True)
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd" / name).symlink_to(tmp_path / "original")
    chosen = command_environment(tmp_path / "cwd", tmp_path / "scratch", {})
    assert chosen["PATH"].split(os.pathsep)[0] == str(tmp_path / "cwd" / name / "bin")
    assert chosen["VIRTUAL_ENV"] == str(tmp_path / "cwd" / name)


def test_python_is_found_where_there_is_only_python3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = tmp_path / "machine"
    machine.mkdir()
    (machine / "python3").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(machine / "python3"))
    for _ in range(2):
        chosen = command_environment(tmp_path, tmp_path / "scratch", {"PATH": str(machine)})
    python = shutil.which("python", path=chosen["PATH"])
    assert python is not None
    done = subprocess.run([python, "-S", "-c", "print(6 * 7)"], capture_output=True, check=True)
    assert done.stdout == b"42\n"
