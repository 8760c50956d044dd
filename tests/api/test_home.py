import re
from datetime import date, datetime
from html.parser import HTMLParser

import pytest

from api.web.language import ARABIC, ENGLISH
from domain.calendar import RIYADH
from tests.api.client import ADVANCE, MONDAY, start_after

PAGES = {"/": ARABIC, "/en/": ENGLISH}


class Page(HTMLParser):
    """Which elements there are, and that each is closed."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], list[str]()
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def opened(api, path, now=ADVANCE):
    api.get("/v1/milestones", headers={"Mawid-At-Least": str(api.head())})
    api.get("/v1/offices", headers={"Mawid-At-Least": str(api.head())})
    office = "office=CA-XX-01&service=SV-CA-02&from=2011-01-03"
    api.get(f"/v1/availability?{office}", headers={"Mawid-At-Least": str(api.head())})
    response = api.get(path, headers={"Mawid-Now": now.isoformat()})
    assert response.status_code == 200
    return response


def words(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text))


@pytest.mark.parametrize(("path", "language"), PAGES.items())
def test_the_page_is_whole_in_its_language_and_direction(api, path, language):
    response = opened(api, path)

    page = Page(response.text)
    (html,) = page.all("html")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert html == {"lang": language.code, "dir": language.direction}
    assert len(page.all("h1")) == 1


@pytest.mark.parametrize("path", PAGES)
def test_the_page_needs_nothing_from_elsewhere_and_has_no_script_or_style_of_its_own(api, path):
    response = opened(api, path)

    page = Page(response.text)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in response.text
    assert all(script.get("src") for script in page.all("script"))
    assert not page.all("style")
    assert not [name for _, attributes in page.elements for name in attributes if name == "style" or name[:2] == "on"]


def test_what_the_page_refers_to_is_there(api):
    page = Page(opened(api, "/").text)
    addresses = {
        each.get("href") or each.get("src") for tag in ("link", "script", "img", "a") for each in page.all(tag)
    }

    answered = {each: api.get(each, api.operator).status_code for each in addresses if each.startswith("/")}

    assert set(answered.values()) == {200}
    assert {"/docs", "/openapi.json", "/health/ready", "/v1/statistics/totals", "/v1/audit/events"} <= set(answered)


def test_its_files_are_kept_for_ever_under_names_that_change_with_them(api):
    styles = next(each["href"] for each in Page(opened(api, "/").text).all("link") if each["rel"] == "stylesheet")

    response = api.get(styles)

    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert re.fullmatch(r"/static/page\.[0-9a-f]{12}\.css", styles)
    assert api.get("/static/page.css").status_code == 404
    assert api.get("/static/..%2Fwording%2Far.toml").status_code == 404


def test_the_count_the_last_milestone_and_the_place_of_the_log_are_shown(open_api):
    api = open_api()
    office = api.given_an_office()
    for n in range(10):
        api.given_a_booking(office, start=start_after(n))

    arabic, english = words(opened(api, "/")), words(opened(api, "/en/"))

    assert "Last milestone crossed: 10 1 January 2011 (26 Muharram 1432 AH)" in english
    assert "آخر حاجز تم اجتيازه: ١٠ ١ يناير ٢٠١١ (٢٦ محرم ١٤٣٢ هـ)" in arabic
    assert f"As of fact {api.head():,}" in english.replace("  ", " ")
    assert '<p class="count"><data value="10">١٠</data></p>' in opened(api, "/").text


def test_offices_live_and_places_of_the_coming_days_are_shown(open_api):
    api = open_api()
    office = api.given_an_office(counters=2)
    api.given_an_office(live_from=None, days=None)
    api.given_a_booking(office)

    on_saturday, at_nine, after_hours = (
        words(opened(api, "/en/", now)) for now in (ADVANCE, start_after(4), datetime(2011, 1, 3, 20, tzinfo=RIYADH))
    )

    assert "Offices live 1 of 2" in on_saturday
    assert "Free places 47 of 48 Monday · 3 January 2011 (28 Muharram 1432 AH)" in on_saturday
    assert "Free places 40 of 40 Today · 3 January 2011" in at_nine
    assert "Free places 48 of 48 Tuesday · 4 January 2011" in after_hours
    assert "Over for today" in after_hours
    assert "TB 1 47 47 of 48" in on_saturday


def test_closed_days_say_why(open_api):
    api = open_api()
    api.given_an_office(days=("2011-01-03", "2011-01-07"))

    page = words(opened(api, "/en/"))

    assert "Thursday 6 January 2011 2 Safar 1432 AH Weekend" in page
    assert "Sunday 2 January 2011 27 Muharram 1432 AH Not published yet" in page


def test_a_page_without_anything_published_says_so(open_api):
    api = open_api()

    assert "No places are published for these days." in words(opened(api, "/en/"))
    assert "No milestone has been crossed yet." in words(opened(api, "/en/"))


def test_who_has_the_page_is_told_that_it_still_holds(api):
    tag = opened(api, "/").headers["etag"]

    response = api.get("/", headers={"If-None-Match": tag, "Mawid-Now": ADVANCE.isoformat()})

    assert (response.status_code, response.content) == (304, b"")


def test_visitors_within_a_second_cost_one_look(api):
    first, second = api.get("/").text, api.get("/").text

    assert first == second


def test_english_is_found_without_its_slash(api):
    response = api.get("/en")

    assert (response.status_code, response.headers["location"]) == (308, "/en/")


# -- the languages ----------------------------------------------------------------------------------------------------


def keys(words):
    """All names, nested ones with dots; of lists how long they are."""
    for name, value in words.items():
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in keys(value))
        else:
            yield f"{name}[{len(value)}]" if isinstance(value, list) else name


def test_both_languages_have_a_word_for_everything():
    assert sorted(keys(ARABIC.words)) == sorted(keys(ENGLISH.words))


def test_numbers_and_dates_are_written_in_the_languages_digits():
    day = date(2011, 2, 5)

    assert (ARABIC.number(1_234_567), ENGLISH.number(1_234_567)) == ("١٬٢٣٤٬٥٦٧", "1,234,567")
    assert (ARABIC.day(day), ENGLISH.day(day)) == ("٥ فبراير ٢٠١١", "5 February 2011")
    assert (ARABIC.hijri(day), ENGLISH.hijri(day)) == ("٢ ربيع الأول ١٤٣٢ هـ", "2 Rabi I 1432 AH")
    assert (ARABIC.weekday(day), ENGLISH.weekday(day)) == ("السبت", "Saturday")
    assert ENGLISH.time(MONDAY) == "08:00:00"
    assert ENGLISH.hijri(date(2099, 1, 1)) == ""
