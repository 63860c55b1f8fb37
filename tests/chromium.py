"""Helpers for tests in headless Chromium. They need the package playwright and a Chromium that is installed."""

import contextlib
import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# As root, Chromium runs only with the first option. The other options stop Chromium's own network requests.
OPTIONS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
# The pages draw random bits. With this script, every test run has the same bits.
SEEDED = """(() => {
    let state = 1;
    Math.random = () => (state = state * 16807 % 2147483647) / 2147483647;
})()"""


@contextlib.contextmanager
def launched():
    """A running browser. Without playwright or Chromium, the tests are skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as running:
        program = next(filter(None, map(shutil.which, PROGRAMS)), running.chromium.executable_path)
        if not Path(program).exists():
            pytest.skip("Chromium is not installed")
        browser = running.chromium.launch(executable_path=program, args=[*OPTIONS])
        yield browser
        browser.close()


@contextlib.contextmanager
def served(directory):
    """Serves the files of a directory over HTTP. Yields the server's address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=directory))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@contextlib.contextmanager
def opened(browser, url, width=1280):
    """A page at a width in pixels, and its list of errors, which grows while the page is open.

    A request to another origin is an error.
    """
    page, errors = browser.new_page(viewport={"width": width, "height": 900}), []
    origin = url[: url.index("/", len("http://"))]
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: None if _stays(request.url, origin) else errors.append(request.url))
    page.on("response", lambda response: errors.append(response.url) if response.status >= 400 else None)
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.add_init_script(SEEDED)
    page.goto(url, wait_until="networkidle")
    yield page, errors
    page.close()


def _stays(url, origin):
    return url.startswith((f"{origin}/", "data:", "blob:"))
