"""A report as a table node: who said what of which lesion, in the words of the report."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import vtk
from slicer.i18n import tr as _

from .source import INSTANCE_UIDS

if TYPE_CHECKING:
    from ..dicom.report_model import FindingRead, MeasurementRead, ReportRead

COLUMNS = ("lesion", "said_by", "what", "value", "unit")
Row = tuple[str, str, str, str, str]


def report_table(scene: Any, report: "ReportRead", name: str) -> Any:
    """The vtkMRMLTableNode that shows a report; the one that is there already where it was loaded before.

    Args:
        scene: vtkMRMLScene.
        report: what was read.
        name: of a new node.
    """
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLTableNode")):
        node = scene.GetNthNodeByClass(index, "vtkMRMLTableNode")
        if node.GetAttribute(INSTANCE_UIDS) == report.sop_instance_uid:
            return node
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName(name))
    node.SetAttribute(INSTANCE_UIDS, report.sop_instance_uid)
    table = vtk.vtkTable()
    rows = list(rows_of(report))
    for place, column in enumerate(COLUMNS):
        values = vtk.vtkStringArray()
        values.SetName(column)
        for row in rows:
            values.InsertNextValue(_one_line(row[place]))
        table.AddColumn(values)
    node.SetAndObserveTable(table)
    node.SetLocked(True)
    return node


def rows_of(report: "ReportRead") -> Iterator[Row]:
    """Cells of the table: the state of the report, then each lesion, the AI's draft before the reader's word."""
    state = _("verified") if report.verified else _("not verified")
    yield "", "", _("Report"), state if report.complete else f"{state}, {_('partial')}", ""
    for observer in report.verifying_observers:
        yield "", observer.name, _("Verified at"), observer.at, ""
    for text in (*report.remarks, report.reason):
        if text:
            yield "", "", _("Remark"), text, ""
    if report.summary is not None:
        yield "", "", _("Summary"), report.summary.meaning, ""
    for lesion in report.lesions:
        name = lesion.name or _("Lesion")
        if not lesion.present:
            yield name, _("Reader"), _("Verdict"), _("no lesion"), ""
        for side, finding in ((_("AI"), lesion.ai), (_("Reader"), lesion.reader)):
            if finding is not None:
                yield from ((name, *row) for row in _rows_of_finding(finding, side))


def _rows_of_finding(finding: "FindingRead", side: str) -> Iterator[tuple[str, str, str, str]]:
    ai = _("AI")
    algorithm = finding.algorithm
    if finding.finding is not None:
        yield side, _("Finding"), finding.finding.meaning, ""
    if finding.origin is not None:
        words = {"automatic": _("automatic"), "semiautomatic": _("semiautomatic"), "manual": _("manual")}
        yield side, _("Outline"), words[finding.origin], ""
    if algorithm is not None:
        yield side, _("Algorithm"), f"{algorithm.name} {algorithm.version}".strip(), ""
    if finding.category is not None or finding.category_code is not None:
        code = finding.category_code
        yield side, _("Category"), finding.category or (code.meaning if code is not None else ""), ""
    if finding.suggested_category is not None:
        yield ai, _("Suggested category"), finding.suggested_category, ""
    if finding.probability is not None:
        yield ai, _("Probability of cancer"), _share(finding), "%"
    for term in finding.descriptors:
        by = {"reader": _("Reader"), "algorithm": ai}.get(term.by or "", side)
        yield by, term.name.meaning, term.value.meaning, ""
    for measured in finding.measurements:
        yield side, measured.name.meaning, f"{measured.value:.6g}", _unit(measured)
    for note in (finding.note, *finding.remarks):
        if note:
            yield side, _("Remark"), note, ""


def _share(finding: "FindingRead") -> str:
    text = f"{100 * (finding.probability or 0.0):.3g}"
    if finding.interval is None:
        return text
    low, high = (f"{100 * end:.3g}" for end in finding.interval)
    return _("{value} ({low} to {high})").format(value=text, low=low, high=high)


def _unit(measured: "MeasurementRead") -> str:
    return measured.unit.value if measured.unit is not None and measured.unit.value != "1" else ""


def _one_line(text: str) -> str:
    """What a table's file can hold: one line without quotes and the sign of comments."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(printable.replace('"', "'").replace("#", "\N{FULLWIDTH NUMBER SIGN}").split())
