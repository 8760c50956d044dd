"""SMS over SMPP, against a server of another make."""

import time
from dataclasses import replace

import pytest

from consumers.sending import Away, Unavailable
from consumers.sms import Sms, SmsServer, _parts, _period
from tests.consumers.peers import Simulator, raw_server


@pytest.fixture
def simulator(tmp_path):
    simulator = Simulator(tmp_path / "simulator.log")
    yield simulator
    simulator.kill()


@pytest.fixture
def server(simulator):
    return SmsServer(
        host="127.0.0.1",
        port=simulator.port,
        user="j",
        password="jpwd",
        sender="Mawid",
        receipt_ids="hex-decimal",
        wait_s_max=5,
        enquire_every_s=30,
        valid_h=24,
    )


@pytest.fixture
def receipts():
    return []


@pytest.fixture
def sms(server, receipts):
    sms = Sms(server, receipts.append)
    yield sms
    sms.close()


def listen_until(sms, is_done):
    deadline = time.monotonic() + 20
    while not is_done():
        assert time.monotonic() < deadline
        sms.listen()
        time.sleep(0.05)


def test_an_arabic_message_goes_in_parts_and_each_is_receipted(sms, receipts, envelope):
    handed = sms.send(envelope("ar"))

    listen_until(sms, lambda: len(receipts) >= len(handed.receipts))

    assert len(handed.receipts) > 1
    assert {receipt.id for receipt in receipts} == set(handed.receipts)
    assert all(receipt.is_delivered for receipt in receipts)


def test_parts_are_whole_characters_of_the_shortest_alphabet():
    latin, latin_coding, _ = _parts("a" * 161)
    arabic, arabic_coding, _ = _parts("ع" * 71)
    braces, braces_coding, _ = _parts("{" + "a" * 100)

    assert (latin_coding, [len(part) for part in latin]) == (0, [6 + 153, 6 + 8])
    assert (arabic_coding, [len(part) for part in arabic]) == (8, [6 + 134, 6 + 8])
    assert (braces_coding, len(braces)) == (8, 2)


@pytest.mark.parametrize(("hours", "period"), [(24, "000001000000000R"), (30, "000001060000000R")])
def test_the_network_is_told_how_long_to_try(hours, period):
    assert _period(hours) == period


def test_a_wrong_password_is_told_and_may_be_put_right(server, receipts, envelope):
    sms = Sms(replace(server, password="wrong"), receipts.append)

    with pytest.raises(Unavailable) as failure:
        sms.send(envelope())

    assert failure.value.why.startswith("smpp-")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0\0\0\x04",
        b"\0\0\0\x10" + b"\xff" * 12,
        b"\0\0\0\x14\x80\0\0\x09" + b"\0" * 4 + b"\0\0\0\x02abcd",
        b"",
    ],
    ids=["http", "short", "unknown", "answer cut", "nothing"],
)
def test_a_server_that_speaks_something_else_is_away(server, receipts, envelope, said):
    with raw_server(said) as port:
        sms = Sms(replace(server, port=port, wait_s_max=1), receipts.append)

        with pytest.raises(Away):
            sms.send(envelope())


def test_a_server_that_was_away_is_called_again(simulator, sms, envelope):
    sms.send(envelope())
    simulator.kill()
    with pytest.raises(Unavailable):
        sms.send(envelope())

    simulator.start()

    assert sms.send(envelope()).receipts


def test_a_silent_line_is_asked_whether_it_lives(simulator, server, receipts):
    sms = Sms(replace(server, enquire_every_s=0), receipts.append)
    sms.listen()
    simulator.kill()

    with pytest.raises(Unavailable):
        sms.listen()

    simulator.start()
    sms.listen()
    sms.close()
