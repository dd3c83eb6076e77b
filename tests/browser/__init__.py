"""Stories in a real Chromium."""

import pytest

pytest.register_assert_rewrite("tests.browser.service", "tests.browser.visitor")
