"""The page in a real browser: nothing fails, everything that looks alive is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")

pytest.importorskip("selenium", reason="selenium is not installed: pip install '.[test]'")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="no Chromium with chromedriver here: apt-get install chromium chromium-driver",
)

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
)

WIDTHS = (360, 640, 800, 1024, 1440)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, explained: Path) -> Iterator[Any]:
    """The browser with the page open; afterwards nothing may have been complained of."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    resize(browser, 1024)
    browser.get("about:blank")
    browser.get_log("browser")  # of pages before
    browser.get((explained / "report.html").as_uri())
    yield browser
    assert browser.get_log("browser") == []


def resize(browser: Any, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def ask(browser: Any, script: str) -> Any:
    return browser.execute_script(f"return ({script})")


def settled(browser: Any) -> None:
    """Charts are drawn anew after the width has changed: wait until they fit, and a frame more."""
    fits = "c.firstChild.viewBox.baseVal.width === Math.round(c.clientWidth)"
    wait_for(browser, f"[...document.querySelectorAll('.chart')].every((c) => {fits})")
    browser.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
    )


def test_every_player_plays(opened: Any) -> None:
    durations = opened.execute_async_script(
        """
        const done = arguments[0], all = [...document.querySelectorAll('audio')];
        const ready = (a) => a.readyState ? a.duration : new Promise((then) => {
          a.onloadedmetadata = () => then(a.duration); a.onerror = () => then(-1); a.load(); });
        Promise.all(all.map(ready)).then(done);
        """
    )
    assert len(durations) > 20
    assert all(1.5 < duration < 1.8 for duration in durations)
    buttons = opened.find_elements("css selector", ".play")
    assert len(buttons) == len(durations)
    ask(opened, "document.querySelectorAll('.play')[0].focus()")
    from selenium.webdriver.common.keys import Keys

    opened.switch_to.active_element.send_keys(Keys.ENTER)  # by keyboard
    wait_for(opened, "document.querySelectorAll('audio')[0].currentTime > 0.05")
    assert buttons[0].get_attribute("aria-pressed") == "true"
    ask(opened, "document.querySelectorAll('.play')[1].click()")  # one sound at a time
    wait_for(opened, "document.querySelectorAll('audio')[0].paused")
    wait_for(opened, "!document.querySelectorAll('audio')[1].paused")


