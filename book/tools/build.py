"""Build the book from the stored outputs, check that every page exists, and serve it.

Usage: python book/tools/build.py [--serve] [--port 8000]
Every warning is an error. Where nothing has changed since the last build, nothing is built.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import subprocess
import sys
from pathlib import Path

import yaml
from kept import Kept

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "book"
HTML = OUT / "_build" / "html"


def pages() -> list[str]:
    """Every page that the table of contents names."""
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [c for part in toc["parts"] for c in part["chapters"]]
    return [toc["root"], *(c["file"] for c in chapters)]


def build() -> int:
    """Run Jupyter Book where anything has changed; the number of problems."""
    kept = Kept(ROOT, HTML.parent)
    if kept.is_current(pages()):
        print(f"Nothing has changed since the book was built: {HTML / 'index.html'}")
        return 0
    command = [
        str(Path(sys.executable).parent / "jupyter-book"), "build", str(ROOT),
        "--toc", "book/_toc.yml",
        "--path-output", str(OUT), "-W", "-n", "--keep-going", "-q",
    ]  # fmt: skip
    kept.begin(pages())
    result = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "0"})
    if result.returncode:
        kept.fail()
        print("The book did not build without warnings: see above.", file=sys.stderr)
        return 1
    missing = [p for p in pages() if not (HTML / f"{p}.html").is_file()]
    for page in missing:
        print(f"The table of contents names {page}, but there is no such page.", file=sys.stderr)
    if not missing:
        kept.finish()
    print(f"Built {len(pages()) - len(missing)} pages: {HTML / 'index.html'}")
    return len(missing)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def serve(port: int) -> None:
    """Serve on this machine only, on the first free port from ``port`` on, until interrupted."""
    handler = functools.partial(_Quiet, directory=str(HTML))
    for candidate in range(port, port + 20):
        try:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", candidate), handler)
        except OSError:
            continue
        print(f"Read it at http://127.0.0.1:{candidate}/  (Ctrl+C to stop)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
    sys.exit(f"No free port from {port} to {port + 19}; choose another with PORT=...")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    if build():
        sys.exit(1)
    if args.serve:
        serve(args.port)
