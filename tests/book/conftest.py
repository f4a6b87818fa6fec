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
