"""Results to a real PACS: only what a named reader accepted, once, and through the outbox while the PACS is down."""

import json

import pytest
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.birads.reading import Reading
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.dicom.network.connection import open_connection
from BreastUSAssistLib.dicom.network.errors import NodeError
from BreastUSAssistLib.dicom.network.nodes import save_node
from BreastUSAssistLib.dicom.network.secrets import SecretStore
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.service.pacs.acceptance import accepted_files, segment_uids
from BreastUSAssistLib.service.pacs.ledger import Ledger
from BreastUSAssistLib.service.pacs.outbox import Outbox
from BreastUSAssistLib.service.pacs.pushing import files_to_push
from BreastUSAssistLib.service.reading_export import ExportedReading, export_reading
from BreastUSAssistLib.ultrasound.reading import open_clip
from dicom import drafts
from dicom.quick_analyst import drafted
from dicom.small_studies import check_no_name_in, write_study
from pydicom import dcmread
from read_cases import MOMENT, read_case, reading_of

LEXICON = load_lexicon()


def exported(folder, number=0, **said):
    """Folder of a case as its reader left it."""
    (path,) = write_study(folder / "in", number)
    clip = open_clip(path)
    return exported_from(folder, clip, *drafted(clip), **said)


def exported_from(folder, clip, analysis, labels, **said):
    reading: Reading = reading_of(analysis, {1: {"category": "4A"}}, **said)
    final, read = read_case(reading, analysis)
    material = ExportedReading(clip, final, labels, read)
    formats = ("analysis.json", "seg.dcm", "sr.dcm")
    return export_reading(folder / "out", material, formats, created=drafts.CREATED).folder


def accepted(folder, number=0):
    return exported(folder, number, reader="Dr. M. Example", decision="accepted", decided=MOMENT)


@pytest.fixture
def push(tmp_path, orthanc, monkeypatch, capsys):
    """`breastusassist pacs push` with these arguments: exit code, standard output, standard error."""
    save_node(tmp_path / "nodes.toml", orthanc.node())
    monkeypatch.setenv("BREASTUS_PACS_ARCHIVE_PASSWORD", orthanc.password)

    def run(*arguments):
        command = ["pacs", "push", "--node", "archive", "--nodes", str(tmp_path / "nodes.toml")]
        code = main([*command, *map(str, arguments)])
        out, err = capsys.readouterr()
        check_no_name_in(out, err)
        return code, out, err

    return run


def modalities(orthanc):
    return sorted(one["Modality"] for one in orthanc.instances())


def test_an_accepted_case_is_sent_once(push, orthanc, tmp_path):
    folder = accepted(tmp_path)
    code, _, err = push(folder)
    assert code == 0 and "2 objects stored" in err
    assert modalities(orthanc) == ["SEG", "SR"]
    code, out, err = push(folder / "seg.dcm", folder / "sr.dcm", "--json")
    answer = json.loads(out)
    assert code == 0 and answer["complete"] and "already there" in err
    assert {one["state"] for one in answer["objects"]} == {"already there"}
    assert all(one["committed"] for one in answer["objects"])
    assert modalities(orthanc) == ["SEG", "SR"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "not been accepted"),
        ({"reader": "Dr. M. Example"}, "not been accepted"),
        ({"reader": "Dr. M. Example", "decision": "rejected", "decided": MOMENT}, "rejected"),
    ],
)
def test_what_no_reader_accepted_is_not_sent(push, orthanc, tmp_path, said, words):
    folder = exported(tmp_path, **said)
    code, _, err = push(folder)
    assert code == 2 and words in err and "--drafts" in err
    for single in ("seg.dcm", "sr.dcm"):
        assert push(folder / single)[0] == 2
    assert modalities(orthanc) == []
    assert push(folder, "--drafts")[0] == 0
    assert modalities(orthanc) == ["SEG", "SR"]


def test_a_segmentation_needs_the_verified_report_of_the_same_lesions(tmp_path):
    folder, other = accepted(tmp_path / "a"), accepted(tmp_path / "b", 1)
    for one in (folder, other):
        (one / "reading.json").unlink()
    seg, report = folder / "seg.dcm", folder / "sr.dcm"
    with pytest.raises(UsageError, match="no reader accepted"):
        accepted_files([seg])
    with pytest.raises(UsageError, match="no reader accepted"):
        accepted_files([seg, other / "sr.dcm"])
    with pytest.raises(UsageError, match="has not been read"):
        accepted_files([folder])
    assert len(accepted_files([seg, report])) == 2
    assert [file.path for file in accepted_files([report])] == [report]


