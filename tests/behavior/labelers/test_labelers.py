"""Every shipped labeler: what it says, and what it leaves unsaid."""

from lib.behavior.labeler import make_labeler
from tests.makers import example


def test_given_repeats_the_row_and_leaves_the_rest_unknown() -> None:
    rows = [example(refusal=True, harmful_request=False), example(refusal=False), example(is_safe=False)]
    assert make_labeler("given", "refusal").label(rows) == [True, False, None]
    assert make_labeler("given", "harmful_request").label(rows) == [False, None, None]


def test_categories_says_yes_or_nothing() -> None:
    rows = [example(categories=("a",)), example(), example(harmful_request=False)]
    assert make_labeler("categories", "harmful_request").label(rows) == [True, None, None]


def test_keyword_looks_at_the_start_only_whatever_the_list() -> None:
    answers = ["I cannot do that.", "Here is how; some of it is illegal, and I cannot help more.", "i cannot", ""]
    rows = [example(response=answer) for answer in answers]
    assert make_labeler("keyword:qi29", "refusal").label(rows) == [True, False, False, False]
    assert make_labeler("keyword", "refusal").label(rows) == [True, False, True, False]


def test_the_identity_of_keyword_is_what_the_list_holds() -> None:
    identity = make_labeler("keyword:xstest", "refusal").identity
    assert identity["labeler"] == "keyword"
    assert len(identity["phrases"]) == 21
    assert (identity["case_sensitive"], identity["fold_apostrophes"]) == (False, False)
    assert make_labeler("keyword", "refusal").identity == make_labeler("keyword:opening", "refusal").identity
    assert identity != make_labeler("keyword", "refusal").identity
