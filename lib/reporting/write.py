"""Write a study's report. Files that no longer hold (a figure that can no longer be made) do not stay behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from lib.files import write_bytes, write_text
from lib.reporting.figure import Picture, draw
from lib.reporting.findings import read_findings
from lib.reporting.page import render
from lib.reporting.tables import csv_text, markdown


def write_report(folder: Path, results: pa.Table, summary: dict[str, Any]) -> Path:
    """Write `report.html`, `figure.svg`, `figure.png`, `table.csv` and `table.md` into `folder`.

    Where a study has nothing to draw, the two figure files are absent and the page says why.

    Returns:
        the path of `report.html`, which is written last.
    """
    found = read_findings(results, summary)
    picture = draw(found)
    if isinstance(picture, Picture):
        write_text(folder / "figure.svg", picture.svg)
        write_bytes(folder / "figure.png", picture.png)
    else:
        for name in ("figure.svg", "figure.png"):
            (folder / name).unlink(missing_ok=True)
    write_text(folder / "table.csv", csv_text(results))
    write_text(folder / "table.md", markdown(found))
    page = folder / "report.html"
    write_text(page, render(found, summary, picture))
    return page
