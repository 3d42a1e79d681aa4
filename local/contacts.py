"""Generated contacts, always the same for the same seed."""

import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Final

FIRST_NAMES: Final = (
    "Ada",
    "Bjarne",
    "Chloé",
    "Dmitri",
    "Elena",
    "Fatima",
    "Grace",
    "Hiro",
    "Ines",
    "Jürgen",
    "Katherine",
    "Linus",
    "María",
    "Niklaus",
    "Olu",
    "Priya",
    "Quentin",
    "Rosa",
    "Søren",
    "Tim",
)
LAST_NAMES: Final = (
    "Almeida",
    "Brandt",
    "Chen",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
    "Kowalski",
    "Lovelace",
    "Müller",
    "Novak",
    "Okafor",
    "Patel",
    "Rossi",
    "Silva",
)
DOMAINS: Final = ("example.com", "example.org", "mail.example.net", "post.example")
_AT_ONCE: Final = 1000


def contacts(count: int, *, seed: int = 1) -> Iterator[dict[str, str]]:
    """Yield ``count`` valid contacts, each with another e-mail address."""
    chance = random.Random(seed)
    for number in range(1, count + 1):
        first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        domain = chance.choice(DOMAINS)
        yield {"name": f"{first} {last}", "email": f"contact{number}@{domain}"}


async def json_body(source: str, count: int, *, seed: int = 1) -> AsyncIterator[bytes]:
    """Yield the body of ``POST /import`` in pieces."""
    yield b'{"source": ' + json.dumps(source).encode() + b', "data": ['
    lines: list[str] = []
    for number, contact in enumerate(contacts(count, seed=seed)):
        lines.append(("," if number else "") + json.dumps(contact, ensure_ascii=False))
        if len(lines) == _AT_ONCE:
            yield "\n".join(lines).encode()
            lines.clear()
    yield "\n".join(lines).encode() + b"]}"
