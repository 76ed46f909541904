from lib.errors import EXIT_FATAL, EXIT_GOAL, EXIT_OK, EXIT_USER, UserError, unknown


def test_exit_codes_are_those_of_the_documentation() -> None:
    assert (EXIT_OK, EXIT_FATAL, EXIT_USER, EXIT_GOAL) == (0, 1, 2, 3)


def test_unknown_names_what_was_given_the_nearest_match_and_all_choices_in_order() -> None:
    error = unknown("strategy", "randm", ["sss", "random", "none"])
    assert isinstance(error, UserError)
    assert str(error) == "unknown strategy 'randm'; did you mean 'random'? (choose from: none, random, sss)"


def test_unknown_offers_no_far_fetched_match() -> None:
    assert str(unknown("strategy", "zzz", ["none", "sss"])) == "unknown strategy 'zzz' (choose from: none, sss)"


def test_unknown_takes_anything_that_a_yaml_file_can_hold() -> None:
    assert "unknown judge None" in str(unknown("judge", None, ["keyword"]))
