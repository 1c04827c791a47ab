"""The report as a person meets it: in a real browser without a head, on a desk and on a telephone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from trajectory_diffuser.reporting.page import write_report
from trajectory_diffuser.reporting.reading import read_results

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESK, TELEPHONE = {"width": 1280, "height": 1500}, {"width": 390, "height": 844}
UNFOLD = "for (const each of document.querySelectorAll('details')) each.open = true"
WIDE = "[...document.querySelectorAll('*')].filter(each => each.scrollWidth > each.clientWidth + 1"
WIDE += " && getComputedStyle(each).overflowX === 'auto')"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    with sync_playwright() as playwright:
        if program is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip(f"no browser: neither {' nor '.join(PROGRAMS)} nor `playwright install chromium`")
        opened = playwright.chromium.launch(executable_path=program)
        yield opened
        opened.close()


def show(browser: Browser, report: Path, size: dict[str, int], unfold: bool = True) -> Page:
    page = browser.new_page(viewport=size)
    page.goto((report / "index.html").as_uri())
    if unfold:
        page.evaluate(UNFOLD)
    return page


@pytest.mark.parametrize("tasks", ["several", "one"])
def test_verdict_and_frontier_are_in_the_first_screen(
    browser, full_report, params, made_up_root, tmp_path, tasks
):
    report, name = full_report, "speed_against_return_over_tasks"
    if tasks == "one":  # as in the run that is shipped
        params["run"] |= {"tasks": params["run"]["tasks"][:1], "experiments": []}
        report, name = tmp_path, "speed_against_return"
        write_report(read_results(params, made_up_root), report)
    page = show(browser, report, DESK, unfold=False)
    verdict = page.get_by_role("region", name="Verdict", exact=True).bounding_box()
    frontier = page.locator(f"#figure-{name} svg").first.bounding_box()
    assert verdict["y"] + verdict["height"] <= frontier["y"]
    assert frontier["y"] + frontier["height"] <= 1500


@pytest.mark.parametrize("size", [DESK, TELEPHONE], ids=["desk", "telephone"])
def test_nothing_is_loaded_or_wrong_and_only_boxes_scroll_sideways(browser, full_report, size):
    page = browser.new_page(viewport=size)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((full_report / "index.html").as_uri())
    page.evaluate(UNFOLD)
    assert [url for url in asked if not url.startswith("data:")] == [(full_report / "index.html").as_uri()]
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_on_a_desk_every_column_of_every_table_is_seen(browser, full_report):
    page = show(browser, full_report, DESK)
    assert page.locator("table").count() > 10
    assert page.evaluate(f"{WIDE}.map(each => each.ariaLabel)") == []


def test_what_scrolls_can_be_reached_and_scrolled_by_keyboard(browser, full_report):
    page = show(browser, full_report, TELEPHONE)
    assert page.evaluate(f"{WIDE}.length") > 10
    unnamed = "each => each.tabIndex !== 0 || each.role !== 'region' || !each.ariaLabel"
    assert page.evaluate(f"{WIDE}.filter({unnamed}).map(each => each.outerHTML.slice(0, 200))") == []
    box = page.get_by_role("region", name="Verdict", exact=True)
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("box => box.scrollLeft > 0", arg=box.element_handle())


def test_a_click_on_a_columns_name_sorts_by_it(browser, full_report):
    page = show(browser, full_report, DESK)
    table = page.get_by_role("region", name="Time to plan, maze-umaze").locator("table")
    for column, scale in (("median", {"ms": 1e-3, "s": 1.0}), ("plans per second", {})):
        header = table.get_by_role("columnheader", name=column)
        place = header.evaluate("each => each.cellIndex")
        for order, backwards in (("ascending", False), ("descending", True)):
            header.get_by_role("button").click()
            assert header.get_attribute("aria-sort") == order
            cells = table.locator(f"tbody tr > :nth-child({place + 1})").all_inner_texts()
            values = [float(cell.split()[0].replace(",", "")) for cell in cells]
            values = [
                value * scale.get(cell.split()[-1], 1.0) for value, cell in zip(values, cells, strict=True)
            ]
            assert values == sorted(values, reverse=backwards) and len(set(values)) > 5


def test_headers_have_a_scope_and_every_picture_says_what_it_shows(browser, full_report):
    page = show(browser, full_report, DESK)
    assert page.locator("th").count() > 100 and page.locator("th:not([scope])").count() == 0
    pictures = page.locator("svg").count()
    assert pictures >= 20 and page.locator("[role=img][aria-label] > svg").count() == pictures
    images = page.locator("img")
    assert images.count() == images.and_(page.locator("[alt*='A decision takes']")).count() == 2


def test_every_planner_on_the_frontier_has_its_name_and_no_two_names_overlap(browser, full_report, params):
    page = show(browser, full_report, DESK)
    texts = page.locator("#figure-speed_against_return_over_tasks svg text")
    acting = [*params["run"]["planners"], *params["run"]["policies"]]
    boxes = {text.text_content(): text.bounding_box() for text in texts.all()}
    boxes = {name: box for name, box in boxes.items() if name in acting}
    assert set(boxes) == set(acting)
    for name, box in boxes.items():
        for other, its in boxes.items():
            apart = box["x"] + box["width"] <= its["x"] or its["x"] + its["width"] <= box["x"]
            above = box["y"] + box["height"] <= its["y"] or its["y"] + its["height"] <= box["y"]
            assert name == other or apart or above, (name, other)
