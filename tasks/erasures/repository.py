"""The database functions of erasures, through PostgREST."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from core.supabase.rpc import RpcClient

_REJECTIONS: Final = 5000
"""Rejections that are looked at in one statement."""
_OBJECTS: Final = 100
"""Objects with rejections that are listed at a time."""

Place = list[Any]
"""Where a rejection or an object with rejections is: the import's id, and a record's number."""


@dataclass(frozen=True, slots=True)
class FoundRejection:
    """A rejection that may have the address."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class RejectionsPage:
    """Some of the rejections, as far as they may have the address."""

    until: Place
    """The last one that was looked at."""
    rejections: list[FoundRejection]


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object with rejections."""

    place: Place
    object: str


class ErasureRepository:
    """Reads and changes erasures; shared by all threads of a process.

    Every method may be called again if its response was lost, and changes nothing once the erasure
    has ended. Each is retried until the deadline of the RPC client and raises UpstreamError after
    that. None of them is given the address: the database has it.
    """

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    def address(self, erasure_id: UUID) -> str | None:
        """Return the address that is to be erased; None once the erasure has ended."""
        address: str | None = self._rpc.call("address_to_erase", p_erasure=str(erasure_id))
        return address

    def erase_contacts(self, erasure_id: UUID, max_contacts: int) -> bool:
        """Search some contacts, and remove those with the address; returns whether any are left.

        Raises BatchTooLargeError if that takes longer than a statement may.
        """
        arguments = {"p_erasure": str(erasure_id), "p_limit": max_contacts}
        return bool(self._rpc.call_in_time("erase_contacts", **arguments))

    def next_rejections(self, erasure_id: UUID) -> RejectionsPage | None:
        """Return the next rejections to search; None if none are left."""
        found = self._rpc.call(
            "rejections_to_search", p_erasure=str(erasure_id), p_limit=_REJECTIONS
        )
        if found is None:
            return None
        return RejectionsPage(
            found["until"],
            [FoundRejection(each["place"], each["text"]) for each in found["rejections"]],
        )

    def erase_rejections(self, erasure_id: UUID, until: Place, places: Sequence[Place]) -> None:
        """Remove rejections, and record that all up to ``until`` were searched."""
        self._rpc.call(
            "erase_rejections", p_erasure=str(erasure_id), p_until=until, p_rejections=list(places)
        )

    def next_objects(self, erasure_id: UUID) -> list[FoundObject]:
        """Return the next objects with rejections to search; empty if none are left."""
        found = self._rpc.call(
            "rejection_objects_to_search", p_erasure=str(erasure_id), p_limit=_OBJECTS
        )
        return [FoundObject(each["place"], each["object"]) for each in found]

    def note_searched_object(self, erasure_id: UUID, place: Place, erased: int) -> bool:
        """Record that an object was searched, and how many rejections were removed from it.

        Returns whether the object is still in use.
        """
        arguments = {"p_erasure": str(erasure_id), "p_until": place, "p_erased": erased}
        return bool(self._rpc.call("note_searched_object", **arguments))

    def expire_objects(self, erasure_id: UUID) -> None:
        """Mark the stored files of imports that had the address as expired, if that is wanted."""
        self._rpc.call("expire_erased_objects", p_erasure=str(erasure_id))

    def finish(self, erasure_id: UUID) -> None:
        """Record that all is done, and forget the address."""
        self._rpc.call("finish_erasure", p_erasure=str(erasure_id))

    def fail(self, erasure_id: UUID, code: str, detail: str) -> None:
        """Record why it cannot continue, for clients, and forget the address."""
        self._rpc.call("fail_erasure", p_erasure=str(erasure_id), p_code=code, p_detail=detail)
