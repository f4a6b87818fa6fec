"""Shared by the tests that open pages."""

import pytest

from tests.browser import executable, launch


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    found = launch(playwright, executable())
    yield found
    found.close()
    playwright.stop()


@pytest.fixture
def context(browser, request):
    """Pages without a network, as wide as the module's WIDTH says."""
    width = getattr(request.module, "WIDTH", 1280)
    found = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    yield found
    found.close()
