"""Line plots as small SVG files. Only these need matplotlib."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS

__all__ = ["Lines", "PlotError", "check_plots", "plot"]

Lines = Mapping[str, Sequence[tuple[float, float]]]
"""Name of a line → its points."""


class PlotError(Exception):
    """Plots are impossible; the message has the missing package."""


def check_plots() -> None:
    """See that plots can be drawn.

    Raises:
        PlotError: matplotlib is not installed.
    """
    _pyplot()


def plot(name: str, lines: Lines, *, x: str, y: str) -> Path:
    """Draw lines over a logarithmic x axis, and return the file."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(6, 3.4), layout="constrained")
    for label, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label)
    _scale(axes, lines)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.svg"
    # Without the date, equal numbers give equal files.
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
    return file


def _scale(axes: Any, lines: Lines) -> None:
    """Label the measured points; a range of more than tenfold has a logarithmic axis."""
    places = sorted({place for points in lines.values() for place, _ in points})
    values = [value for points in lines.values() for _, value in points]
    axes.set_xscale("log")
    axes.set_xticks(places, [f"{place:,.0f}" for place in places])
    axes.set_xticks([], minor=True)
    if max(values) > 10 * min(values):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _pyplot() -> Any:
    try:
        matplotlib = importlib.import_module("matplotlib")
    except ImportError as exc:
        raise PlotError("for the plots: pip install matplotlib") from exc
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "", "font.size": 9})
    return importlib.import_module("matplotlib.pyplot")
