"""The ledger of erasures: appended once, whole after a crash, and never silently less than it was."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from infra.erasure_ledger import ErasureLedger, ErasureLedgerError
from tests.infra.test_erasing import approve, ask, person_of


@pytest.fixture
def erased(office):
    """Ids of three persons who were erased."""
    persons = []
    for seed in (1, 2, 3):
        office.submit(office.booking(seed, start=office.start_after(seed)))
        persons.append(person_of(office, seed))
        office.submit(ask(office, seed, f"r{seed}"))
        office.submit(approve(office, f"r{seed}"))
    return persons


def keep(office, path):
    with psycopg.connect(office.instance.dsn) as connection:
        return ErasureLedger(path).keep(connection)


def persons_in(path):
    return [erasure.person for erasure in ErasureLedger(path).erasures()]


def test_what_the_log_has_and_the_ledger_lacks_is_written_once(office, erased, tmp_path):
    path = tmp_path / "beside" / "erasure.ledger"

    assert [keep(office, path), keep(office, path)] == [3, 0]

    assert persons_in(path) == erased
    assert [erasure.request for erasure in ErasureLedger(path).erasures()] == ["r1", "r2", "r3"]
    assert path.stat().st_mode & 0o077 == 0


def test_no_file_is_an_empty_ledger(tmp_path):
    assert ErasureLedger(tmp_path / "none").erasures() == []


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_line_that_a_crash_cut_short_is_written_again(office, erased, tmp_path, cut):
    path = tmp_path / "erasure.ledger"
    keep(office, path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert persons_in(path) == erased[:2]

    assert keep(office, path) == 1

    assert persons_in(path) == erased
    assert path.read_bytes().count(b"\n") == 3


def test_a_line_that_is_no_erasure_is_an_error_and_not_one_erasure_less(office, erased, tmp_path):
    path = tmp_path / "erasure.ledger"
    keep(office, path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"garbage\n" + lines[2])

    with pytest.raises(ErasureLedgerError):
        ErasureLedger(path).erasures()


def test_a_ledger_that_cannot_be_written_says_so(office, erased, tmp_path):
    (tmp_path / "folder").mkdir()

    with pytest.raises(ErasureLedgerError):
        keep(office, tmp_path / "folder")


def test_processes_that_keep_at_the_same_time_write_each_erasure_once(office, erased, tmp_path):
    path = tmp_path / "erasure.ledger"

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: keep(office, path), range(8)))

    assert sum(added) == 3
    assert path.read_bytes().count(b"\n") == 3
