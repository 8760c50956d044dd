"""A customer's code stays good after a new reference key has come, and whoever asks again is shown the same one."""

import psycopg

from infra.key_rotation import add_reference
from tests.api.client import booking, new_key, new_number
from tests.api.conftest import opened_api


def test_codes_of_before_and_after_a_new_reference_key_are_told_and_taken_alike(database_url, tmp_path):
    number, key = new_number(), new_key()
    with opened_api(database_url, tmp_path) as api:
        office = api.given_an_office(counters=2)
        asked = booking(office, number=number)
        before = api.post("/v1/bookings", asked, key=key)
    with psycopg.connect(database_url, autocommit=True) as connection:
        add_reference(api.settings, connection)

    with opened_api(database_url, tmp_path) as api:
        again = api.post("/v1/bookings", asked, key=key)
        refused = api.post("/v1/bookings", asked)
        after = api.book(office, number=new_number())
        api.follower.catch_up()
        read = [
            api.get(f"/v1/bookings/{made.json()['reference']}", by=api.token("staff", office=office))
            for made in (before, after)
        ]
        listed = api.get(f"/v1/bookings?number={number}", by=api.citizen(number))

    assert again.content == before.content
    assert refused.json()["reference"] == before.json()["reference"]
    assert [answer.json()["booking"] for answer in read] == [made.json()["booking"] for made in (before, after)]
    assert [row["reference"] for row in listed.json()["bookings"]] == [before.json()["reference"]]
