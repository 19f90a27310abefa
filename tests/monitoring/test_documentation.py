"""docs/monitoring.md tells of every rule, and what it has one put into prometheus.yml is good."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.monitoring.promtool import PROGRAM, needs_promtool
from tests.monitoring.test_rules import FILE, RULES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()


def blocks(language: str) -> list[str]:
    """What stands under the heading of Prometheus, in this language."""
    section = DOCUMENT.partition("\n## Prometheus\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def test_it_has_every_alert_and_how_bad_it_is() -> None:
    rows = re.findall(r"^\| `(Chat\w+)` \| (\w+) \| .+ \|$", DOCUMENT, re.MULTILINE)
    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in RULES]


@needs_promtool
def test_its_commands_find_the_rules_and_the_configuration_good(tmp_path: Path) -> None:
    shutil.copy(FILE, tmp_path)
    (configuration,) = blocks("yaml")
    (tmp_path / "prometheus.yml").write_text(configuration)
    (commands,) = blocks("sh")
    script = f"promtool() {{ '{PROGRAM}' \"$@\"; }}\n{commands}"
    done = subprocess.run(["sh", "-ec", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout
    assert "prometheus.yml is valid prometheus config file syntax" in done.stdout


def test_the_rules_ask_for_the_job_it_names() -> None:
    jobs = {job for rule in RULES for job in re.findall(r'\bjob="([^"]+)"', rule["expr"])}
    assert jobs == {re.findall(r"job_name: (.+)", blocks("yaml")[0])[0]}
