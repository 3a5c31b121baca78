"""Parameters with few choices are refused with the choices and the most similar one."""

import pytest

from sparsedecomp.suggestions import check_choice


def test_choices_pass():
    check_choice("order", 2, (1, 2))
    check_choice("taper", None, ("hann", None))


@pytest.mark.parametrize(
    ("value", "known", "message"),
    [
        (
            "Hann",
            ["hann", "flat"],
            "window='Hann', expected one of 'hann', 'flat'. Did",
        ),
        ("round", ["hann", None], "window='round', expected one of 'hann', None.$"),
        (3, (1, 2), "window=3, expected one of 1, 2.$"),
    ],
)
def test_the_message_names_the_choices(value, known, message):
    with pytest.raises(ValueError, match=message):
        check_choice("window", value, known)
