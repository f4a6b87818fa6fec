"""Build the wheel, with its bundle of records, into dist/. Refuses a placeholder address."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def address() -> str:
    """The repository's address, from the one place that knows it."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return str(config["repository"]["url"])


#: All that the wheel is made of.
SOURCES = (
    "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "stompp_lite",
    "data/runs", "data/claims.yaml",
)  # fmt: skip


def wheel(folder: Path) -> Path:
    """Build the wheel into ``folder``, from a copy: what an older build left goes into no wheel."""
    with tempfile.TemporaryDirectory() as name:
        for source in SOURCES:
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            (Path(name) / source).parent.mkdir(exist_ok=True)
            copy(ROOT / source, Path(name) / source)
        command = [
            sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), name,
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
