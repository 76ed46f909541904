"""The registry on a kind and a package made for the test, and on a real kind with a file dropped in."""

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.errors import UserError
from lib.registry import Plugin
from lib.sampling.strategy import Strategy

KIND = """
    from abc import abstractmethod
    from lib.registry import Plugin

    class Animal(Plugin):
        kind = "animal"
        package = "animals_for_test"

        @abstractmethod
        def say(self): ...
"""


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Plugin]]:
    """A kind in a module of its own, whose package is an empty folder on the path."""
    (tmp_path / "animals_for_test").mkdir()
    (tmp_path / "animals_for_test" / "__init__.py").touch()
    (tmp_path / "animal_for_test.py").write_text(textwrap.dedent(KIND))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("animal_for_test").Animal
    for name in [name for name in sys.modules if name.startswith(("animals_for_test", "animal_for_test"))]:
        del sys.modules[name]


def test_a_kind_without_a_package_is_refused() -> None:
    with pytest.raises(TypeError, match="sets `kind` and `package`"):
        type("Half", (Plugin,), {"kind": "half"})


def test_a_plugin_is_entered_when_it_is_defined_and_found_by_name(kind: type) -> None:
    class Cat(kind):
        """A cat."""

        name = "cat"

        def say(self) -> str:
            return "miaow"

    assert kind.names() == ["cat"]
    assert kind.find("cat") is Cat


def test_a_name_that_is_there_is_refused_at_definition(kind: type) -> None:
    body = {"name": "cat", "__doc__": "A cat.", "say": lambda self: "miaow"}
    type("Cat", (kind,), dict(body))
    with pytest.raises(TypeError, match=r"animal 'cat' is defined twice, in .* and .*: rename one"):
        type("Lion", (kind,), dict(body))


def test_a_missing_method_is_refused_at_definition(kind: type) -> None:
    with pytest.raises(TypeError, match=r"animal 'cat' .* lacks say: define it"):
        type("Cat", (kind,), {"name": "cat", "__doc__": "A cat."})
    assert kind.names() == []


def test_a_missing_docstring_is_refused_at_definition(kind: type) -> None:
    with pytest.raises(TypeError, match="no docstring"):
        type("Cat", (kind,), {"name": "cat", "__doc__": "", "say": lambda self: ""})


def test_a_class_without_a_name_is_a_helper_and_no_plugin(kind: type) -> None:
    type("Feline", (kind,), {})
    assert kind.names() == []


def test_an_unknown_name_lists_the_choices(kind: type) -> None:
    type("Cat", (kind,), {"name": "cat", "__doc__": "A cat.", "say": lambda self: ""})
    with pytest.raises(UserError) as error:
        kind.find("cart")
    assert str(error.value) == "unknown animal 'cart'; did you mean 'cat'? (choose from: cat)"


def test_a_file_dropped_into_the_package_is_found(kind: type, tmp_path: Path) -> None:
    (tmp_path / "cow.py").write_text("")  # beside the package: not looked at
    (tmp_path / "animals_for_test" / "tables.py").write_text("LEGS = 4\n")
    code = '''
        from animal_for_test import Animal

        class Dog(Animal):
            """A dog."""

            name = "dog"

            def say(self):
                return "woof"
    '''
    (tmp_path / "animals_for_test" / "dog.py").write_text(textwrap.dedent(code))
    assert kind.find("dog")().say() == "woof"


def test_a_strategy_in_one_new_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder beside the shipped strategies, on the same package path."""
    import lib.sampling.strategies as shipped

    code = '''
        from lib.sampling.strategy import Pick, Strategy

        class FirstRows(Strategy):
            """The first rows by id."""

            name = "first_for_test"
            seeded = False

            def pick(self, pool, vectors, budget, rng):
                return [Pick(row.id, "first") for row in pool[:budget]]
    '''
    (tmp_path / "first_for_test.py").write_text(textwrap.dedent(code))
    monkeypatch.setattr(shipped, "__path__", [*shipped.__path__, str(tmp_path)])
    try:
        assert Strategy.find("first_for_test").seeded is False
        assert {"none", "random", "sss"} < set(Strategy.names())
    finally:
        Strategy._registry.pop("first_for_test", None)
        sys.modules.pop("lib.sampling.strategies.first_for_test", None)
