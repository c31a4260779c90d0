"""Metrics: every figure the program shows about itself, by name, with a sentence on what it means.

A figure comes from one of three places: a Counter that Python code adds to, a row of an int64 array that compiled code
adds to, or a callable asked when somebody looks. None has labels: a label per vehicle or terminal would make as many
series as there are cars, and say where one was.
"""

import functools
import re
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

Kind = Literal["counter", "gauge"]


class Figure(msgspec.Struct, frozen=True):
    """One named figure. A counter only grows while the process lives, and is shown as NAME_total."""

    name: str
    help: str
    kind: Kind
    read: Callable[[], float]


class Fill(msgspec.Struct, frozen=True):
    """A gauge and the bound that it may reach."""

    name: str
    read: Callable[[], float]
    bound: Callable[[], float]


class Counter:
    """A count that one thread adds to."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, n: int = 1) -> None:
        self.value += n


class Metrics:
    """The figures of one process. May be read from any thread at any time; each figure on its own is consistent."""

    def __init__(self) -> None:
        self.started_s = time.time()
        self._figures: dict[str, Figure] = {}
        self._bounds: dict[str, Callable[[], float]] = {}
        self._lock = threading.Lock()

    def counter(self, name: str, help: str) -> Counter:
        """Return a new counter, shown as carillon_NAME_total."""
        counter = Counter()
        self._add(Figure(name, help, "counter", lambda: counter.value))
        return counter

    def gauge(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Show what `read` returns; it is called in the reader's thread, must be quick, and must not fail."""
        self._add(Figure(name, help, "gauge", read))

    def counted(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Show what `read` returns as a counter: somebody else counts, and never down."""
        self._add(Figure(name, help, "counter", read))

    def array(
        self, prefix: str, values: np.ndarray, table: Sequence[tuple[str, str]], gauges: Container[str] = ()
    ) -> None:
        """Show the entries of an array that compiled code writes to.

        Args:
            prefix: put before each name, with an underscore.
            values: (n,) int64, n >= len(table); read without a lock: aligned 8-byte loads are whole on our machines.
            table: (name, help) by index.
            gauges: names of those that may fall; the others are counters.

        Raises:
            ValueError: the array is shorter than its table or not int64.
        """
        if values.dtype != np.int64 or values.ndim != 1 or len(values) < len(table):
            raise ValueError(f"{prefix}: {values.shape} {values.dtype} array for {len(table)} names")
        for index, (name, help_) in enumerate(table):
            kind: Kind = "gauge" if name in gauges else "counter"
            self._add(Figure(f"{prefix}_{name}", help_, kind, functools.partial(_entry, values, index)))

    def statistics(
        self, prefix: str, source: Callable[[], object], table: Sequence[tuple[str, str]], gauges: Container[str] = ()
    ) -> None:
        """Show entries of what `source` returns, a `statistics()` method: attributes of a struct, or keys of a mapping.

        Args:
            table: (name, help) of those to show.
            gauges: names of those that may fall; the others are counters.
        """
        for name, help_ in table:
            kind: Kind = "gauge" if name in gauges else "counter"
            self._add(Figure(f"{prefix}_{name}", help_, kind, functools.partial(_statistic, source, name)))

    def bound(self, name: str, bound: float | Callable[[], float]) -> None:
        """Say how far a gauge can go, as a gauge of its own, NAME_max: so that its share can be drawn and warned of.

        Raises:
            ValueError: there is no such gauge.
        """
        figure = self._figures.get(name)
        if figure is None or figure.kind != "gauge":
            raise ValueError(f"no gauge to bound: {name}")
        read = bound if callable(bound) else functools.partial(float, bound)
        self._add(Figure(f"{name}_max", f"The bound of {name}.", "gauge", read))
        self._bounds[name] = read

    def fills(self) -> list[Fill]:
        """Return every gauge that has a bound, in the order in which the bounds were said."""
        return [Fill(name, self._figures[name].read, bound) for name, bound in self._bounds.items()]

    def _add(self, figure: Figure) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", figure.name) or figure.name.endswith("_total"):
            raise ValueError(f"no metric name: {figure.name!r}")
        if not figure.help:
            raise ValueError(f"{figure.name} says nothing about itself")
        with self._lock:
            if figure.name in self._figures:
                raise ValueError(f"two metrics named {figure.name}")
            self._figures[figure.name] = figure

    def figures(self) -> list[Figure]:
        """Return all figures, in the order they were declared."""
        with self._lock:
            return list(self._figures.values())

    def values(self) -> dict[str, float]:
        """Return all figures now, by name."""
        return {figure.name: figure.read() for figure in self.figures()}

    def render(self) -> bytes:
        """Return the figures in Prometheus' text format (CONTENT_TYPE)."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self))
        return generate_latest(registry)


def _entry(values: np.ndarray, index: int) -> float:
    return int(values[index])


def _statistic(source: Callable[[], object], name: str) -> float:
    found = source()
    return float(found[name] if isinstance(found, Mapping) else getattr(found, name))


class _Collector:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        for figure in self._metrics.figures():
            family: Any = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
            yield family(f"carillon_{figure.name}", figure.help, value=figure.read())

    def describe(self) -> list[Metric]:
        return []


CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
