"""The one exception that a user is meant to read."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

UNSTEADY = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO})
"""What a file system that does not answer says (OSError.errno): no fault of the file, and gone at another try."""

_NEAR = 0.8
"""Part of two names' letters, in their order, that are the same in both: `imge` is near to `image`, `age` is not."""


class InputError(ValueError):
    """Say in one sentence each what is wrong with an input: the file, what was found and what was expected.

    `errors` holds the sentences; the exception's text is these sentences, a line each.
    """

    def __init__(self, errors: str | Iterable[str]) -> None:
        self.errors: list[str] = [errors] if isinstance(errors, str) else list(errors)
        super().__init__("\n".join(self.errors))


class DeviceError(RuntimeError):
    """Say that no GPU works where one was asked for: nothing is wrong with the input, and another machine may do."""


class NothingToLearnError(InputError):
    """Say that no scan shows what a network learns from: it is left out and its method's answers fail."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint ` (did you mean 'x'?)` with the known name nearest to `name`, or an empty text where none is near.

    Near is a letter too many, too few or another one among some, or the same letters in another order.
    """
    folded, by_folded = name.casefold(), {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(folded, by_folded, n=1, cutoff=_NEAR)
    found = found or [candidate for candidate in by_folded if sorted(candidate) == sorted(folded)]
    return f" (did you mean '{by_folded[found[0]]}'?)" if found else ""
