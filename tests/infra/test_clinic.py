import stat
import zipfile

import psycopg
import pytest

from infra.bootstrap import open_instance
from infra.clinic import ClinicFileError, import_clinic
from infra.settings import Settings

HEADER = "PatientId,AppointmentID,Gender,ScheduledDay,AppointmentDay,Age,Neighbourhood,No-show"


@pytest.fixture
def instance(database_url, tmp_path):
    settings = Settings.load({"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path / "data")})
    with open_instance(settings, database_url) as instance:
        yield instance


@pytest.fixture
def clinic(tmp_path):
    def make(*lines, header=HEADER, name="visits.csv"):
        path = tmp_path / "clinic.csv.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "\r\n".join([header, *lines, ""]))
        return path

    return make


def line(
    number,
    *,
    patient="29872499824296",
    scheduled="2016-04-29T18:38:08Z",
    day="2016-04-29",
    place="CENTRO",
    no_show="No",
):
    return f"{patient},{number},F,{scheduled},{day}T00:00:00Z,62,{place},{no_show}"


def facts(instance, topic):
    query = """
        SELECT stream, booking, person, at, convert_from(state, 'UTF8')::jsonb
        FROM log WHERE type = %s ORDER BY position
    """
    with psycopg.connect(instance.dsn) as connection:
        return connection.execute(query, [topic]).fetchall()


def head(instance):
    with psycopg.connect(instance.dsn) as connection:
        return connection.execute("SELECT position FROM log_head").fetchone()[0]


# -- what becomes of a line -------------------------------------------------------------------------------------------


def test_a_line_becomes_a_booking_and_its_outcome_judged_by_its_dates_only(instance, clinic):
    summary = import_clinic(instance, clinic(line(1), line(2, no_show="Yes", patient="7")))

    assert (summary.read, summary.booked, summary.no_shows, summary.persons) == (2, 2, 1, 2)
    [(_, booking, person, at, booked), _] = facts(instance, "SlotBooked.v1")
    assert (booked["judged_by"], booked["channel"], booked["service"]) == ("dates", "portal", "SV-CL-01")
    assert at.isoformat() == "2016-04-29T18:38:08+00:00"
    outcomes = [(fact[1] == booking, fact[4]["outcome"]) for fact in facts(instance, "OutcomeRecorded.v1")]
    assert outcomes == [(True, "served"), (False, "no_show")]
    assert person is not None


def test_a_place_is_an_office_numbered_by_its_name(instance, clinic):
    path = clinic(line(1, place="SANTO ANTÔNIO"), line(2, place="CENTRO"), line(3, place="SANTO ANTÔNIO"))

    summary = import_clinic(instance, path)

    offices = {fact["office"]: fact["name_en"] for *_, fact in facts(instance, "OfficeRegistered.v1")}
    assert offices == {"CL-01": "CENTRO", "CL-02": "SANTO ANTÔNIO"}
    assert [fact["office"] for *_, fact in facts(instance, "SlotBooked.v1")] == ["CL-02", "CL-01", "CL-02"]
    assert summary.places == 2


def test_the_visits_of_a_day_are_spread_over_its_quarter_hours_with_room_for_all(instance, clinic):
    import_clinic(instance, clinic(*[line(number) for number in range(50)]))

    opened = facts(instance, "SlotOpened.v1")
    starts = [fact["starts_at"][11:16] for *_, fact in opened]
    assert (len(starts), starts[0], starts[-1]) == (24, "08:00", "13:45")
    assert {fact["capacity"] for *_, fact in opened} == {3}
    assert len(facts(instance, "SlotBooked.v1")) == 50


def test_one_patient_is_one_person_and_no_fact_holds_the_patients_number(instance, clinic):
    import_clinic(instance, clinic(line(1), line(2, day="2016-05-02")))

    booked = facts(instance, "SlotBooked.v1")
    assert len({person for _, _, person, _, _ in booked}) == 1
    with psycopg.connect(instance.dsn) as connection:
        [[mentions]] = connection.execute("SELECT count(*) FROM log WHERE log::text LIKE '%29872499824296%'")
    assert mentions == 0


def test_the_vault_opens_a_patients_number_again(instance, clinic):
    import_clinic(instance, clinic(line(1)))

    [(_, _, person, _, _)] = facts(instance, "SlotBooked.v1")
    with psycopg.connect(instance.dsn) as connection:
        opened = instance.vault.open_person(connection, person, "test", "to see it")
    assert opened.number == "clinic:29872499824296"


# -- what is refused --------------------------------------------------------------------------------------------------


def test_a_visit_on_a_day_before_its_booking_is_refused_and_the_rest_goes_on(instance, clinic):
    path = clinic(line(1), line(2, scheduled="2016-04-30T07:00:00Z"), line(3))

    summary = import_clinic(instance, path)

    assert [number for number, _ in summary.refused] == [3]
    assert "slot-in-the-past" in summary.refused[0][1]
    assert summary.booked == 2


def test_a_visit_earlier_on_the_day_of_its_booking_is_taken(instance, clinic):
    assert import_clinic(instance, clinic(line(1, scheduled="2016-04-29T20:59:59Z"))).booked == 1


@pytest.mark.parametrize(
    "broken",
    [
        "1,2,3",
        line(2, patient=""),
        line(2, patient="1\x002"),
        line(2, scheduled="yesterday"),
        line(2, scheduled="2016-04-29T18:38:08"),
        line(2, scheduled="0001-01-01T00:00:00Z"),
        line(2, day="9999-12-31"),
        line(2, no_show="perhaps"),
        line(2, place="x" * 300),
    ],
)
def test_a_broken_line_is_refused_with_its_number_and_the_rest_goes_on(instance, clinic, broken):
    summary = import_clinic(instance, clinic(line(1), broken, line(3)))

    assert [number for number, _ in summary.refused] == [3]
    assert (summary.read, summary.booked) == (3, 2)


def test_refused_lines_are_kept_whole_in_a_file_of_the_owners(instance, clinic):
    late = line(2, scheduled="2016-04-30T07:00:00Z")

    summary = import_clinic(instance, clinic(line(1), late))

    assert summary.rejects is not None
    assert stat.S_IMODE(summary.rejects.stat().st_mode) == 0o600
    header, kept = summary.rejects.read_text().splitlines()
    assert header == f"line,reason,{HEADER}"
    assert kept.startswith('3,"slot-in-the-past: ')
    assert kept.endswith(late)


def test_no_file_is_left_when_nothing_is_refused(instance, clinic):
    import_clinic(instance, clinic(line(1, scheduled="2016-04-30T07:00:00Z")))

    summary = import_clinic(instance, clinic(line(2)))

    assert summary.rejects is None
    assert not list((instance.settings.storage.data_dir / "rejects").iterdir())


# -- again, and other files -------------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing_and_says_the_same(instance, clinic):
    path = clinic(line(1), line(2, scheduled="2016-04-30T07:00:00Z"), line(3, no_show="Yes"))
    first = import_clinic(instance, path)
    before = head(instance)

    again = import_clinic(instance, path)

    assert head(instance) == before
    assert (again.booked, again.no_shows, again.refused) == (first.booked, first.no_shows, first.refused)
    assert (first.known_before, again.known_before) == (0, 2)


def test_a_foreign_file_is_refused_before_anything_is_written(instance, clinic, tmp_path):
    no_zip = tmp_path / "no.zip"
    no_zip.write_text("PatientId")
    other_columns, other_content = clinic("1,2", header="a,b"), tmp_path / "other.zip"
    with zipfile.ZipFile(other_content, "w") as archive:
        archive.writestr("readme.txt", "")

    for path in (no_zip, other_columns, other_content, tmp_path / "absent.zip"):
        with pytest.raises(ClinicFileError, match=str(path)):
            import_clinic(instance, path)
    assert head(instance) == 0


def test_the_clinics_of_another_file_are_refused_before_their_visits_are_read(instance, clinic):
    import_clinic(instance, clinic(line(1, place="CENTRO")))
    before = head(instance)

    with pytest.raises(ClinicFileError):
        import_clinic(instance, clinic(line(2, place="BENTO FERREIRA")))

    assert head(instance) == before


@pytest.mark.full
def test_the_real_file_gives_its_known_figures(instance, root):
    path = root.parent / "shared" / "data" / "clinic-noshow-2016.csv.zip"
    if not path.exists():
        pytest.skip(f"the clinic file may not be copied into the project, and is not at {path}")

    summary = import_clinic(instance, path)

    assert (summary.read, summary.booked, summary.no_shows) == (110_527, 110_522, 22_314)
    assert [number for number, _ in summary.refused] == [27035, 55228, 64177, 71535, 72364]
    assert (summary.persons, summary.places, summary.days) == (62_299, 81, 27)
