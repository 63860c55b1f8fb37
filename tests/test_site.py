"""The site's pages load in a browser without an error, on a desktop and on a phone. `make test-docs` runs this file.

It needs the site in site/, the package playwright and Chromium. Without one of them, it is skipped.
"""

import contextlib
import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest

SITE = Path(__file__).parent.parent / "site"
PAGES = ["", "guide/", "api/"]
WIDTHS = {"desktop": 1280, "phone": 390}


@pytest.fixture(scope="module")
def browser():
    if not (SITE / "index.html").exists():
        pytest.skip("no site/: run `make docs`")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as running:
        program = shutil.which("chromium") or running.chromium.executable_path
        if not Path(program).exists():
            pytest.skip("Chromium is not installed")
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address():
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@contextlib.contextmanager
def opened(browser, url, width):
    """A page at a width in pixels, and its list of errors, which grows while the page is open."""
    page, errors = browser.new_page(viewport={"width": width, "height": 900}), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("response", lambda response: errors.append(response.url) if response.status >= 400 else None)
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.goto(url, wait_until="networkidle")
    yield page, errors
    page.close()


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("place", PAGES)
def test_a_page_loads_without_errors_and_fits_the_width(browser, address, place, width):
    with opened(browser, f"{address}/{place}", width) as (page, errors):
        assert errors == []
        assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_guide_leads_from_the_home_page_to_a_task_of_ones_own(browser, address):
    with opened(browser, f"{address}/", WIDTHS["desktop"]) as (page, _):
        page.get_by_role("link", name="From equation to code").first.click()
        page.wait_for_url("**/guide/")
        page.get_by_role("link", name="task of your own").first.click()
        page.get_by_text("class Parity").first.wait_for(timeout=20_000)
