"""The fifteen indicators of the national measurement, version 1. Another version stands beside it, not in it."""

from fractions import Fraction
from typing import Final, Literal, NamedTuple

Unit = Literal["share", "days", "minutes"]


class Indicator(NamedTuple):
    name: str
    weight: Fraction  # within its perspective
    floor: Fraction  # scores 0; above the target where less is better
    target: Fraction  # scores 1
    unit: Unit
    name_en: str
    name_ar: str

    def score(self, value: Fraction) -> Fraction:
        reached = (value - self.floor) / (self.target - self.floor)
        return min(max(reached, Fraction(0)), Fraction(1))


class Perspective(NamedTuple):
    name: str
    weight: Fraction  # within the index
    name_en: str
    name_ar: str
    indicators: tuple[Indicator, ...]


_Row = tuple[str, str, str, str, Unit, str, str]
_A: tuple[_Row, ...] = (
    ("A1", "0.50", "0", "1", "share", "Live offices / all offices", "الإدارات المفعّلة إلى جميع الإدارات"),
    ("A2", "0.30", "0", "1", "share", "Electronic services / catalogue", "الخدمات الإلكترونية إلى جميع الخدمات"),
    ("A3", "0.20", "0.50", "1", "share", "Office-days published ≥ 14 days ahead", "أيام عمل نُشرت قبل 14 يومًا فأكثر"),
)
_B: tuple[_Row, ...] = (
    ("B1", "0.50", "0.95", "0.999", "share", "Opening minutes with booking ready", "دقائق الدوام والحجز متاح"),
    ("B2", "0.30", "0.80", "0.99", "share", "Confirmations within 2 s", "تأكيدات صدرت خلال ثانيتين"),
    (
        "B3",
        "0.20",
        "0.90",
        "0.999",
        "share",
        "Minutes with projection lag ≤ 5 s",
        "دقائق لم يتأخر العرض فيها عن 5 ثوانٍ",
    ),
)
_C: tuple[_Row, ...] = (
    ("C1", "0.30", "0.50", "1", "share", "Bookings with a valid mobile", "حجوزات برقم جوال صحيح"),
    ("C2", "0.40", "0.70", "0.98", "share", "Reminders delivered / sent", "التذكيرات الواصلة إلى المرسلة"),
    (
        "C3",
        "0.30",
        "0.60",
        "1",
        "share",
        "Outcomes recorded by the next working day",
        "نتائج سُجلت حتى يوم العمل التالي",
    ),
)
_D: tuple[_Row, ...] = (
    (
        "D1",
        "0.25",
        "0",
        "0.95",
        "share",
        "Electronic share of all visits booked",
        "نصيب القنوات الإلكترونية من المواعيد",
    ),
    ("D2", "0.15", "14", "3", "days", "Median lead time, days", "وسيط المدة بين الحجز والموعد بالأيام"),
    ("D3", "0.20", "0.30", "0.05", "share", "No-show rate", "نسبة التخلف عن الحضور"),
    ("D4", "0.10", "0.20", "0.02", "share", "Late cancellations / bookings", "الإلغاء المتأخر إلى الحجوزات"),
    ("D5", "0.15", "0.30", "0.85", "share", "Served units / capacity units", "الوحدات المخدومة إلى الطاقة"),
    ("D6", "0.15", "60", "10", "minutes", "Median wait at the counter, minutes", "وسيط الانتظار عند الشباك بالدقائق"),
)


def _perspective(name: str, name_en: str, name_ar: str, rows: tuple[_Row, ...]) -> Perspective:
    indicators = tuple(
        Indicator(indicator, Fraction(weight), Fraction(floor), Fraction(target), unit, in_english, in_arabic)
        for indicator, weight, floor, target, unit, in_english, in_arabic in rows
    )
    return Perspective(name, Fraction(1, 4), name_en, name_ar, indicators)


PERSPECTIVES: Final = (
    _perspective("A", "Organisation", "التنظيم", _A),
    _perspective("B", "Technical", "التقنية", _B),
    _perspective("C", "Information", "المعلومات", _C),
    _perspective("D", "E-services", "الخدمات الإلكترونية", _D),
)
INDICATORS: Final = {each.name: each for perspective in PERSPECTIVES for each in perspective.indicators}
