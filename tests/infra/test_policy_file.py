"""A policy file counts whole or not at all; what is wrong is named with its line."""

from datetime import date

import pytest

from infra.policy_file import BYTES_MAX, PolicyFileError, read_policies

WHOLE = """\
# Two changes of 2011.
[[policy]]
from = 2011-03-01
horizon_days = 45

[policy.channels.sms]
services = [
    "SV-CA-02",  # renewal

    "SV-CA-03",
]
opens_at = 2011-03-05T08:00:00+03:00
share_percent = 25

[[policy]]
from = 2011-06-01
hold_min = 5
channels.kiosk.share_percent = 50
"""


@pytest.fixture
def read(tmp_path):
    def read(content):
        file = tmp_path / "policy.toml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_policies(file)

    return read


@pytest.fixture
def refusal(read):
    def refusal(content):
        with pytest.raises(PolicyFileError) as refused:
            read(content)
        return refused.value.line, refused.value.problem

    return refusal


def test_each_table_says_what_differs_from_the_one_before(read):
    first, second = read(WHOLE)

    assert [first.since, second.since] == [date(2011, 3, 1), date(2011, 6, 1)]
    assert (first.rules["horizon_days"], first.rules["hold_min"]) == (45, 10)
    assert (second.rules["horizon_days"], second.rules["hold_min"]) == (45, 5)
    sms = {"services": ["SV-CA-02", "SV-CA-03"], "opens_at": "2011-03-05T08:00:00+03:00", "share_percent": 25}
    assert first.rules["channels"] == {"sms": sms}
    assert second.rules["channels"] == {"kiosk": {"services": "all", "share_percent": 50}, "sms": sms}


def test_a_file_without_a_table_says_nothing(read):
    assert read("# to come\n") == []


@pytest.mark.parametrize(
    ("old", "new", "line", "named"),
    [
        ("horizon_days = 45", "horizon = 45", 4, "horizon"),
        ("horizon_days = 45", "horizon_days = -1", 4, "horizon_days"),
        ("horizon_days = 45", "horizon_days = 45.0", 4, "horizon_days"),
        ("horizon_days = 45", "horizon_days = '45'", 4, "horizon_days"),
        ("horizon_days = 45", "horizon_days = true", 4, "horizon_days"),
        ("horizon_days = 45", "horizon_days = 45\nhorizon_days = 46", 5, "TOML"),
        ("horizon_days = 45", "horizon_days = ", 4, "TOML"),
        ("channels.sms", "channels.fax", 6, "channels.fax"),
        ('"SV-CA-03"', "3", 7, "channels.sms.services"),
        ("services", "service", 7, "channels.sms.service"),
        ("2011-03-05T08:00:00+03:00", "2011-03-05", 12, "channels.sms.opens_at"),
        ("share_percent = 25", "share_percent = 0", 13, "channels.sms.share_percent"),
        ("from = 2011-06-01\n", "", 15, "from"),
        ("from = 2011-06-01", "from = 2011-03-01", 16, "overlap"),
        ("from = 2011-06-01", "from = 2011-02-28", 16, "overlap"),
        ("from = 2011-06-01", 'from = "2011-06-01"', 16, "from"),
        ("from = 2011-06-01", "from = 2011-06-01T00:00:00", 16, "from"),
        ("from = 2011-06-01", "from = 1911-06-01", 16, "from"),
        ("hold_min = 5", "hold_min = 0", 17, "hold_min"),
        ("channels.kiosk.share_percent = 50", "channels.kiosk = 50", 18, "channels.kiosk"),
        ("# Two", "hold_min = 5\n# Two", 1, "hold_min"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(refusal, old, new, line, named):
    assert old in WHOLE

    told_line, problem = refusal(WHOLE.replace(old, new, 1))

    assert told_line == line
    assert named in problem


def test_lines_of_windows_count_the_same(refusal):
    told_line, _ = refusal(WHOLE.replace("hold_min = 5", "hold_min = 0").replace("\n", "\r\n"))

    assert told_line == 17


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("[policy]\nfrom = 2011-03-01\n", 1),
        ("\npolicy = 3\n", 2),
        ("[[policy]]\nfrom = 2011-03-01\nhold_min = [5,\n", 4),
        (b"[[policy]]\n# \xff\n", 2),
        ("#" * (BYTES_MAX + 1), None),
    ],
    ids=["one table", "no table", "unfinished", "not UTF-8", "too large"],
)
def test_what_is_no_policy_file_is_refused(refusal, content, line):
    assert refusal(content)[0] == line


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(PolicyFileError) as refused:
        read_policies(tmp_path / "none.toml")

    assert refused.value.line is None
    assert "none.toml" in str(refused.value)
