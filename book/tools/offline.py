"""Pack all that a teacher hands out into one zip: dist/layer-by-layer.zip.

The built book, which opens from a disk with every figure alive; the notebooks; the digits; the
wheel of the package with its records; and a page that says what is what. Run after build.py.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import zipfile
from pathlib import Path

from build import HTML, ROOT
from release import wheel

TOP = "layer-by-layer"
FIRST = """Layer by Layer, an interactive course on training binary neural networks.

READ        open book/index.html in a browser. Nothing is loaded from a network.
RUN         with Python 3.11 or newer:

                pip install {wheel} jupyterlab ipywidgets anywidget
                jupyter lab notebooks

            (PyTorch and the other packages that it needs come from your package index; where
            they are installed already, add --no-deps for the wheel, and no network is needed.)
DATA        data/digits.csv.gz: 1,797 images of 8 x 8 pixels, values 0 to 16, and the digit in the
            last column. The notebooks read the same images from scikit-learn.

Code: MIT. Text and figures: CC BY 4.0. See LICENSE.
"""


def digits() -> bytes:
    """The images as a compressed table, 64 pixels and the digit in each row."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    rows = (
        ",".join(str(int(v)) for v in (*image, label))
        for image, label in zip(pixels, labels, strict=True)
    )
    return gzip.compress("\n".join([*rows, ""]).encode(), mtime=0)


def pack(target: Path, built: Path | None = None) -> Path:
    """Write the zip and return its path. Without a wheel, ``built``, one is made."""
    if not (HTML / "index.html").is_file():
        sys.exit(f"There is no built book at {HTML}; run `make book SERVE=0` first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out,
    ):
        built = built or wheel(Path(folder))
        out.writestr(f"{TOP}/README.txt", FIRST.format(wheel=built.name))
        out.write(ROOT / "LICENSE", f"{TOP}/LICENSE")
        out.write(built, f"{TOP}/{built.name}")
        out.writestr(f"{TOP}/data/digits.csv.gz", digits())
        for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
            out.write(path, f"{TOP}/notebooks/{path.name}")
        for path in sorted(p for p in HTML.rglob("*") if p.is_file()):
            out.write(path, f"{TOP}/book/{path.relative_to(HTML).as_posix()}")
    return target


if __name__ == "__main__":
    made = pack(ROOT / "dist" / "layer-by-layer.zip")
    print(f"{made}: {made.stat().st_size / 1e6:.1f} MB")
