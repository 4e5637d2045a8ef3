"""The figures of ``benchmarks.load_service`` as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 10.0, 7.0
"""Inches."""
_QUANTILES = ("p50", "p95", "p99")


def plot(figures: Mapping[str, Any]) -> str:
    """Draw latency and throughput by clients, memory over time, asks beside an ingest.

    Args:
        figures: By phase, as the benchmark keeps them; phases that are missing stay empty.

    Returns:
        An SVG document, the same for the same figures.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "load", "font.size": 9})
    from matplotlib import pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    drawing, axes = plt.subplots(2, 2, figsize=(_WIDTH, _HEIGHT), layout="constrained")
    (searches, asks), (memory, ingest) = axes
    _loads(searches, "Search", figures.get("search"))
    _loads(asks, "Ask", figures.get("ask"))
    _memory(memory, figures.get("memory"))
    _ingest(ingest, figures.get("ingest"))
    for one in (searches, asks, ingest):
        one.yaxis.set_major_formatter(ScalarFormatter())
    ingest.yaxis.set_minor_formatter(ScalarFormatter())
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(drawing)
    return buffer.getvalue()


def _loads(axes: Axes, name: str, found: Mapping[str, Any] | None) -> None:
    axes.set(title=name, xlabel="clients", ylabel="ms", xscale="log", yscale="log")
    if found is None:
        return
    rows = found["loads"]
    clients = [row["clients"] for row in rows]
    for quantile in _QUANTILES:
        axes.plot(clients, [row[f"{quantile} ms"] for row in rows], marker="o", label=quantile)
    told = [f"{row['clients']}\n({row['a second']:.1f}/s)" for row in rows]
    axes.set_xticks(clients, told)
    axes.minorticks_off()
    axes.legend()


def _memory(axes: Axes, found: Mapping[str, Any] | None) -> None:
    axes.set(title="Memory, 8 clients that search and ask", xlabel="minutes", ylabel="MB")
    if found is None:
        return
    minutes = [row["s"] / 60 for row in found["seen"]]
    for kind in ("rss", "pss", "uss"):
        axes.plot(minutes, [row[kind] for row in found["seen"]], label=kind)
    axes.set_ylim(bottom=0)
    axes.legend()


def _ingest(axes: Axes, found: Mapping[str, Any] | None) -> None:
    axes.set(title="Asks beside an ingest", xlabel="seconds", ylabel="ms", yscale="log")
    if found is None:
        return
    rate, row = next(iter(found.items()))
    axes.set_title(f"{rate}: asks beside an ingest of {row['PDFs']} PDFs")
    begun = 0.0
    for name, some in row["seen"].items():
        axes.plot([begun + s for s, _ in some], [ms for _, ms in some], ".", label=name)
        begun += max((s for s, _ in some), default=0.0)
    axes.legend()
