"""The columns of a file, or the keys of its records, as clients see them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.reading.plan import Certainty, Field


class Column(msgspec.Struct, frozen=True):
    """A column of a CSV file, or a key of JSON records, and what it is taken for."""

    name: Annotated[str, Meta(description="As the file names it; empty if it does not.")]
    map: Annotated[
        str, Meta(description="Names the column in the option `map`: `map={map}:{field}`.")
    ]
    samples: Annotated[
        list[str], Meta(description="The first values that are not empty.", max_length=3)
    ]
    field: Annotated[Field | None, Meta(description="The contact field that it holds, if any.")]
    certainty: Annotated[
        Certainty | None,
        Meta(
            description="How sure that is: `named` by the request, `sure` by its name, `likely` by "
            "a name with further words, or `guessed` by its values."
        ),
    ]
