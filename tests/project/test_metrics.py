"""Metrics show what was counted, under a name and a sentence of their own, and never a label."""

import msgspec
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.metrics import Metrics


class Statistics(msgspec.Struct):
    waiting: int = 3
    bound: int = 64


def test_figures_from_all_three_places_are_rendered() -> None:
    metrics = Metrics()
    metrics.counter("refused", "Logins refused").add(2)
    values = np.array([5, 7, 9], np.int64)
    metrics.array("intake", values, (("frames", "Frames"), ("links", "Connections open")), gauges={"links"})
    metrics.statistics("mailbox", Statistics, [("waiting", "Frames waiting")], gauges={"waiting"})
    metrics.statistics("fleet", lambda: {"registered": 4}, [("registered", "Terminals registered")])
    values[1] += 1
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    shown = {name: (family.type, family.samples[0].value) for name, family in families.items()}
    assert shown == {
        "carillon_refused": ("counter", 2.0),
        "carillon_intake_frames": ("counter", 5.0),
        "carillon_intake_links": ("gauge", 8.0),
        "carillon_mailbox_waiting": ("gauge", 3.0),
        "carillon_fleet_registered": ("counter", 4.0),
    }
    assert all(not sample.labels for family in families.values() for sample in family.samples)
    assert all(family.documentation for family in families.values())
    assert metrics.values()["intake_links"] == 8


def test_a_name_is_given_once() -> None:
    metrics = Metrics()
    metrics.counter("frames", "Frames")
    with pytest.raises(ValueError, match="two metrics named frames"):
        metrics.gauge("frames", "Frames", lambda: 1)


@pytest.mark.parametrize("name", ["", "Frames", "9x", "a-b", "frames_total", "x_"])
def test_a_name_that_prometheus_would_bend_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no metric name"):
        Metrics().counter(name, "Frames")


def test_an_array_must_fit_its_table() -> None:
    table = (("a1", "A"), ("b1", "B"))
    for values in (np.zeros(1, np.int64), np.zeros(2, np.int32), np.zeros((2, 2), np.int64)):
        with pytest.raises(ValueError, match="names"):
            Metrics().array("intake", values, table)
    with pytest.raises(ValueError, match="says nothing"):
        Metrics().counter("frames", "")
