"""Keys, UIDs, pseudonyms and moved dates."""

import os
import stat
from datetime import datetime, timedelta

import pytest
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.ultrasound.deidentification.dates import DateShift
from BreastUSAssistLib.ultrasound.deidentification.uids import ENVIRONMENT, DeidentificationKey, replaced_uid
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

KEY = DeidentificationKey(bytes(range(32)))
DAYS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda one: one.replace(microsecond=0))


def test_a_missing_key_file_is_made_for_its_owner_alone(tmp_path):
    path = tmp_path / "keys" / "key"
    key = DeidentificationKey.of_file(path)
    assert DeidentificationKey.of_file(path).fingerprint == key.fingerprint
    assert len(path.read_text().strip()) == 64 and [one.name for one in path.parent.iterdir()] == ["key"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "secret", "z" * 64, "a" * 63, "a" * 66])
def test_a_file_that_holds_no_key_is_refused_and_not_quoted(tmp_path, content):
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(UsageError) as told:
        DeidentificationKey.of_file(path)
    assert not content or content not in str(told.value)
    assert path.read_text() == content


def test_a_key_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(InputError, match="could not be read"):
        DeidentificationKey.of_file(tmp_path)


def test_the_environment_may_hold_the_key(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert DeidentificationKey.of_environment() is None
    monkeypatch.setenv(ENVIRONMENT, bytes(range(32)).hex())
    key = DeidentificationKey.of_environment()
    assert key is not None and key.fingerprint == KEY.fingerprint
    monkeypatch.setenv(ENVIRONMENT, "no key")
    with pytest.raises(UsageError, match=ENVIRONMENT):
        DeidentificationKey.of_environment()


def test_a_key_does_not_show_itself():
    assert bytes(range(32)).hex() not in repr(KEY) + str(KEY) and not hasattr(KEY, "__dict__")


def test_uids_follow_from_the_key_alone():
    new = replaced_uid("1.2.3.4", KEY)
    # The same on every computer and in every version: files of one patient may be done years apart.
    assert new == "2.25.251204938985386198944672589090342907187"
    assert UID(new).is_valid and len(new) <= 64
    assert replaced_uid("1.2.3.4\0", KEY) == new
    assert replaced_uid("1.2.3.4", DeidentificationKey.random()) != new


@pytest.mark.parametrize("uid", ["1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.1.2.1", "1.2.840.10008.2.16.4"])
def test_registered_uids_stay(uid):
    assert replaced_uid(uid, KEY) == uid


@pytest.mark.parametrize("uid", ["1.2.840.10008.5.1.4.1.1.6.1.77", "1.2.840.10008.19630517", "not a UID"])
def test_what_only_looks_registered_is_replaced(uid):
    assert replaced_uid(uid, KEY).startswith("2.25.")


@given(DAYS, DAYS, st.text(max_size=10))
def test_intervals_stay_what_they_were(one, other, patient):
    shift = DateShift.of_patient(KEY, patient)
    moved = [
        datetime.strptime(shift.date(f"{at:%Y%m%d}", f"{at:%H%M%S}") + shift.time(f"{at:%H%M%S}"), "%Y%m%d%H%M%S")
        for at in (one, other)
    ]
    assert moved[1] - moved[0] == other - one
    assert timedelta(days=366) <= one - moved[0] <= timedelta(days=3651)
    assert shift.datetime(f"{one:%Y%m%d%H%M%S}.25+0100") == f"{moved[0]:%Y%m%d%H%M%S}.25"


@given(st.text(alphabet="0123456789.:+- ", max_size=30))
def test_any_text_is_moved_or_refused(text):
    shift = DateShift(1000, 3600)
    for moved in (shift.date(text), shift.date(text, text), shift.time(text), shift.datetime(text)):
        assert moved is None or moved != text


@pytest.mark.parametrize("text", ["", "19631317", "19630230", "1963", "MUELLER", "18000101", "99991231", "1963051"])
def test_what_is_no_date_does_not_stay(text):
    assert DateShift(1000, 1).date(text) is None


@pytest.mark.parametrize(
    ("given_time", "moved"),
    [
        ("12", "11"),
        ("1230", "1130"),
        ("123001.5", "113001.5"),
        ("12:30:01", "113001"),
        ("003000", "233000"),
        ("123060", "113059"),
    ],
)
def test_times_keep_their_precision(given_time, moved):
    assert DateShift(1000, 3600).time(given_time) == moved


def test_years_and_months_alone_are_moved():
    shift = DateShift(365, 1)
    assert (shift.datetime("2020"), shift.datetime("202003")) == ("2019", "201903")
