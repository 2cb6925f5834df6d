"""Pictures of what two finished searches leave, for README.md.

    python dashboards/finished.py

searches twice for some minutes, what excites the vocal neuron most and least, and writes
docs/images/mlflow-compare.png and docs/images/report.png. With run folders of two searches that
share one MLflow database it takes those: python dashboards/finished.py RUN_DIR RUN_DIR
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlflow import MlflowClient
from screenshots import browser, save, text, until
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

PORT = 8092
PARAMETERS, METRICS = ("lr", "l2", "init_scale"), ("step", "activation_mean", "activation_fid")
SEARCH = "-m tune_am.search --neuron vocal --trials 12 --starts 8"


def searched(folder: Path) -> list[Path]:
    """Run folders of two small searches."""
    runs = []
    for direction in ("max", "min"):
        runs.append(folder / f"vocal-{direction}")
        asked = f"{SEARCH} --direction {direction} --out {runs[-1]}"
        subprocess.run([sys.executable, *asked.split()], check=True)
    return runs


def compare_page(driver: webdriver.Chrome, address: str, results: list[dict[str, Any]]) -> None:
    """MLflow's comparison of all trials of both searches."""
    client = MlflowClient(results[0]["mlflow"]["tracking_uri"])
    experiment = client.get_experiment_by_name(results[0]["mlflow"]["experiment"])
    assert experiment is not None
    trials = []
    for result in results:
        children = f"tags.`mlflow.parentRunId` = '{result['mlflow']['run_id']}'"
        found = client.search_runs([experiment.experiment_id], children)
        trials += [run.info.run_id for run in found]
    asked = f"runs={json.dumps(trials)}&experiments={json.dumps([experiment.experiment_id])}"
    driver.get(f"{address}/#/compare-runs?{quote(asked, safe='=&')}")
    until(lambda: driver.find_elements(By.CSS_SELECTOR, ".js-plotly-plot"))
    driver.find_element(By.XPATH, "//*[text()='Model training']").click()
    driver.find_element(By.CSS_SELECTOR, "button[aria-label=Close]").click()  # the assistant
    driver.find_element(By.XPATH, "//*[text()='Clear All']/ancestor-or-self::button").click()
    parameters, metrics = driver.find_elements(By.CSS_SELECTOR, "input[role=combobox]")
    choose(driver, parameters, PARAMETERS)
    choose(driver, metrics, METRICS)
    time.sleep(3)  # lines are drawn after their axes
    save(driver, "mlflow-compare")


def choose(driver: webdriver.Chrome, box: WebElement, names: Sequence[str]) -> None:
    """Tick `names` in the list that opens under `box`."""
    box.find_element(By.XPATH, "./ancestor::div[contains(@class, 'select-selector')]").click()
    for name in names:
        option = f"//*[contains(@class, 'select-item-option-content')][normalize-space()='{name}']"
        shown = until(lambda option=option: driver.find_elements(By.XPATH, option))[-1]
        driver.execute_script("arguments[0].click()", shown)
    box.send_keys(Keys.ESCAPE)


def report_page(driver: webdriver.Chrome, run: Path) -> None:
    driver.set_window_size(760, 848)
    driver.get((run / "report" / "report.html").as_uri())
    until(lambda: "activation-FID" in text(driver))
    examples = driver.find_element(By.XPATH, "//h3[normalize-space()='Synthesised']")
    driver.execute_script("arguments[0].scrollIntoView()", examples)
    time.sleep(1)
    save(driver, "report")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        runs = [Path(path).resolve() for path in sys.argv[1:]] or searched(Path(scratch))
        results = [json.loads((run / "result.json").read_text()) for run in runs]
        store = results[0]["mlflow"]["tracking_uri"]
        command = [Path(sys.executable).with_name("mlflow"), "server", "--port", str(PORT)]
        server = subprocess.Popen([*command, "--workers", "1", "--backend-store-uri", store])
        address = f"http://127.0.0.1:{PORT}"
        driver = browser(f"{scratch}/profile")
        try:
            until(lambda: urllib.request.urlopen(f"{address}/health"))
            compare_page(driver, address, results)
            report_page(driver, runs[0])
        finally:
            driver.quit()
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
