"""The page in a real browser: search, a product's facts and quotes, a click through its graph, reasons, the report."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: tests/run installs it where it may")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def test_search_leads_to_a_product_with_its_quotes(service: str, page: Page) -> None:
    page.goto(f"{service}/?q=coffee")
    hits = page.get_by_test_id("hits").get_by_role("link")
    expect(hits.first).to_be_visible()
    product = page.locator('[data-testid=hits] a[href^="/product/"]').first
    name = product.inner_text()
    product.click()
    expect(page.get_by_text(name).first).to_be_visible()
    quoted = page.get_by_test_id("fact").filter(has_text=re.compile("MADE_BY|IN_CATEGORY")).first
    quoted.hover()
    expect(page.get_by_test_id("quote").first).to_be_visible()


def test_the_graph_can_be_clicked_through(service: str, page: Page) -> None:
    page.goto(f"{service}/?q=coffee")
    page.locator('[data-testid=hits] a[href^="/product/"]').first.click()
    chart = page.get_by_test_id("neighbourhood")
    expect(chart.locator("canvas").first).to_be_visible()
    before = page.url
    page.wait_for_timeout(1500)
    for x, y in _nodes(page):
        chart.click(position={"x": x, "y": y})
        page.wait_for_timeout(700)
        if page.url != before:
            break
    assert page.url != before


def _nodes(page: Page) -> list[tuple[float, float]]:
    """Where ECharts has drawn the nodes, from the chart itself."""
    code = """() => {
        const element = document.querySelector('[data-testid=neighbourhood]');
        const chart = getElement(parseInt(element.id.slice(1))).chart;
        const data = chart.getModel().getSeriesByIndex(0).getData();
        const view = chart.getModel().getSeriesByIndex(0).coordinateSystem;
        return data.mapArray(i => view.dataToPoint(data.getItemLayout(i)));
    }"""
    points: Any = page.evaluate(code)
    return [(float(x), float(y)) for x, y in points]


def test_recommendations_with_reasons_and_the_report(service: str, demo: Any, page: Page) -> None:
    from kg.events import EventLog

    with EventLog(demo.workspace / "events.db") as log:
        user = next(e.user_id for e in log.scan() if e.action == "purchase" and e.user_id)
    page.goto(f"{service}/recommendations?user={user}")
    expect(page.get_by_test_id("recommendation")).to_have_count(10)
    expect(page.get_by_test_id("reason").first).to_contain_text("You ")
    page.goto(f"{service}/report")
    expect(page.locator(".jse-main").first).to_be_visible()
