"""After an erasure no dead row of the vault is left in a table or an index, and the ledger has it."""

from tests.infra.test_erasing import approve, ask, person_of


def erase(office, seed):
    office.submit(office.booking(seed, start=office.start_after(seed), name="سارة"))
    person = person_of(office, seed)
    office.submit(ask(office, seed, f"r{seed}"))
    office.submit(approve(office, f"r{seed}"))
    return person