def test_outlines_that_were_exchanged_after_acceptance_are_not_sent(tmp_path):
    folder, other = accepted(tmp_path / "a"), accepted(tmp_path / "b")
    (folder / "seg.dcm").write_bytes((other / "seg.dcm").read_bytes())
    with pytest.raises(UsageError, match="no reader accepted"):
        files_to_push(folder)
    assert len(files_to_push(folder, drafts=True)) == 2


def test_the_outlines_of_the_draft_are_not_sent_for_those_that_the_reader_accepted(tmp_path):
    (path,) = write_study(tmp_path / "in", 0)
    clip = open_clip(path)
    analysis, labels = drafted(clip)
    draft = exported_from(tmp_path / "draft", clip, analysis, labels)
    (draft / "reading.json").unlink()
    outline = labels.copy()
    outline[:, : labels.any((0, 2)).argmax() + 3] = 0
    said = {"reader": "Dr. M. Example", "decision": "accepted", "decided": MOMENT}
    folder = exported_from(tmp_path / "read", clip, analysis, outline, **said)
    assert segment_uids(dcmread(draft / "seg.dcm")) == segment_uids(dcmread(folder / "seg.dcm"))
    with pytest.raises(UsageError, match="no reader accepted"):
        accepted_files([draft / "seg.dcm", folder / "sr.dcm"])
    assert len(accepted_files([folder])) == 2
    (folder / "seg.dcm").write_bytes((draft / "seg.dcm").read_bytes())
    with pytest.raises(UsageError, match="no reader accepted"):
        accepted_files([folder])


def test_other_files_and_empty_folders_are_named(push, tmp_path):
    (image,) = write_study(tmp_path / "in", 0)
    code, _, err = push(image)
    assert code == 3 and str(image) in err and "neither a segmentation nor a report" in err
    (tmp_path / "empty").mkdir()
    code, _, err = push(tmp_path / "empty")
    assert code == 2 and "neither seg.dcm nor sr.dcm" in err
    assert push(tmp_path / "nothing.dcm")[0] == 3


def test_a_pacs_that_is_down_is_one_sentence(push, orthanc, tmp_path):
    folder = accepted(tmp_path)
    orthanc.kill()
    code, out, err = push(folder)
    assert code == 3 and out == "" and err.count("\n") == 1 and err.startswith("breastusassist: ")


