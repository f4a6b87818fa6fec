# The two commands: `make book` reads, `make test` checks. Each sets up what it needs.
PYTHON ?= python3
PORT ?= 8000
SERVE ?= 1
BIN := .venv/bin
READY := .venv/.ready
NBVAL := --nbval --nbval-cell-timeout=300 --nbval-sanitize-with tests/nbval.cfg -p no:cacheprovider
# a test whose Chromium died or hung is tried once more, which the output tells by an R
POOL := -n 2 -p tests.pool --dist loadscope --no-loadscope-reorder --reruns 1 --only-rerun "been closed"
JS := stompp_lite/viz/web/*.js book/_static/*.js book/tools/deck/*.js
export OMP_NUM_THREADS := 1
# compiled modules and rewritten tests are kept: each process would make them again, in seconds
unexport PYTHONDONTWRITEBYTECODE

.PHONY: book test check setup style types unit built pool alone nbval lab notebooks figures look \
    offline class slides bank grade marks pdf address lock release mutants oldest newest clean help

book: $(READY)  ## build the book from the stored outputs and serve it (SERVE=0: only build)
	$(BIN)/python book/tools/build.py $(if $(filter-out 0,$(SERVE)),--serve --port $(PORT))

test:  ## everything CI runs, and a table of where the time went
	MAKE="$(MAKE)" $(PYTHON) tests/everything.py

check: style  ## formatters, linter, type checker, quick unit tests (make test has the slow ones)
	$(MAKE) -j 2 --no-print-directory types unit

setup: $(READY)  ## the environment in .venv, with the versions of requirements.lock

style: $(READY)  ## the formatter and the linter, for Python and JavaScript
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/deno fmt --check --quiet --line-width 100 --indent-width 2 $(JS)

types: $(READY)  ## the type checker
	$(BIN)/mypy

unit: $(READY)  ## the quick tests: no book, no browser, nothing marked slow
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

built: $(READY)  ## the book, without serving it
	$(BIN)/python book/tools/build.py

pool: built  ## every notebook, executed and compared; every page, in a browser; all slow tests
	$(BIN)/python -m pytest $(NBVAL) $(POOL) -m "slow and not alone" notebooks tests

alone: built  ## the few tests that measure time
	$(BIN)/pytest -m alone

nbval: $(READY)  ## execute every notebook and compare with the stored outputs
	$(BIN)/python -m pytest $(NBVAL) $(POOL) notebooks

lab: $(READY)  ## open the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks

notebooks: $(READY)  ## execute the notebooks again and store their outputs
	$(BIN)/python book/tools/notebooks.py $(NB)

figures: $(READY)  ## draw the README's figures from the records
	$(BIN)/python book/tools/figures.py
	$(BIN)/python book/tools/build.py
	$(BIN)/python book/tools/look.py --readme

look: built  ## screenshots of every page, light, dark, phone and print, into build/look (needs Chromium)
	$(BIN)/python book/tools/look.py

offline: built  ## one zip to hand out: book, notebooks, digits, package (WHEELS=1: and all it needs)
	$(BIN)/python book/tools/offline.py $(if $(filter-out 0,$(WHEELS)),--wheels)

class: built  ## notebooks and a book without solutions to hand out, and all for the teacher, in build/class
	$(BIN)/python book/tools/klass.py

slides: $(READY)  ## a deck for each chapter, one offline HTML file, in build/slides
	$(BIN)/python book/tools/slides.py $(CHAPTERS)

bank: $(READY)  ## the question bank as two sheets, with answers and without, in build/bank
	$(BIN)/python book/tools/bank.py $(CHAPTERS)

grade: $(READY)  ## code exercises for nbgrader and otter-grader, each rehearsed (CHAPTERS="2 5")
	$(BIN)/python book/tools/grade.py $(CHAPTERS)

marks: $(READY)  ## grade a folder of notebooks that a class handed in (FROM=folder CHAPTER=3)
	$(BIN)/python book/tools/marks.py "$(FROM)" $(CHAPTER)

pdf: built  ## the book as one PDF (needs Chromium)
	$(BIN)/pip install -q --disable-pip-version-check pypdf==7.1.1
	$(BIN)/python book/tools/pdf.py

mutants: $(READY)  ## small faults in the heart, networks and training: do the tests notice? (MODULE=...)
	$(BIN)/pip install -q --disable-pip-version-check mutmut==3.8.1
	$(BIN)/mutmut run --max-children 2 $(if $(MODULE),"stompp_lite.$(MODULE).*")
	$(BIN)/python tests/mutants.py

oldest:  ## the unit tests with the oldest versions that pyproject.toml allows, and Colab's ipywidgets
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/pip install -q --disable-pip-version-check 'setuptools>=77,<81' wheel 'pytest>=8' \
	    'pytest-xdist>=3.5' 'pyyaml>=6' 'psutil>=5' 'ipywidgets==7.7.1' 'anywidget==0.9.0' \
	    $$(sed -n 's/^  "\([a-z-]*\)>=\(.*\)",$$/\1==\2/p' pyproject.toml | sed '/jupyter/,$$d')
	.venv-oldest/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	.venv-oldest/bin/pytest -n 2 -m "not slow" --ignore tests/book --ignore tests/project \
	    --ignore tests/lab/test_zoo.py

newest:  ## the unit tests with the newest versions that an index has, whatever the lock says
	test -x .venv-newest/bin/python || $(PYTHON) -m venv .venv-newest
	.venv-newest/bin/pip install -q --disable-pip-version-check --upgrade --upgrade-strategy eager \
	    'setuptools>=77' wheel -e '.[book,cluster,bert,onnx,bits,qonnx,test]'
	.venv-newest/bin/pytest -n 2 -m "not slow" --ignore tests/project

release: $(READY)  ## the wheel with its bundle of records; refuses a placeholder address
	$(BIN)/python book/tools/release.py

address: $(READY)  ## write the repository address of _config.yml into the notebooks
	$(BIN)/python book/tools/address.py

lock: $(READY)  ## write requirements.lock from what is installed
	(head -1 requirements.lock; $(BIN)/pip freeze --all --exclude-editable --exclude pip \
	    | sed 's/+cpu$$//') > requirements.lock.new && mv requirements.lock.new requirements.lock

$(READY): requirements.lock pyproject.toml book/tools/environment.py
	$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(0 if sys.version_info >= (3, 11) else f"Python {v} is too old: 3.11 or newer is needed. Name one with: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python book/tools/environment.py
	touch $(READY)

clean:  ## remove what was built
	rm -rf build dist

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' Makefile
