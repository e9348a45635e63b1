"""Values of which every step makes some: nobody changes them, and the type checker sees to it.

Python's own frozen dataclasses see to it while the program runs as well, and pay for that where they are made: they set
each field by a call, at five times the cost of an assignment. That was a tenth of what a step takes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

__all__ = ["lean"]

if TYPE_CHECKING:
    from dataclasses import dataclass as lean
else:

    def lean(*, frozen: bool, **options: Any) -> Any:
        """Make a class a dataclass whose instances are equal, and hashed, by their fields, as frozen ones are."""
        return dataclass(unsafe_hash=frozen, **options)
