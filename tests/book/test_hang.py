"""A page that never answers fails its own test, and no other."""

import threading

import pytest

from tests.book.conftest import kill_chromium

pytestmark = pytest.mark.slow


def test_a_page_that_never_answers_ends_its_test_only(browser, chromium):
    page = browser.new_context(offline=True).new_page()
    watch = threading.Timer(1, kill_chromium)  # what the fixture does after its patience
    watch.start()
    with pytest.raises(Exception, match="closed"):
        page.evaluate("new Promise(() => {})")
    after = chromium()
    assert after is not browser
    assert after.new_context(offline=True).new_page().evaluate("1 + 1") == 2
