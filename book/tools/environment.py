"""Install the locked packages, and this one, into the environment whose Python runs this file.

With uv, which is several times faster than pip; with pip where uv cannot be had or fails.
Usage: .venv/bin/python book/tools/environment.py
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
PIP = (sys.executable, "-m", "pip")
#: Settings of pip: the variable in which uv reads them, and what separates several values there.
SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
    "constraint": ("UV_CONSTRAINT", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
}

#: What to do where packages cannot be had.
HELP = (
    "The messages above say why. Packages come from the index that pip is set to: is there a "
    "network? Name another index with PIP_INDEX_URL=address, or a folder that has all of them "
    "with PIP_NO_INDEX=1 PIP_FIND_LINKS=folder, and run the command again."
)


def for_uv(listed: str) -> dict[str, str]:
    """Variables that give uv the settings of pip, which it does not read itself.

    Args:
        listed: what ``pip config list`` prints. What the environment says is stronger, as in pip.
    """
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # all indexes are equal, as they are to pip
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        told = re.fullmatch(r"(?:global|install|:env:)\.([\w-]+)=(.*)", line)
        if told and told[1] in SETTINGS:
            name, between = SETTINGS[told[1]]
            found[name] = between.join(ast.literal_eval(told[2]).split())
    return found


def pins() -> dict[str, str]:
    """The lines of the lock, by the name of the package."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0]: line for line in lines if "==" in line}


def _run(*command: str | Path, env: dict[str, str] | None = None) -> bool:
    return subprocess.run(command, cwd=ROOT, env=env).returncode == 0


def _uv(*what: str | Path, python: str | Path = sys.executable) -> bool:
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True).stdout
    env = for_uv(listed) | os.environ
    uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python]
    if env.get("UV_NO_INDEX", "0").lower() not in ("0", "false", "no", "off"):
        uv.append("--no-index")  # uv reads no variable for it
    return _run(*uv, *what, env=env)


def with_uv() -> bool:
    """Install everything with uv; whether that went well."""
    # compiled now: where Python may write no bytecode, every start would compile torch again
    return (
        _run(*PIP, "install", "-q", "--no-deps", pins()["uv"])
        and _uv("--compile-bytecode", "-r", LOCK)
        and _uv("--compile-bytecode", "--no-deps", "--no-build-isolation", "-e", ".")
    )


def with_pip() -> bool:
    """Install everything with pip; whether that went well.

    The lock is complete but for what some builds of torch need, so only torch is resolved.
    """
    install, locked = (*PIP, "install", "-q"), pins()
    return (
        _run(*install, "-c", LOCK, locked["torch"], locked["torchvision"])
        and _run(*install, "--no-deps", "-r", LOCK)
        and _run(*install, "--no-deps", "--no-build-isolation", "-e", ".")
    )


def beside(python: Path, lock: Path) -> bool:
    """Install the packages of another lock into another environment; whether that went well.

    Nothing is resolved: what they need else is in requirements.lock, and the other environment
    sees this one.
    """
    pip = (*PIP, "--python", python, "install", "-q", "--no-deps", "-r", lock)
    return _uv("--no-deps", "-r", lock, python=python) or _run(*pip)


if __name__ == "__main__":
    os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    if with_uv():
        sys.exit(0)
    print("uv did not install the packages (see above). Now with pip, which takes longer.")
    sys.exit(0 if with_pip() else f"The packages of {LOCK.name} could not be installed. {HELP}")
