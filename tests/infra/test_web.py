"""How an API process sees itself, by the system's clock."""

from typing import Any

import pytest

from api.edge import Edge
from infra.web import _watched
from tests.api.client import Api
from tests.api.conftest import opened_api


@pytest.fixture
def api(database_url, tmp_path):
    with opened_api(database_url, tmp_path, MAWID_CLOCK="system") as api:
        yield api


def watched(api: Api):
    assert isinstance(api.app, Edge)
    fastapi: Any = api.app._inner._inner  # type: ignore[attr-defined]
    return _watched(fastapi.state.services, api.app)


def test_a_process_that_answers_and_whose_views_follow_is_ready_and_fresh(api):
    api.get("/v1/services", headers={"Mawid-At-Least": str(api.head())})

    assert watched(api).is_ready()
    assert watched(api).lag_s() == 0
    assert watched(api).confirmations() == (0, 0)


def test_a_process_whose_views_nobody_follows_is_neither(api):
    api.follower.close()

    response = api.post("/v1/offices", OFFICE, at=None)

    assert response.status_code == 201
    assert not watched(api).is_ready()
    assert watched(api).lag_s() > 0


OFFICE = {
    "office": "CA-TB-01",
    "name_ar": "مكتب",
    "name_en": "office",
    "city_ar": "تبوك",
    "city_en": "Tabuk",
    "region": "TB",
    "section": "mixed",
    "counters": 1,
}
