import pytest

from lib.behavior.types import TYPES, behavior_type


@pytest.mark.parametrize(
    ("harmful_request", "refusal", "kind"),
    [
        (True, True, "T1"),
        (True, False, "T2"),
        (False, False, "T3"),
        (False, True, "T4"),
        (None, True, "unknown"),
        (None, False, "unknown"),
        (True, None, "unknown"),
        (False, None, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_the_table(harmful_request: bool | None, refusal: bool | None, kind: str) -> None:
    assert behavior_type(harmful_request, refusal) == kind
    assert kind in TYPES
