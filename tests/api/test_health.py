import pytest


def test_a_process_that_answers_is_live(api):
    response = api.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "live"})


def test_it_is_ready_when_the_views_have_reached_the_head_seen_at_start(open_api):
    api = open_api()
    api.get("/v1/services", headers={"Mawid-At-Least": str(api.head())})

    response = api.get("/health/ready")

    assert (response.status_code, response.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"])
def test_the_instances_own_pages_need_no_token(api, path):
    assert api.get(path).status_code == 200
