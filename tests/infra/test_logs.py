import json
import logging

import pytest
import structlog

from infra.logs import configure


@pytest.fixture(autouse=True)
def logging_as_it_was():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()


def test_a_text_line_is_one_line_of_keys_and_values(capsys):
    configure("text")

    structlog.get_logger("api").info("booked\nlevel=error", office="CA-TB-01", hijri="صفر", raw="a\rb\x1b[2J")

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert 'level=info event="booked\\nlevel=error" office=CA-TB-01 hijri=صفر' in err
    assert "\r" not in err
    assert "\x1b" not in err


def test_a_json_line_is_an_object(capsys):
    configure("json")

    structlog.get_logger("api").warning("slow", ms=250)

    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["ms"], line["logger"]) == ("slow", "warning", 250, "api")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_belongs_to_a_person_is_masked_at_any_depth(capsys, log_format):
    configure(log_format)

    structlog.get_logger("api").info(
        "refused",
        number="1050000001",
        old_number="1050000001",
        Authorization="Bearer 1050000001",
        body={"beneficiary": {"name": "1050000001", "mobile": "1050000001"}},
        group=[{"reference": "1050000001"}, {"token": "1050000001"}],
        office="CA-TB-01",
    )

    err = capsys.readouterr().err
    assert "1050000001" not in err
    assert "CA-TB-01" in err


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_lines_of_libraries_take_the_same_form(capsys, log_format):
    configure(log_format)

    logging.getLogger("psycopg.pool").warning("error connecting\nin %s", "pool-1", extra={"token": "s3cret"})

    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "s3cret" not in err


def test_a_traceback_shows_no_local_variables(capsys):
    configure("json")
    citizen = "1050000001"

    try:
        int(citizen, base=len(citizen) - 9)
    except ValueError:
        structlog.get_logger("api").exception("broken")

    line = json.loads(capsys.readouterr().err)
    assert "ValueError" in line["exception"]
    assert citizen not in line["exception"]
