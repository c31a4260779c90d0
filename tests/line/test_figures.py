"""What is shown of a node: queries of the dashboard and the alerts name figures it has, every bound has one."""

import json
import re
from pathlib import Path

import pytest

from api.messages import MESSAGES
from bench.servers import ChildServer
from tests.project.meters import METERS

GRAFANA = Path(__file__).resolve().parents[2] / "docs" / "grafana"


@pytest.fixture(scope="session")
def figures(server: ChildServer) -> set[str]:
    """Return the names of all figures of a running node, as Prometheus knows them."""
    text = str(server.ask("GET", "/metrics")[1])
    return set(re.findall(r"^(carillon_\w+) ", text, re.MULTILINE))


def fills(figures: set[str]) -> list[str]:
    return sorted(name for name in figures if f"{name}_max" in figures)


@pytest.mark.parametrize("file", ["carillon.json", "alerts.yml"])
def test_every_query_names_figures_that_there_are(file: str, figures: set[str]) -> None:
    named = set(re.findall(r"carillon_[a-z0-9_]+", (GRAFANA / file).read_text(encoding="utf-8")))
    assert len(named) > 20
    assert not named - figures


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads((GRAFANA / "carillon.json").read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = []
    for panel in panels:
        at = panel["gridPos"]
        assert 0 <= at["x"] < at["x"] + at["w"] <= 24
        places += [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        for target in panel.get("targets", ()):
            assert target["expr"].count("(") == target["expr"].count(")")
            assert 'instance=~"$instance"' in target["expr"] or target["expr"].startswith("sum(up{")
    assert len(places) == len(set(places)), "two panels lie on one another"


def test_every_bound_that_fills_has_a_bar_with_words_a_panel_and_an_alert(figures: set[str]) -> None:
    board = (GRAFANA / "carillon.json").read_text(encoding="utf-8")
    alerts = (GRAFANA / "alerts.yml").read_text(encoding="utf-8")
    names = fills(figures)
    assert len(names) > 20
    for name in names:
        assert f"system_fill_{name.removeprefix('carillon_')}" in MESSAGES
        assert f"{name}_max{{instance" in board
        assert f"{name} / {name}_max > 0.9" in alerts


def test_every_figure_that_tells_of_a_bound_is_there(figures: set[str]) -> None:
    assert not {f"carillon_{name}" for name in METERS} - figures
