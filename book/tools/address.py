"""Write the repository's address from _config.yml into the setup cell of every notebook."""

from __future__ import annotations

import re

import nbformat

from release import ROOT, address

PATTERN = re.compile(r"git\+https?://[^\"']+")


def main() -> None:
    """Rewrite every notebook; where nothing differs the file stays the same."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.source = PATTERN.sub(f"git+{address()}", cell.source)
        nbformat.write(notebook, path)
        print(f"{path.name}: {address()}")


if __name__ == "__main__":
    main()