def test_a_case_waits_in_the_outbox_while_the_pacs_is_down(push, orthanc, tmp_path, capsys):
    folder = accepted(tmp_path)
    orthanc.kill()
    kept = (folder, "--keep", "--outbox", tmp_path / "outbox")
    for _ in range(2):
        code, _, err = push(*kept)
        assert code == 3 and "1 of 1 wait in the outbox" in err
    orthanc.start()
    outbox = ["pacs", "outbox", "--nodes", str(tmp_path / "nodes.toml"), "--outbox", str(tmp_path / "outbox"), "--json"]
    assert main(outbox) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert item["state"] == "waiting" and item["node"] == "archive" and item["attempts"] == 2
    assert main([*outbox, "--send"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert item["state"] == "sent" and push(*kept)[0] == 0
    (tmp_path / "report.dcm").write_bytes((folder / "sr.dcm").read_bytes())
    assert push(tmp_path / "report.dcm", *kept[1:])[0] == 0
    assert modalities(orthanc) == ["SEG", "SR"]


class Clock:
    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


def test_an_item_of_the_outbox_can_be_given_up(push, orthanc, tmp_path, capsys):
    orthanc.kill()
    folder = accepted(tmp_path / "case")
    assert push(folder, "--keep", "--outbox", tmp_path / "outbox")[0] == 3
    outbox = ["pacs", "outbox", "--nodes", str(tmp_path / "nodes.toml"), "--outbox", str(tmp_path / "outbox"), "--json"]
    capsys.readouterr()
    assert main(outbox) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert main([*outbox, "--drop", "another"]) == 2 and "lists its keys" in capsys.readouterr().err
    assert main([*outbox, "--drop", item["key"]]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == [] and (folder / "seg.dcm").is_file()


@pytest.fixture
def outbox(tmp_path):
    with Outbox(tmp_path / "outbox", clock=Clock()) as opened:
        yield opened


def connected(orthanc):
    return open_connection(orthanc.node(), orthanc.secrets(), sleep=lambda seconds: None)


def test_the_outbox_keeps_what_a_pacs_that_is_down_did_not_take(outbox, orthanc, tmp_path):
    folder = accepted(tmp_path)
    item = outbox.put("case-1", "archive", folder)
    assert (item.state, item.node, item.next_try) == ("waiting", "archive", 1000.0)
    for file in folder.iterdir():
        file.unlink()
    orthanc.kill()
    with connected(orthanc) as connection, pytest.raises(NodeError):
        outbox.send("case-1", connection)
    waiting = outbox.waiting("archive")
    assert [one.key for one in waiting] == ["case-1"] and waiting[0].attempts == 1 and waiting[0].next_try > 1000.0
    assert waiting[0].words.endswith(".") and not outbox.waiting("other")
    orthanc.start()
    with Outbox(tmp_path / "outbox") as later, connected(orthanc) as connection:
        sent = later.send("case-1", connection)
        assert (sent.state, {outcome for _, outcome in sent.outcomes}) == ("sent", {"sent"})
        assert later.send("case-1", connection) == sent and later.waiting() == ()
    assert modalities(orthanc) == ["SEG", "SR"]
    outbox.remove("case-1")
    assert outbox.get("case-1") is None and not (tmp_path / "outbox" / "results" / "case-1").exists()


def test_the_same_key_is_the_same_item(outbox, tmp_path):
    first = outbox.put("one", "archive", accepted(tmp_path / "a"))
    again = outbox.put("one", "archive", accepted(tmp_path / "b"))
    assert again == first
    uids = {str(dcmread(path).SOPInstanceUID) for path in first.files}
    assert uids == {uid for uid, _ in first.outcomes}


def test_the_outbox_takes_nothing_that_no_reader_accepted(outbox, tmp_path):
    with pytest.raises(UsageError, match="not been accepted"):
        outbox.put("one", "archive", exported(tmp_path))
    with pytest.raises(UsageError, match="cannot name a folder"):
        outbox.put("../one", "archive", accepted(tmp_path / "b"))
    assert outbox.items() == ()
    assert outbox.put("one", "archive", exported(tmp_path / "c"), drafts=True).state == "waiting"


def test_a_program_that_was_killed_while_sending_holds_up_nobody(outbox, orthanc, tmp_path):
    outbox.put("one", "archive", accepted(tmp_path))
    with Ledger(tmp_path / "outbox" / "ledger.sqlite") as ledger:
        assert ledger.claim_named("one", "analyzed", "killed", now=1000.0, lease_s=900) is not None
    with connected(orthanc) as connection:
        assert outbox.send("one", connection).state == "sent"


def test_a_file_that_changed_in_the_outbox_is_not_sent(outbox, orthanc, tmp_path):
    item = outbox.put("one", "archive", accepted(tmp_path))
    item.files[0].write_bytes(item.files[0].read_bytes() + b"\0\0")
    with connected(orthanc) as connection, pytest.raises(InputError, match="was changed"):
        outbox.send("one", connection)
    assert modalities(orthanc) == []


def test_the_outbox_asks_seldom_where_a_person_has_to_mend_something(outbox, orthanc, tmp_path):
    outbox.put("one", "archive", accepted(tmp_path))
    secrets = SecretStore(environment={"BREASTUS_PACS_ARCHIVE_PASSWORD": "planted-secret-wrong"})
    for _ in range(2):
        with open_connection(orthanc.node(), secrets) as connection, pytest.raises(NodeError, match="password"):
            outbox.send("one", connection)
        assert outbox.waiting()[0].next_try >= 1000.0 + 1800


def test_the_longest_key_is_a_key_to_the_end(outbox, orthanc, tmp_path):
    key = "k" * 100
    outbox.put(key, "archive", accepted(tmp_path))
    with connected(orthanc) as connection:
        assert outbox.send(key, connection).state == "sent"
    outbox.remove(key)
