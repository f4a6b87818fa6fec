"""Write the first code cell of every notebook, with the address of the repository from _config.yml.

The README gets the address, too. What a notebook's first cell does stands here and nowhere else.
"""

from __future__ import annotations

import re

import nbformat

from release import ROOT, address

#: Where the package is missing and cannot be had, three lines say what to do, and no pip's page.
SETUP = """\
# Setup. Installs the package where it is missing; pip keeps the torch and numpy that are there.
import importlib.util, os, subprocess, sys

if importlib.util.find_spec("stompp_lite") is None:
    source = os.environ.get("STOMPP_LITE_SOURCE", "git+{address}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", source]
    asks_nothing = os.environ | {{"GIT_TERMINAL_PROMPT": "0"}}
    if subprocess.run(pip, env=asks_nothing, capture_output=True).returncode:
        stop = ImportError(
            f"The course's package could not be installed from {{source}}\\n"
            "Upload its wheel (yours, or from `make offline`), and in a cell above this one run:\\n"
            "%env STOMPP_LITE_SOURCE=/content/name-of-the-wheel.whl"
        )
        stop._render_traceback_ = lambda: str(stop).splitlines()
        raise stop

from stompp_lite import chapter

print(chapter.start())"""
CLONE = re.compile(r"^git clone .+\n", re.MULTILINE)


def with_clone_line(readme: str, url: str) -> str:
    """The README with a line that fetches the course, unless the address is a placeholder."""
    readme = CLONE.sub("", readme)
    if "OWNER" in url:
        return readme
    line = f"git clone {url} && cd {url.rsplit('/', 1)[-1].removesuffix('.git')}\n"
    return readme.replace("```sh\nmake book", f"```sh\n{line}make book", 1)


def main() -> None:
    """Rewrite every notebook and the README; where nothing differs the file stays the same.

    Raises:
        ValueError: a notebook whose second cell is not the one that sets up.
    """
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(with_clone_line(text, address()), encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        cell = notebook.cells[1]
        if not cell.source.startswith("# Setup."):
            raise ValueError(f"{path.name}: the second cell is not the one that sets up")
        cell.source = SETUP.format(address=address())
        nbformat.write(notebook, path)
        print(f"{path.name}: {address()}")


if __name__ == "__main__":
    main()
