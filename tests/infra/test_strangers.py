"""A person is drawn and sealed before the lock is held; only the words of the command that met them are kept."""

import pytest

from domain.commands import Beneficiary
from infra.strangers import Strangers


@pytest.fixture
def vault(office):
    return office.instance.vault


@pytest.fixture
def strangers(vault):
    return Strangers(vault)


def test_the_person_expected_is_the_one_met_and_sealed(office, vault, strangers):
    told = office.beneficiary(1, name="نورة")
    strangers.expect([told])

    person = strangers.new_person(told.lookup)

    row = strangers.sealed(person, told)
    assert row.person == person
    assert row.lookup in vault.stored_lookups([told.lookup])
    assert (vault.open(row).number, vault.open(row).name) == (told.number, "نورة")


def test_what_the_command_says_that_met_them_is_kept_and_not_what_a_refused_one_said(office, vault, strangers):
    refused, accepted = office.beneficiary(1, mobile="+966500000001"), office.beneficiary(1, mobile="+966500000002")
    strangers.expect([refused, accepted])

    person = strangers.new_person(accepted.lookup)

    assert vault.open(strangers.sealed(person, accepted)).mobile == "+966500000002"


def test_nobody_of_an_earlier_batch_is_met_again(office, strangers):
    told = office.beneficiary(1)
    strangers.expect([told])
    before = strangers.new_person(told.lookup)

    strangers.expect([])

    assert strangers.new_person(told.lookup) != before


def test_somebody_unexpected_is_drawn_and_sealed_when_met(office, vault, strangers):
    told: Beneficiary = office.beneficiary(1)

    person = strangers.new_person(told.lookup)

    assert vault.open(strangers.sealed(person, told)).number == told.number
