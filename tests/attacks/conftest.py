"""What every attack has at hand besides `tests/conftest.py`: a real Chromium."""

from tests.browser.conftest import chromium as chromium
