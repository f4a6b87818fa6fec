"""Build the wheel, with its bundle of records, into dist/. Refuses a placeholder address."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def address() -> str:
    """The repository's address, from the one place that knows it."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return str(config["repository"]["url"])


def wheel(folder: Path) -> Path:
    """Build the wheel into ``folder``."""
    command = [
        sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    (built,) = folder.glob("stompp_lite-*.whl")
    return built


if __name__ == "__main__":
    if "OWNER" in address():
        sys.exit(
            f"_config.yml still has the placeholder address {address()}. Set repository.url, run "
            "`make address` to write it into the notebooks, and commit, before a release."
        )
    print(wheel(ROOT / "dist"))
