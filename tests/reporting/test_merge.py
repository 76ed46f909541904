"""Several studies as one: models keep their study, nothing is mixed, what differs is named."""

from lib.reporting import write_report
from lib.reporting.merge import Finished, merge


def finished(make, name, **more):
    rows = make.study_rows()
    return Finished(
        results=make.table(rows), summary=make.summary(rows) | {"study": name, **more},
        means=[{"model": "smollm2-135m", "strategy": "none"}],
    )  # fmt: skip


def test_every_model_keeps_its_study(make, tmp_path):
    found = merge([finished(make, "a"), finished(make, "b")])
    assert set(found.results["model"].to_pylist()) == {"smollm2-135m (a)", "smollm2-135m (b)"}
    assert set(found.results["study"].to_pylist()) == {"a", "b"}
    assert found.results.num_rows == 2 * len(make.study_rows())
    assert [row["model"] for row in found.means] == ["smollm2-135m (a)", "smollm2-135m (b)"]
    assert [one["model"] for one in found.summary["conclusions"]] == ["smollm2-135m (a)", "smollm2-135m (b)"]
    page = write_report(tmp_path, found.results, dict(found.summary)).read_text()
    assert "<h1>a + b</h1>" in page
    assert "<h3>smollm2-135m (b)</h3>" in page
    assert "Models beside each other" in page
    assert (tmp_path / "table.csv").read_text().startswith("study,model,")


def test_data_that_differ_are_named_and_left_to_each_report(make):
    same = merge([finished(make, "a"), finished(make, "b")]).summary
    assert same["corpus"]["rows"] == 300
    other = merge([finished(make, "a"), finished(make, "b", corpus={"rows": 9})]).summary
    assert "corpus" not in other
    assert other["warnings"][-1] == "These differ between the studies and are in the report of each: corpus."
    assert other["warnings"][0].startswith("a: labeler and judge")


def test_what_a_judge_said_of_itself_is_given_for_every_study_where_it_differs(make):
    known = {"probe": {"accuracy": 0.9}, "wildguard": {"model": "w"}}
    other = known | {"probe": {"accuracy": 0.6}}
    found = merge([finished(make, "a", judges_known=known), finished(make, "b", judges_known=other)]).summary
    assert found["judges_known"] == {
        "probe (a)": {"accuracy": 0.9}, "probe (b)": {"accuracy": 0.6}, "wildguard": {"model": "w"},
    }  # fmt: skip


def test_versions_that_differ_are_both_given(make):
    how = {"versions": {"torch": "2.14.0"}, "licences": ["SmolLM2: Apache-2.0"]}
    found = merge([finished(make, "a"), finished(make, "b", how=how)]).summary["how"]
    assert found["versions"] == {"torch": "2.13.0 and 2.14.0", "vllm": "0.29.0"}
    assert found["licences"] == ["SmolLM2: Apache-2.0"]
    assert found["keys"]["a: sample"] == "1f2e3d4c5b6a"
