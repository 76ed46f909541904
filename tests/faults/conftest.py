"""How long the undisturbed run of the tiny study took, by its own clock."""

from __future__ import annotations

import re

import pytest

from tests.studies import Run


@pytest.fixture(scope="session")
def undisturbed_s(undisturbed: Run) -> float:
    """Seconds."""
    stamps = re.findall(r"^\[ *([\d:]+)\]", undisturbed.output, flags=re.MULTILINE)
    parts = [int(part) for part in stamps[-1].split(":")]
    return float(sum(part * 60**power for power, part in enumerate(reversed(parts))))
