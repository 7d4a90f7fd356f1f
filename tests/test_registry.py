"""Families: members are found by decorator and by entry point, and a wrong name meets the nearest ones."""

from __future__ import annotations

import pytest

from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.registry import Registry


def test_a_decorated_member_is_found_and_listed() -> None:
    family: Registry[type] = Registry("kerasintrospect.nothing", "thing")
    made = family.register("one")(dict)
    assert made is dict and family.names() == ["one"] and family.get("one") is dict


def test_entry_points_are_members_before_they_are_imported() -> None:
    family: Registry[object] = Registry("kerasintrospect.attribution", "method")
    assert "integrated_gradients" in family.names()


def test_wrong_names_meet_the_nearest() -> None:
    family: Registry[type] = Registry("kerasintrospect.nothing", "thing")
    family.register("saliency")(dict)
    with pytest.raises(InputError, match=r"There is no thing 'salience'. The nearest: 'saliency'. All: saliency."):
        family.get("salience")
    with pytest.raises(InputTypeError, match=r"The thing is chosen by its name. Received: 3 \(of type int\)"):
        family.get(3)  # type: ignore[arg-type]
