"""Shared by the tests that open pages."""

import contextlib
import threading

import psutil
import pytest

from tests.browser import executable, launch

#: Seconds for one test of a page, far more than the longest one takes. A page that never answers
#: would hold up all others: its Chromium is killed, so that the test fails and is named.
PATIENCE = 600


def kill_chromium() -> None:
    """Kill every Chromium that this process has started; what waits for one gets an error."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "chrom" in process.name().lower():
                process.kill()


@pytest.fixture(scope="module")
def chromium():
    """What gives a module's Chromium: started when first asked for, and again after it died."""
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    path, running = executable(), []

    def alive():
        if not running or not running[-1].is_connected():
            running.append(launch(playwright, path))
        return running[-1]

    yield alive
    for found in running:
        found.close()
    playwright.stop()


@pytest.fixture
def browser(chromium):
    """A Chromium for one test, which has :data:`PATIENCE` for it."""
    found = chromium()
    watch = threading.Timer(PATIENCE, kill_chromium)
    watch.daemon = True
    watch.start()
    yield found
    watch.cancel()


@pytest.fixture
def context(browser, request):
    """Pages without a network, as wide as the module's WIDTH says."""
    width = getattr(request.module, "WIDTH", 1280)
    found = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    yield found
    if browser.is_connected():
        found.close()


@pytest.fixture(scope="module")
def _kept():
    return {}


@pytest.fixture
def shared(browser, _kept):
    """shared(name, make): what the tests of a module share, made of the Chromium that runs.

    It is made when first asked for, and again after its Chromium died.
    """

    def get(name, make):
        if _kept.get(name, (None,))[0] is not browser:
            _kept[name] = browser, make(browser)
        return _kept[name][1]

    return get
