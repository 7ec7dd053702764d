"""The page of the demo in a real browser: search, a product's facts and quotes, a click through its graph, reasons."""

import re
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from kg.events import EventLog

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One tab for all tests; nothing but this machine is in reach, and nothing else may be asked for."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: tests/run installs it where it may")
    outside: list[str] = []

    def refuse(route: Route) -> None:
        outside.append(route.request.url)
        route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), refuse)
        page.set_default_timeout(30_000)
        yield page
        browser.close()
    assert outside == []


def _open_a_product(service: str, page: Page) -> str:
    """Search, follow the first product; its name."""
    page.goto(f"{service}/?q=coffee")
    product = page.get_by_test_id("hits").locator('a[href^="/product/"]').first
    name = product.inner_text()
    product.click()
    expect(page.get_by_test_id("title")).to_have_text(name)
    return name


def test_search_leads_to_a_product_with_its_quotes(service: str, page: Page) -> None:
    _open_a_product(service, page)
    fact = page.locator("[data-testid=fact][data-relation=MADE_BY]").first
    brand = fact.get_by_role("link").inner_text()
    fact.hover()
    expect(page.get_by_test_id("quote").first).to_have_text(brand)


def test_chinese_is_found_and_shown(service: str, page: Page) -> None:
    page.goto(f"{service}/?q={quote('咖啡')}")
    expect(page.get_by_test_id("hits")).to_contain_text("咖啡")


def test_the_graph_can_be_clicked_through(service: str, page: Page) -> None:
    name = _open_a_product(service, page)
    chart = page.get_by_test_id("neighbourhood")
    expect(chart.locator("canvas").first).to_be_visible()
    page.wait_for_function(f"({NODES})().length > 3")
    node = next(n for n in page.evaluate(NODES) if n["name"] != name)
    chart.click(position={"x": node["x"], "y": node["y"]})
    page.wait_for_url(
        re.compile(r"/(product|entity)/" + re.escape(quote(node["id"].removeprefix("product:"), safe="")))
    )
    expect(page.get_by_test_id("title")).to_be_visible()


# Where ECharts has drawn the nodes, from the chart itself.
NODES = """() => {
    const element = document.querySelector('[data-testid=neighbourhood]');
    const chart = element && getElement(parseInt(element.id.slice(1))).chart;
    const series = chart && chart.getModel() && chart.getModel().getSeriesByIndex(0);
    if (!series || !series.coordinateSystem) return [];
    const data = series.getData();
    return data.mapArray(i => {
        const [x, y] = series.coordinateSystem.dataToPoint(data.getItemLayout(i));
        return {id: data.getRawDataItem(i).value, name: data.getName(i), x, y};
    });
}"""


def test_recommendations_with_reasons(service: str, demo: Any, page: Page) -> None:
    with EventLog(demo.workspace / "events.db") as log:
        user = next(e.user_id for e in log.scan() if e.action == "purchase" and e.user_id)
    page.goto(f"{service}/recommendations?user={quote(user, safe='')}")
    expect(page.get_by_test_id("recommendation")).to_have_count(10)
    reason = page.get_by_test_id("reason").filter(has_text="You ").first
    expect(reason).to_be_visible()


def test_the_report_is_read_as_tables(service: str, page: Page) -> None:
    page.goto(f"{service}/report")
    for table in ("Files", "Facts by relation, method and confidence", "Models compared on the validation cut"):
        expect(page.get_by_text(table, exact=True).first).to_be_visible()
    expect(page.get_by_test_id("table").first).to_be_visible()


def test_the_api_is_described_without_the_internet(service: str, page: Page) -> None:
    page.goto(f"{service}/docs")
    expect(page.get_by_test_id("operation").filter(has_text="/v1/recommendations:why-not")).to_be_visible()
