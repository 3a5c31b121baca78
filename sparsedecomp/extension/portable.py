"""Results that hold HyperSpy signals, made ready for `pickle`."""

from __future__ import annotations

from typing import Any, NamedTuple


class _Described(NamedTuple):
    """A signal as the dictionary from which HyperSpy makes it again."""

    dictionary: dict[str, Any]


class Portable:
    """Base class of results that can be pickled although signals cannot.

    HyperSpy's signals hold generators and events, which `pickle` refuses. They are
    pickled as the dictionaries that HyperSpy writes to files.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {name: _described(value) for name, value in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Dataclasses that are frozen have no other way to set a field.
        vars(self).update({name: _restored(value) for name, value in state.items()})


def _described(value: Any) -> Any:
    if isinstance(value, list):
        return [_described(each) for each in value]
    if hasattr(value, "axes_manager"):
        return _Described(value._to_dictionary())
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(each) for each in value]
    if isinstance(value, _Described):
        from hyperspy.io import dict2signal

        return dict2signal(value.dictionary)
    return value
