import pytest

from domain.commands import RegisterRegion
from infra.bootstrap import OPERATOR
from tests.api.client import ADVANCE, SERVICES


@pytest.fixture(scope="module")
def offices(shared_api):
    """One in each of two regions, and one that is not live."""
    return [
        shared_api.given_an_office(days=None),
        shared_api.given_an_office(region="RD", days=None, counters=3),
        shared_api.given_an_office(live_from=None, days=None),
    ]


def read(api, path, **asked):
    headers = {"Mawid-At-Least": str(api.head())} | asked.pop("headers", {})
    return api.get(path, headers=headers, **asked)


def test_sectors_are_named_in_both_languages(api):
    answer = read(api, "/v1/sectors").json()

    assert answer["sectors"][0] == {"sector": "civil_affairs", "name_ar": "الأحوال المدنية", "name_en": "Civil Affairs"}
    assert [each["sector"] for each in answer["sectors"]] == ["civil_affairs", "passports", "traffic", "police"]


def test_services_are_those_of_a_sector_or_all(api):
    everything = read(api, "/v1/services").json()["services"]
    traffic = read(api, "/v1/services?sector=traffic").json()["services"]

    assert [each["service"] for each in everything] == sorted(SERVICES)
    assert traffic == [
        {
            "service": "SV-TR-01",
            "sector": "traffic",
            "name_ar": "تجديد الهوية",
            "name_en": "Renew national ID",
            "audience": "both",
            "minutes": 15,
            "electronic": True,
            "needs_visit": True,
            "border_number": False,
            "documents": "",
            "offices": 0,
            "offices_live": 0,
        }
    ]


def test_an_office_shows_its_live_date_in_both_calendars(api, offices):
    here, _, not_live = offices

    found = {each["office"]: each for each in read(api, "/v1/offices").json()["offices"]}

    assert found[here] == {
        "office": here,
        "name_ar": "مكتب تبوك",
        "name_en": "Tabuk office",
        "city_ar": "تبوك",
        "city_en": "Tabuk",
        "region": "TB",
        "section": "mixed",
        "sectors": ["civil_affairs"],
        "counters": 1,
        "latitude": None,
        "longitude": None,
        "live_from": "2010-11-27",
        "paused": False,
        "hijri": "1431-12-21",
    }
    assert (found[not_live]["live_from"], found[not_live]["hijri"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("region=RD", [1]),
        ("region=TB", [0, 2]),
        ("live_on=2010-11-26", []),
        ("live_on=2010-11-27", [0, 1]),
        ("service=SV-CA-02&live_on=2011-01-01&region=TB", [0]),
        ("service=SV-TR-01", []),
        ("service=SV-CA-90", []),
    ],
)
def test_offices_are_narrowed(api, offices, query, expected):
    found = read(api, f"/v1/offices?{query}").json()["offices"]

    assert {each["office"] for each in found} & set(offices) == {offices[n] for n in expected}


def test_counters_are_those_of_now(api, offices):
    api.post(f"/v1/offices/{offices[1]}/counters", {"from": "2011-01-02", "to": "2011-01-02", "counters": 7})

    def counters(now):
        found = read(api, "/v1/offices?region=RD", headers={"Mawid-Now": now}).json()["offices"]
        return next(each["counters"] for each in found if each["office"] == offices[1])

    assert [counters(f"2011-01-0{day}T10:00:00+03:00") for day in (1, 2, 3)] == [3, 7, 3]


def test_regions_are_whole_lists_with_their_position(api):
    answer = read(api, "/v1/regions")

    assert answer.json()["regions"] == []
    assert answer.json()["as_of"] == {"position": api.head(), "at": ADVANCE.isoformat()}


@pytest.mark.parametrize(("live_on", "live"), [("2010-11-26", 0), ("2010-11-27", 1)])
def test_the_rollout_is_told_by_region_and_service_as_of_any_date(api, live_on, live):
    def covered():
        regions = read(api, f"/v1/regions?live_on={live_on}").json()["regions"]
        services = read(api, f"/v1/services?live_on={live_on}").json()["services"]
        return [
            (each["offices"], each["offices_live"])
            for each in (*regions, *services)
            if each.get("region") == "QS" or each.get("service") in ("SV-CA-02", "SV-CA-90", "SV-TR-01")
        ]

    stamp = api.instance.stamp(OPERATOR, "region/QS", ADVANCE)
    region = RegisterRegion(**stamp, region="QS", name_ar="القصيم", name_en="Qassim")
    api.instance.desk.submit(region).result(20)
    before = covered()
    for live_from in ("2010-11-27", None):
        api.given_an_office(region="QS", live_from=live_from, days=None)

    grown = [(now[0] - then[0], now[1] - then[1]) for then, now in zip(before, covered(), strict=True)]

    assert grown == [(2, live), (2, live), (0, 0), (0, 0)]  # no office offers what needs no visit, or traffic


def test_coverage_is_that_of_today_unless_told(api, offices):
    def live(now):
        found = read(api, "/v1/services", headers={"Mawid-Now": now}).json()["services"]
        return next(each["offices_live"] for each in found if each["service"] == "SV-CA-02")

    assert live("2010-11-26T23:59:59+03:00") == 0
    assert live("2010-11-27T00:00:00+03:00") >= 2


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/services?sector=astronomy", "sector"),
        ("/v1/services?sector=%00", "sector"),
        ("/v1/offices?region=XX", "region"),
        ("/v1/offices?region=TB&service=SV-XX-01", "service"),
        ("/v1/offices?live_on=yesterday", "live_on"),
        ("/v1/offices?live_on=2011-02-30", "live_on"),
        ("/v1/offices?live_on=2011-01-01T00:00:00Z", "live_on"),
        ("/v1/offices?page=2", "page"),
        ("/v1/regions?live_on=2011-02-30", "live_on"),
        ("/v1/services?live_on=soon", "live_on"),
        ("/v1/sectors?sector=traffic", "sector"),
    ],
)
def test_what_is_not_in_the_catalogue_is_refused_by_its_name(api, path, field):
    response = api.get(path)

    assert (response.status_code, response.json()["field"]) == (422, field)


def test_who_has_an_answer_is_told_that_it_still_holds(api):
    first = read(api, "/v1/services")

    again = read(api, "/v1/services", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})

    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


def test_an_answer_that_cannot_be_had_in_time_is_refused(api):
    response = api.get("/v1/regions", headers={"Mawid-At-Least": str(api.head() + 1)})

    assert (response.status_code, response.json()["type"]) == (503, "/problems/view-behind")
