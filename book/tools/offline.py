"""Pack all that a teacher hands out into one zip: dist/layer-by-layer.zip.

Usage: python book/tools/offline.py [--wheels]

The built book, which opens from a disk with every figure alive; the notebooks; the digits; the
wheel of the package with its records; and a page that says what is what. ``--wheels`` adds the
wheels of everything that the notebooks need on machines like this one, in the versions of the lock,
so that a class without a network can run them. Run after build.py.
"""

from __future__ import annotations

import gzip
import platform
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

import nbformat
from klass import linked

from build import HTML, ROOT
from release import wheel

TOP = "layer-by-layer"
#: What a class needs beside the course's own package.
NEEDED = ("jupyterlab", "ipywidgets", "anywidget")
FIRST = """Layer by Layer, an interactive course on training binary neural networks.

READ        open book/index.html in a browser. Nothing is loaded from a network.
RUN         in this folder:

{run}
DATA        data/digits.csv.gz: 1,797 images of 8 x 8 pixels, values 0 to 16, and the digit in the
            last column. The notebooks read the same images from scikit-learn. They are the test
            set of E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
            Learning Repository, 1998, CC BY 4.0, doi.org/10.24432/C50P49.
CITE        CITATION.cff has the entries, of the course and of the two papers it teaches.

Code: MIT. Text and figures: CC BY 4.0. See LICENSE.
"""
ONLINE = """                pip install ./{wheel} {needed}
                jupyter lab notebooks

            with Python 3.11 or newer. PyTorch and the other packages that it needs come from your
            package index. (make offline WHEELS=1 packs them, too.)
"""
OFFLINE = """                python -m venv env
                env/bin/python -m pip install --no-index --find-links wheels stompp-lite {needed}
                env/bin/jupyter lab notebooks

            No network is needed. The wheels are for Python {python} on {system}; on Windows
            write env\\Scripts\\ in place of env/bin/.
"""


def wheelhouse(folder: Path, built: Path, needed: tuple[str, ...] = NEEDED) -> list[Path]:
    """Fill a folder with the wheels of our package and of all that it and a class need.

    They come from the index that pip is set to, in the versions of the lock; what is not there as
    a wheel is built. They fit this Python on this kind of system.

    Args:
        folder: where they go. built: the wheel of our package. needed: names of packages.
    """
    command = [
        sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
        "--constraint", str(ROOT / "requirements.lock"), "--wheel-dir", str(folder),
        str(built), *needed,
    ]  # fmt: skip
    if subprocess.run(command).returncode:
        sys.exit("The wheels could not be had: see above. Without WHEELS=1 the zip needs none.")
    return sorted(folder.glob("*.whl"))


def readme(built: Path, wheels: bool, needed: tuple[str, ...] = NEEDED) -> str:
    """The page that says what is what.

    Args:
        built: the wheel of our package. wheels: whether the others are there, too.
    """
    run = (OFFLINE if wheels else ONLINE).format(
        wheel=built.name, needed=" ".join(needed), system=sysconfig.get_platform(),
        python=".".join(platform.python_version_tuple()[:2]),
    )  # fmt: skip
    return FIRST.format(run=run)


def digits() -> bytes:
    """The images as a compressed table, 64 pixels and the digit in each row."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    rows = (
        ",".join(str(int(v)) for v in (*image, label))
        for image, label in zip(pixels, labels, strict=True)
    )
    return gzip.compress("\n".join([*rows, ""]).encode(), mtime=0)


def _write(out: zipfile.ZipFile, name: str, content: str | bytes) -> None:
    """Add a file that everybody may read."""
    entry = zipfile.ZipInfo(f"{TOP}/{name}", (2026, 1, 1, 0, 0, 0))
    entry.external_attr, entry.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
    out.writestr(entry, content)


def _chapter(path: Path) -> str:
    """A notebook whose links to pages of the book lead to the built ones."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source)
    return str(nbformat.writes(notebook))


def pack(
    target: Path, built: Path | None = None, wheels: bool = False, needed: tuple[str, ...] = NEEDED
) -> Path:
    """Write the zip and return its path.

    Args:
        target: of the zip. built: the wheel of our package; without one, it is made.
        wheels: whether to add a wheelhouse. needed: the packages in it, beside ours.
    """
    if not (HTML / "index.html").is_file():
        sys.exit(f"There is no built book at {HTML}; run `make book SERVE=0` first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out,
    ):
        built = built or wheel(Path(folder))
        _write(out, "README.txt", readme(built, wheels, needed))
        for name in ("LICENSE", "CITATION.cff"):
            out.write(ROOT / name, f"{TOP}/{name}")
        if wheels:
            for path in wheelhouse(Path(folder) / "wheels", built, needed):
                out.write(path, f"{TOP}/wheels/{path.name}", zipfile.ZIP_STORED)
        else:
            out.write(built, f"{TOP}/{built.name}")
        _write(out, "data/digits.csv.gz", digits())
        for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
            _write(out, f"notebooks/{path.name}", _chapter(path))
        for path in sorted(p for p in HTML.rglob("*") if p.is_file()):
            out.write(path, f"{TOP}/book/{path.relative_to(HTML).as_posix()}")
    return target


if __name__ == "__main__":
    made = pack(ROOT / "dist" / "layer-by-layer.zip", wheels="--wheels" in sys.argv[1:])
    print(f"{made}: {made.stat().st_size / 1e6:.1f} MB")
