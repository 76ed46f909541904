"""The Grafana dashboard and the alert rules: they name metrics that exist, with labels that those have."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lib.study.schema import Cluster
from tests.cluster import k8s
from tests.cluster.files import CLUSTER, KUBERAY, documents
from tests.cluster.metrics import COUNTERS, STATES, exported, of_ray
from tests.cluster.promql import grouped, selected

DASHBOARD: dict[str, Any] = json.loads((CLUSTER / "monitoring" / "grafana.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
[RULES] = documents(CLUSTER / "monitoring" / "alerts.yaml")
ALERTS = k8s.Rules.model_validate(RULES).groups[0].rules
OURS = exported()

drawn = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel['id']} {panel['title']}")
alerted = pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.alert)


def check(expression: str) -> set[str]:
    """That an expression names what exists; the metrics it names."""
    named = selected(re.sub(r"\$window", "5m", expression))
    assert named, expression
    for one in named:
        assert one.name in OURS or one.name in of_ray(), f"nobody exports {one.name}"
        if one.name in OURS:
            used = {label for label, _, _ in one.matchers}
            assert used <= set(OURS[one.name]), f"{one.name} has no {used - set(OURS[one.name])}"
        for label, _, value in one.matchers:
            if label == "state":
                assert set(value.split("|")) <= set(STATES)
    if all(one.name in OURS for one in named):
        assert grouped(expression) <= {label for one in named for label in OURS[one.name]}
    return {one.name for one in named}


@drawn
def test_a_panel_draws_what_exists(panel: dict[str, Any]) -> None:
    assert panel["description"], panel["title"]
    for target in panel["targets"]:
        check(target["expr"])
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped(target["expr"])


def test_every_metric_of_ours_is_drawn() -> None:
    found = {name for panel in PANELS for target in panel["targets"] for name in check(target["expr"])}
    assert found >= set(OURS)
    assert found & of_ray(), "beside Ray's own"


def test_counters_are_drawn_as_rates_or_totals_by_their_exported_name() -> None:
    text = json.dumps(DASHBOARD)
    for name in COUNTERS:
        assert f"ray_{name}_total{{" in text
        assert f"ray_{name}{{" not in text


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        squares = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not squares & taken, panel["title"]
        taken |= squares
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_variables_are_those_that_panels_use() -> None:
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    text = json.dumps(DASHBOARD["panels"])
    assert set(re.findall(r"\$\{?(\w+)\}?", text)) == set(variables)
    for name in ("study", "cell"):
        query = re.fullmatch(r"label_values\((.*), (\w+)\)", variables[name]["definition"])
        assert query
        assert query[2] == name
        check(query[1])
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, "whatever it is called there"


@alerted
def test_an_alert_is_of_what_exists(rule: k8s.Rule) -> None:
    assert check(rule.expr) <= set(OURS)
    shown = set(re.findall(r"\$labels\.(\w+)", " ".join(rule.annotations.values())))
    assert shown <= grouped(rule.expr)
    assert set(rule.annotations) == {"summary", "description"}


def test_the_alerts_are_those_asked_for() -> None:
    assert [rule.alert for rule in ALERTS] == [
        "BallastNoProgress", "BallastFailedCells", "BallastErrorRows", "BallastEngineRestarts",
    ]  # fmt: skip


def test_no_progress_waits_longer_than_a_node_takes() -> None:
    limit = re.search(r"> (\d+)\n?\s", ALERTS[0].expr)
    assert limit
    assert int(limit[1]) > Cluster().start_deadline_s


def test_the_operators_rules_are_the_same() -> None:
    [operators] = [one for one in documents(KUBERAY / "monitoring.yaml") if one["kind"] == "PrometheusRule"]
    assert operators["spec"] == RULES


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("rate(ray_ballast_error_rows_total{}[5m]", "unbalanced"),
        ("rate(ray_ballast_error_rows_total[5m])", "not known: ray_ballast_error_rows_total"),
        ('ray_ballast_cells{state:"failed"} > 0', "no matcher"),
    ],
)
def test_a_broken_expression_is_seen(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        selected(expression)


def test_a_metric_that_nobody_exports_is_seen() -> None:
    with pytest.raises(AssertionError, match="nobody exports"):
        check("sum(ray_ballast_cell{})")
    with pytest.raises(AssertionError, match="has no"):
        check('sum(ray_ballast_asr{stat="x"})')
