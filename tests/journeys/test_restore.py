"""The drill of docs/backup.md at the command line: backed up beside a running serve, restored, served again."""

import shutil


def test_what_was_backed_up_beside_a_running_serve_is_served_from_its_restore(serve, tmp_path):
    archive = {"MAWID_WAL_ARCHIVE_FOLDER": str(tmp_path / "archive")}
    served = serve(**archive)
    served.run("publish", "CA-TB-01", "2026-11-29", "2026-11-29")

    made = served.run("backup", str(tmp_path / "backup"), "--prune-archive")
    again = served.run("backup", str(tmp_path / "backup"))
    served.run("publish", "CA-TB-01", "2026-11-30", "2026-11-30")
    examined = served.run("doctor")
    served.stop()  # what was written last is archived by the server's end
    restored = served.run("restore", str(tmp_path / "backup"), "--to", str(tmp_path / "new"))
    occupied = served.run("restore", str(tmp_path / "backup"), "--to", str(tmp_path / "new"))
    shutil.copytree(tmp_path / "data" / "keys", tmp_path / "new" / "keys")
    drill = serve("new", **archive)

    assert made.returncode == 0
    assert "needs and nothing older" in made.stdout
    assert "archive: copied up to" in examined.stdout
    assert restored.returncode == 0
    assert "views are equal" in restored.stdout
    assert str(tmp_path / "data" / "keys") in restored.stdout
    for refused in (again, occupied):
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
    published = drill.run("publish", "CA-TB-01", "2026-11-29", "2026-11-30")
    assert "units published 0" in published.stdout


def test_a_moment_that_is_none_is_refused(serve, tmp_path):
    served = serve()
    served.run("backup", str(tmp_path / "backup"))

    for moment in ("yesterday", "2026-11-24T09:00:00", "2011-02-05T09:00:00+03:00"):
        refused = served.run("restore", str(tmp_path / "backup"), "--to", str(tmp_path / "new"), "--at", moment)

        assert refused.returncode in (1, 2)
        assert "Traceback" not in refused.stderr
        assert not (tmp_path / "new").exists()
