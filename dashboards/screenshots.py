"""Pictures of the dashboards during a small real search, for README.md.

    python dashboards/screenshots.py

writes docs/images/ray-*.png and optuna-*.png. Needs Chromium with chromedriver, selenium and
optuna-dashboard.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "docs" / "images"
SIZE = (1200, 820)
PATIENCE = 300  # seconds for a page to show what it is waited for
TOKEN = uuid.uuid4().hex  # for the Ray dashboard of this search
OPTUNA_PORT = 8091

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def browser(profile: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={SIZE[0]},{SIZE[1]}"):
        options.add_argument(flag)
    # Both are named, so that selenium looks for nothing on the network.
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if found := what():
                return found
        except (OSError, WebDriverException):
            pass
        time.sleep(0.5)
    raise SystemExit(f"not seen within {PATIENCE} s")


def text(driver: webdriver.Chrome) -> str:
    words: str = driver.find_element(By.TAG_NAME, "body").text
    return words


def save(driver: webdriver.Chrome, name: str) -> None:
    """64 colours: text and lines stay sharp, and the file is small."""
    picture = Image.open(BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    path = OUTPUT / f"{name}.png"
    picture.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def ray_pages(driver: webdriver.Chrome, url: str) -> None:
    driver.get(url)
    # What the page's own form does with the token.
    driver.execute_async_script(
        "fetch('/api/authenticate', {method: 'POST', headers: {Authorization: arguments[0]}})"
        ".then(arguments[1])",
        f"Bearer {TOKEN}",
    )
    driver.get(f"{url}/#/actors")
    driver.refresh()
    until(lambda: "ALIVE" in text(driver) and "vocal-max" in text(driver))
    save(driver, "ray-actors")
    request = urllib.request.Request(
        f"{url}/api/v0/nodes", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request) as answer:
        node = json.load(answer)["data"]["result"]["result"][0]["node_id"]
    driver.get(f"{url}/#/logs/?nodeId={node}&folder=")
    until(lambda: "trial_0000" in text(driver))
    driver.execute_script(
        "[...document.querySelectorAll('a,li,p,span')].find(e => e.children.length == 0 &&"
        " e.textContent.includes('trial_0000')).scrollIntoView({block: 'center'})"
    )
    save(driver, "ray-logs")
    name = next(line for line in text(driver).splitlines() if line.startswith("trial_0000"))
    driver.get(f"{url}/#/logs/viewer?nodeId={node}&fileName={name}")
    until(lambda: "activation_fid" in text(driver))
    save(driver, "ray-trial-log")


def optuna_page(driver: webdriver.Chrome) -> None:
    driver.get(f"http://127.0.0.1:{OPTUNA_PORT}/dashboard/studies/0")
    until(lambda: "History" in text(driver) and "Importance" in text(driver))
    time.sleep(8)  # charts are drawn after their titles
    save(driver, "optuna-study")


def main() -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    with tempfile.TemporaryDirectory() as scratch:
        out = f"--out {scratch}/run --json"
        asked = f"-m tune_am.search --neuron vocal --space quick --trials 40 {out}"
        command = [sys.executable, *asked.split()]
        search = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert search.stdout is not None
        started, ended = {}, 0
        while ended < 8:
            event = json.loads(search.stdout.readline())
            started = event if event["event"] == "start" else started
            ended += event["event"] == "trial_ended"
        program, journal = shlex.split(started["optuna_dashboard"])
        optuna = subprocess.Popen(
            [Path(sys.executable).with_name(program), journal, "--port", str(OPTUNA_PORT)]
        )
        driver = browser(f"{scratch}/profile")
        try:
            ray_pages(driver, started["dashboard"])
            optuna_page(driver)
        finally:
            driver.quit()
            optuna.terminate()
            search.send_signal(signal.SIGINT)
            search.communicate()


if __name__ == "__main__":
    main()
