"""Any other way, by Apprise, against a local receiver."""

import json

import pytest

from consumers.elsewhere import Elsewhere, UnknownAddressError
from consumers.sending import Unavailable
from tests.consumers.peers import free_port, http_receiver

CODE = "7M4K-92QX-R3TB-H"


def test_an_address_of_the_persons_own_gets_all(envelope):
    with http_receiver() as (port, bodies):
        Elsewhere("notify-1", f"json://127.0.0.1:{port}/to/{{mobile}}?:mobile={{mobile}}").send(envelope())

    (body,) = map(json.loads, bodies)
    assert body["title"] == "Your appointment is confirmed"
    assert body["mobile"] == "+966500000001"
    assert CODE in body["message"]


def test_an_address_of_nobodys_own_gets_no_code(envelope):
    with http_receiver() as (port, bodies):
        Elsewhere("notify-1", f"json://127.0.0.1:{port}/").send(envelope())

    assert CODE.encode() not in bodies[0]
    assert b"966500000001" not in bodies[0]
    assert b"Tabuk Civil Affairs" in bodies[0]


def test_a_receiver_that_is_away_is_unavailable(envelope):
    with pytest.raises(Unavailable):
        Elsewhere("notify-1", f"json://127.0.0.1:{free_port()}/").send(envelope())


def test_an_address_that_cannot_be_sent_to_is_told_at_once_and_not_repeated():
    with pytest.raises(UnknownAddressError) as met:
        Elsewhere("notify-1", "nosuchservice://secret@host")

    assert "secret" not in str(met.value)