def wait_for(browser: Any, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(lambda driver: ask(driver, condition))


def column(browser: Any, place: int) -> list[str]:
    cells = (
        f"[...document.querySelectorAll('#trials tbody tr:not([hidden]) td:nth-child({place})')]"
    )
    return list(ask(browser, f"{cells}.map((cell) => cell.textContent)"))


def press(browser: Any, script: str) -> None:
    ask(browser, f"{script}.click()")


def test_the_table_sorts(opened: Any) -> None:
    scores = [float(text) for text in column(opened, 4)]
    assert scores == sorted(scores)
    assert len(scores) == 9
    for rising in (True, False):
        press(opened, "document.querySelectorAll('#trials th button')[0]")
        numbers = [int(text) for text in column(opened, 1)]
        assert numbers == sorted(range(9), reverse=not rising)
    heads = "[...document.querySelectorAll('#trials th')].map((head) => head.ariaSort)"
    assert ask(opened, heads)[:2] == ["descending", None]


def centre(browser: Any, selector: str) -> tuple[float, float]:
    box = ask(
        browser,
        f"(() => {{ const e = document.querySelector({selector!r}); "
        "e.scrollIntoView({block: 'center', behavior: 'instant'}); "
        "const b = e.getBoundingClientRect(); "
        "return [b.left + b.width / 2, b.top + b.height / 2]; })()",
    )
    return box[0], box[1]


def mouse(browser: Any, kind: str, x: float, y: float) -> None:
    event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
    if kind == "mouseMoved":
        event |= {"button": "none", "clickCount": 0, "buttons": 1}
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


@pytest.mark.parametrize("width", [1024, 360])
def test_a_brush_keeps_the_trials_it_covers(opened: Any, width: int) -> None:
    """Standing axes on a wide page, lying ones on a narrow one."""
    resize(opened, width)
    settled(opened)
    zones = "#parallel g[role=button]:last-of-type .zone"  # the score's axis
    x, y = centre(opened, zones)
    box = ask(opened, f"document.querySelector({zones!r}).getBoundingClientRect().toJSON()")
    # The better half: the lower one, or the left one.
    end = (box["left"] + 8, y) if width < 500 else (x, box["bottom"] - 8)
    mouse(opened, "mousePressed", x, y)
    for share in (0.3, 0.7, 1.0):
        mouse(opened, "mouseMoved", x + share * (end[0] - x), y + share * (end[1] - y))
    mouse(opened, "mouseReleased", *end)
    worst = max(t["activation_fid"] for t in ask(opened, "data.search.trials"))
    below = [t for t in ask(opened, "data.search.trials") if t["activation_fid"] < worst / 4]
    kept = column(opened, 1)
    assert sorted(map(int, kept)) == [t["trial"] for t in below]
    assert 0 < len(kept) < 9
    assert (
        ask(opened, "document.getElementById('status').textContent") == f"{len(kept)} of 9 trials"
    )
    assert ask(opened, "document.querySelectorAll('#courses .trial.out').length") == 9 - len(kept)
    press(opened, "document.getElementById('clear')")
    assert len(column(opened, 1)) == 9


def test_axes_are_brushed_by_keyboard_and_outcomes_by_buttons(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    ask(opened, "[...document.querySelectorAll('#parallel g[role=button]')].at(-1).focus()")
    opened.switch_to.active_element.send_keys(Keys.ARROW_UP * 12)  # to the worst end
    kept = set(column(opened, 1))
    assert len(kept) < 9
    opened.switch_to.active_element.send_keys("+" * 20)
    assert len(column(opened, 1)) == 9
    for key, pressed in ((Keys.ESCAPE, "false"), (Keys.ENTER, "true"), (Keys.SPACE, "false")):
        opened.switch_to.active_element.send_keys(key)
        assert opened.switch_to.active_element.get_attribute("aria-pressed") == pressed
    press(opened, "document.querySelector('button[data-outcome=stopped_early]')")
    assert set(column(opened, 2)) == {"ran to the end"}
    assert len(column(opened, 1)) == 6
    reached = "[...document.querySelectorAll('#trials tbody tr')].filter((r) => r.tabIndex === 0)"
    first = "[document.querySelector('#trials tbody tr:not([hidden])')]"
    assert ask(opened, reached) == ask(opened, first)
    assert ask(opened, "search.score({ score: data.search.penalty })") == "–"


def test_hovering_tells_and_marks_a_trial(opened: Any) -> None:
    x, y = centre(opened, "#trials tbody tr:nth-child(3) td")
    mouse(opened, "mouseMoved", x, y)
    number = column(opened, 1)[2]
    over = "[...document.querySelectorAll('.over')].map((node) => node.dataset.trial)"
    assert ask(opened, over) == [number] * 3  # in the table, the axes and the curves
    ended = column(opened, 2)[2]
    tip = f"search.words(search.trials.find((t) => t.trial === {number})).split('\\n')[0]"
    assert f", {ended} (step " in ask(opened, tip)
    x, y = centre(opened, "#activations svg")
    mouse(opened, "mouseMoved", x, y)
    said = ask(opened, "document.getElementById('tip').textContent")
    assert said.startswith("activation ")
    assert "synthesised: " in said
    mouse(opened, "mouseMoved", 1, 1)
    assert ask(opened, "document.getElementById('tip').hidden")


def test_no_width_scrolls_sideways(opened: Any) -> None:
    # Nothing is cut off either: only what scrolls by itself may be wider than its box.
    wide = """[...document.querySelectorAll('main *')]
      .filter((node) => !node.closest('.scroll, pre, .picture'))
      .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
      .map((node) => node.tagName + '.' + node.getAttribute('class'))"""
    for width in WIDTHS:
        resize(opened, width)
        settled(opened)
        assert ask(opened, "document.documentElement.scrollWidth") <= width
        assert ask(opened, wide) == [], width


def test_both_themes_can_be_read(opened: Any) -> None:
    for theme, dark in (("light", False), ("dark", True)):
        check_contrast(opened, theme, dark)


def check_contrast(opened: Any, theme: str, dark: bool) -> None:
    features = [{"name": "prefers-color-scheme", "value": theme}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    colours = ask(
        opened,
        "['body', '.question', 'figcaption', 'nav a', 'thead th button', '#status']"
        ".map((s) => getComputedStyle(document.querySelector(s)).color)",
    )
    colours += ask(
        opened,
        "['text.real', 'text.made', '.chart .title', '.chart text']"
        ".map((s) => getComputedStyle(document.querySelector(s)).fill)",
    )
    paper = ask(opened, "getComputedStyle(document.body).backgroundColor")
    assert (luminance(paper) < 0.2) is dark
    for colour in colours:
        light, low = sorted((luminance(colour), luminance(paper)), reverse=True)
        assert (light + 0.05) / (low + 0.05) >= 4.5, f"{colour} on {paper}"  # WCAG 2, AA


def luminance(colour: str) -> float:
    """Relative luminance of "rgb(r, g, b)" (WCAG 2.2)."""
    channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_a_comparison_opens_too(browser: Any, compared: Path) -> None:
    browser.get_log("browser")
    browser.get((compared / "report.html").as_uri())
    for width in WIDTHS:
        resize(browser, width)
        settled(browser)
        assert ask(browser, "document.documentElement.scrollWidth") <= width
    assert ask(browser, "document.querySelectorAll('.chart svg').length") == 3
    assert browser.get_log("browser") == []


def test_a_campaign_is_sorted_by_a_click(browser: Any, campaign: Path) -> None:
    browser.get((campaign / "report" / "report.html").as_uri())
    browser.get_log("browser")
    browser.refresh()

    def names() -> list[str]:
        script = "return [...document.querySelectorAll('tbody th')].map((c) => c.textContent)"
        return list(browser.execute_script(script))

    def click(title: str) -> str:
        script = f"""
            const button = [...document.querySelectorAll("thead button")]
                .find((one) => one.textContent === "{title}");
            button.click();
            return button.closest("th").getAttribute("aria-sort");"""
        return str(browser.execute_script(script))

    assert names() == ["fc8:1", "vocal", "fc8:<b>"]
    assert (click("neuron"), names()) == ("ascending", ["vocal", "fc8:1", "fc8:<b>"])
    assert (click("trials"), names()[0]) == ("ascending", "fc8:<b>")
    assert (click("trials"), names()[-1]) == ("descending", "fc8:<b>")
    assert browser.get_log("browser") == []
