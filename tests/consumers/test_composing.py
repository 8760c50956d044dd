"""What a message says: in the reader's language, with both calendars, plurals and directions right."""

import tomllib
from datetime import timedelta
from importlib.resources import files

import pytest
from babel import Locale

from consumers.composing import compose, counted, language_of
from consumers.notices import Kind, notice_of, reminder_of
from tests.consumers.conftest import BEFORE, NAMES, TEN

CODE = "7M4K-92QX-R3TB-H"


def said(story, notice, language="ar"):
    return compose(notice, story.facts, names=NAMES, reference=CODE, language=language)


def test_an_english_confirmation_says_what_where_when_and_the_code(story):
    message = said(story, notice_of(story.book()), "en")

    assert message.personal_text == (
        "Confirmed: Renew national ID at Tabuk Civil Affairs, Sunday 6 February 2011 (3 Rabi I 1432 AH) at 9:00 AM, "
        f"for 15 minutes. Booking code: {CODE}"
    )


def test_an_arabic_confirmation_has_its_own_digits_and_keeps_each_value_in_its_direction(story):
    message = said(story, notice_of(story.book()))

    assert message.personal_text == (
        "تم تأكيد موعدكم لخدمة \u2068تجديد بطاقة الهوية الوطنية\u2069 في \u2068إدارة الأحوال المدنية بتبوك\u2069 يوم "
        "\u2068الأحد ٦ فبراير ٢٠١١ (الموافق ٣ ربيع الأول ١٤٣٢ هـ) الساعة ٩:٠٠ ص\u2069 لمدة ١٥ دقيقة. "
        f"رمز الحجز: \u2066{CODE}\u2069"
    )


def test_arabic_among_english_is_isolated(story):
    names = NAMES._replace(offices={})
    named = names._replace(services={"SV-CA-02": NAMES.services["SV-CA-02"]._replace(en="تجديد")})

    notice = notice_of(story.book())
    assert notice is not None

    message = compose(notice, story.facts, names=named, reference=CODE, language="en")

    assert "\u2068تجديد\u2069 at CA-TB-01" in message.text


def test_what_anybody_may_read_holds_no_code(story):
    notices = [notice_of(story.book()), notice_of(story.move(TEN)), notice_of(story.displace(None))]

    for notice in notices:
        message = said(story, notice)
        assert CODE not in message.text + message.subject
        assert CODE in message.personal_text


def test_a_message_tells_how_things_stood_after_its_own_fact(story):
    confirmation, change = notice_of(story.book()), notice_of(story.move(TEN))

    first, second = said(story, confirmation, "en"), said(story, change, "en")

    assert "at 9:00 AM" in first.text
    assert "at 10:00 AM instead of Sunday 6 February 2011 (3 Rabi I 1432 AH) at 9:00 AM" in second.text
    assert [message.appointment.revision for message in (first, second)] == [0, 1]


@pytest.mark.parametrize(("hours", "told"), [(1, "ساعة واحدة"), (1.5, "٩٠ دقيقة"), (1.75, "١٠٥ دقائق"), (2, "ساعتين")])
def test_an_offer_says_how_long_it_is_kept(story, hours, told):
    story.join()

    message = said(story, notice_of(story.offer(BEFORE + timedelta(hours=hours))))

    assert f"محجوز لكم لمدة {told} حتى" in message.text
    assert message.code is None
    assert message.appointment is None


@pytest.mark.parametrize(
    ("n", "arabic", "english"),
    [
        (0, "أقل من دقيقة", "0 minutes"),
        (1, "دقيقة واحدة", "1 minute"),
        (2, "دقيقتين", "2 minutes"),
        (3, "٣ دقائق", "3 minutes"),
        (10, "١٠ دقائق", "10 minutes"),
        (11, "١١ دقيقة", "11 minutes"),
        (99, "٩٩ دقيقة", "99 minutes"),
        (100, "١٠٠ دقيقة", "100 minutes"),
        (103, "١٠٣ دقائق", "103 minutes"),
    ],
)
def test_plurals_are_those_of_the_language(n, arabic, english):
    assert counted("minutes", n, "ar") == arabic
    assert counted("minutes", n, "en") == english


@pytest.mark.parametrize("language", ["ar", "en"])
def test_every_kind_of_message_and_every_plural_has_its_words(story, language):
    words = tomllib.loads((files("consumers") / "wording" / f"{language}.toml").read_text("utf-8"))

    assert all({"subject", "text"} == words[kind].keys() for kind in Kind)
    assert all(set(words[unit]) >= set(Locale(language).plural_form.tags) for unit in ("minutes", "hours"))


def test_a_cancellation_leaves_the_calendar_and_a_reminder_does_not_touch_it(story):
    booked = story.book()
    reminder, cancellation = reminder_of(booked), notice_of(story.cancel())

    assert said(story, reminder).appointment is None
    assert said(story, cancellation).appointment.is_cancelled


@pytest.mark.parametrize("told", [None, "ar", "fr"])
def test_arabic_is_spoken_unless_english_was_asked_for(told):
    assert language_of(told) == "ar"
    assert language_of("en") == "en"
