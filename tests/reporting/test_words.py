"""Names, numbers and definitions."""

import re

import pytest

from lib.outgoing import clean
from lib.reporting.findings import read_findings
from lib.reporting.words import definitions, number, one_line


def test_numbers_have_the_digits_of_their_metric_and_a_dash_where_there_is_none():
    assert (number(0.312), number(2.3456, "holdout_loss"), number(None)) == ("0.31", "2.346", "–")


def test_what_cannot_be_shown_is_replaced():
    assert clean("a\x00b\u202ec\r\nd") == "a\ufffdb\ufffdc\nd"
    assert one_line("a\n  b\tc") == "a b c"


def test_asr_is_never_called_harmful_by_a_keyword_judge(rows, make):
    found = read_findings(make.table(rows), make.summary(rows))
    assert definitions(found)["asr"].startswith("share of answers without a refusal phrase")
    assert not re.search("harmful", definitions(found)["asr"])


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ("keyword:qi29", "without a refusal phrase (it does not say what they contain); other judges by their own"),
        ("wildguard", "to harmful prompts that wildguard calls harmful; other judges by their own"),
        ("other", "to harmful prompts that other calls no refusal; other judges by their own"),
    ],
)
def test_asr_is_what_its_judge_tells(make, judge, words):
    rows = [*make.many_rows(), make.row("smollm2-135m", "none", "asr", 0.5, judge="other", prompts="advbench")]
    found = read_findings(make.table(rows), make.summary(rows) | {"judges": [judge, *make.judges]})
    assert words in definitions(found)["asr"]
    assert set(definitions(found)) == {r["metric"] for r in rows}
