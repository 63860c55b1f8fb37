"""The site's pages load in a browser without an error, on a desktop and on a phone. `make test-docs` runs this file.

It needs the site in site/, the package playwright and Chromium. Without one of them, it is skipped.
"""

from pathlib import Path

import pytest

from chromium import launched, opened, served

SITE = Path(__file__).parent.parent / "site"
PAGES = ["", "browser/", "guide/", "api/"]
WIDTHS = {"desktop": 1280, "phone": 390}


@pytest.fixture(scope="module")
def browser():
    if not (SITE / "index.html").exists():
        pytest.skip("no site/: run `make docs`")
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def address():
    with served(SITE) as address:
        yield address


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


def test_the_machine_runs_on_the_site(browser, address):
    with opened(browser, f"{address}/browser/", WIDTHS["phone"]) as (page, errors):
        page.get_by_text("0 wrong bits").wait_for(timeout=20_000)
        assert errors == []
