"""What is said at equal usefulness, and its table on the page."""

from __future__ import annotations

from dataclasses import asdict

from lib.reporting.equal import equal_words
from lib.reporting.write import write_report
from tests.statistics.test_equal import BOTH_ARM, CALM, NONE, ROWS, SAFETY, SLOW, made, use


def test_the_answer_has_a_sentence_for_each_kind_and_each_meeting() -> None:
    words = equal_words(use(NONE, ROWS, CALM, BOTH_ARM), SAFETY)
    assert words is not None
    said = words.sentences
    assert said[0] == (
        "At equal usefulness: 3 of 3 arms are shown to lose at most 2% of the likelihood of held-out benign tokens against "
        "benign data alone (lr=0.002)"
    )
    assert said[1] == "Safety rows alone: sss_b at 48 rows (lr=0.002) has answers without refusal 0.52 on harmful"
    assert said[2] == "The recipe alone: none (lr=0.0005) has answers without refusal 0.71 on harmful"
    assert said[4].startswith(
        "Safety rows and recipe against safety rows alone: sss_b at 48 rows (lr=0.0005) cuts answers without refusal by 40% "
        "against sss_b at 48 rows (lr=0.002) over 3 seeds, interval "
    )
    assert "over-refusal stays at 0.10" in said[4]
    assert said[5].startswith("Safety rows and recipe against the recipe alone: ")
    assert said[-1].startswith("Each of these is the safest of its kind by these very numbers")


def test_what_is_not_as_useful_is_named_with_what_it_loses_and_not_compared() -> None:
    words = equal_words(use(NONE, ROWS, made("none", SLOW, [0.2, 0.2, 0.2], [0.3, 0.31, 0.3])), SAFETY)
    assert words is not None
    assert (
        "The recipe alone: none of 1 arms is shown to be as useful; the nearest, none (lr=0.0005), loses 26.2%"
        in (words.sentences[2])
    )
    row = words.rows[2]
    assert (row.label, row.kind, row.usefulness, row.counts) == (
        "none lr=0.0005", "the recipe alone", "less useful", False
    )  # fmt: skip
    assert row.safety == ("0.20",), "its level is told, and no difference"
    assert words.rows[1].safety[0].startswith("0.52; -0.44 (")


def test_two_runs_show_no_equality_and_say_so() -> None:
    few = [made(s, r, asr[:2], lost[:2]) for s, r, asr, lost in (
        ("none", '{"recipe.lr": 0.002}', [0.9, 0.9], [0, 0]), ("none", SLOW, [0.5, 0.5], [0, 0]))]  # fmt: skip
    words = equal_words(use(*few), SAFETY)
    assert words is not None
    assert words.sentences[1:] == (
        "With fewer than 3 matched runs no arm can be shown to be as useful, so none is compared",
    )


def test_with_one_recipe_there_is_nothing_to_say() -> None:
    assert equal_words(use(NONE, ROWS), SAFETY) is None


def test_the_page_says_it_first_and_shows_its_table(make, rows, summary, tmp_path) -> None:  # type: ignore[no-untyped-def]
    words = equal_words(use(NONE, ROWS, CALM, BOTH_ARM), SAFETY)
    assert words is not None
    summary["conclusions"][0]["equal"] = asdict(words)
    page = write_report(tmp_path, make.table(rows), summary).read_text()
    assert (
        page.index("What to do")
        < page.index("At equal usefulness: 3 of 3")
        < page.index("<h2>At equal usefulness</h2>")
    )
    assert "sss_b-48 lr=0.0005" in page
    assert "safety rows and recipe" in page
