"""The one way in which a change to the process state fails."""

from __future__ import annotations

from runit.errors import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


class Unable(Exception):
    """A change could not be made; `parts` say what, to what and why, as bytes."""

    def __init__(self, *parts: bytes, error: OSError | int | None = None) -> None:
        super().__init__(*parts)
        self.parts = parts if error is None else (*parts, words(error))


def attempt(*parts: bytes, do: Callable[[], T]) -> T:
    """What DO returns; its OSError is raised as Unable, in the words PARTS."""
    try:
        return do()
    except OSError as error:
        raise Unable(*parts, error=error) from None
