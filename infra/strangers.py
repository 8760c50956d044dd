"""Persons whom no fact has named yet: drawn and sealed beforehand, while the database still looks who is known.

What then turns out to be known, or is refused, was drawn in vain; it has cost no time under the lock.
"""

import os
from collections.abc import Iterable
from typing import Final

from domain.commands import Beneficiary
from domain.identifiers import PERSON_ENTROPY_BYTES, person_id
from infra.vault import SealedPerson, Vault

_Drawn = tuple[Beneficiary, SealedPerson]


class Strangers:
    def __init__(self, vault: Vault) -> None:
        self._vault: Final = vault
        self._drawn: dict[bytes, _Drawn] = {}  # by the number's look-up

    def expect(self, beneficiaries: Iterable[Beneficiary]) -> None:
        """Those a batch may meet; the first word about a number counts. Those of the batch before are dropped."""
        drawn: dict[bytes, _Drawn] = {}
        for beneficiary in beneficiaries:
            if beneficiary.lookup not in drawn:
                drawn[beneficiary.lookup] = beneficiary, self._seal(_new_id(), beneficiary)
        self._drawn = drawn

    def new_person(self, lookup: bytes) -> str:
        drawn = self._drawn.get(lookup)
        return _new_id() if drawn is None else drawn[1].person

    def sealed(self, person: str, beneficiary: Beneficiary) -> SealedPerson:
        """The row of a person just met. Where another command than the first expected one met them, its words count."""
        expected, row = self._drawn.get(beneficiary.lookup, (None, None))
        if row is not None and expected is beneficiary and row.person == person:
            return row
        return self._seal(person, beneficiary)

    def _seal(self, person: str, told: Beneficiary) -> SealedPerson:
        contact = {"name": told.name, "mobile": told.mobile, "language": told.language}
        return self._vault.new_person(person, told.number, **contact)


def _new_id() -> str:
    return person_id(os.urandom(PERSON_ENTROPY_BYTES))
