"""What the panel says of studies, of nodes and of what is sent."""

from typing import Any

from slicer.i18n import tr as _


def study_cells(study: dict[str, Any]) -> tuple[str, str, str, str]:
    """Date, patient, study and images of a study that was found."""
    name, number = person_name(str(study.get("patient_name") or "")), str(study.get("patient_id") or "")
    patient = _("{name} ({number})").format(name=name, number=number) if name and number else name or number
    what = str(study.get("description") or "") or str(study.get("modalities") or "")
    images = study.get("images")
    return str(study.get("date") or ""), patient, what, "" if images is None else str(images)


def study_tip(study: dict[str, Any]) -> str:
    """What the table has no column for."""
    accession, modalities = str(study.get("accession_number") or ""), str(study.get("modalities") or "")
    lines = []
    if accession:
        lines.append(_("Accession number {number}").format(number=accession))
    if modalities:
        lines.append(_("Modalities {names}").format(names=modalities))
    return "\n".join(lines)


def person_name(value: str) -> str:
    """A DICOM person name as people write it: family name, comma, the rest (PS3.5 6.2.1)."""
    parts = [part.strip() for part in value.split("=", maxsplit=1)[0].split("^")]
    family, rest = parts[0], " ".join(part for part in parts[1:3] if part)
    return f"{family}, {rest}" if family and rest else family or rest


def offer_words(lesions: int, reader: str, target: str, node: dict[str, Any] | None) -> str:
    """What Send would send where; `node` where its place is known."""
    place = target if node is None else _("{node} ({place})").format(node=target, place=node["place"])
    text = _("SEG with {count} lesions and SR, accepted by {reader}, go to {place}.")
    if lesions == 1:
        text = _("SEG with 1 lesion and SR, accepted by {reader}, go to {place}.")
    elif lesions == 0:
        text = _("SR without a lesion, accepted by {reader}, goes to {place}.")
    return text.format(count=lesions, reader=reader, place=place)


def sent_words(item: dict[str, Any]) -> str:
    """What became of a case that was sent or waits: the sentence beside Send."""
    if item["state"] == "sent":
        return _("✔ {node}: {words}.").format(node=item["node"], words=item["words"])
    if item["state"] == "failed":
        return _("✖ {node}: {words}").format(node=item["node"], words=item["words"])
    return _("⚠ Kept here, to be sent to {node} later: {words}").format(node=item["node"], words=item["words"])


def waiting_words(waiting: list[dict[str, Any]], problem: str = "") -> str:
    """How many cases wait for which node, and what the last try came to; `problem` where none could be made."""
    nodes = ", ".join(dict.fromkeys(str(one["node"]) for one in waiting))
    text = _("{count} cases wait to be sent to {nodes}.")
    if len(waiting) == 1:
        text = _("1 case waits to be sent to {nodes}.")
    words = problem or next((str(one["words"]) for one in waiting if one["words"]), "")
    return f"{text.format(count=len(waiting), nodes=nodes)} {words}".rstrip()
