"""Export of the session's case: DICOM SEG and SR, .seg.nrrd, CSV, report; and the scene as one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError, OutputError
from .frame_sending import sent_clip
from .session import Session
from .signals import Signal

if TYPE_CHECKING:
    from ..mrml.case import Case
    from ..service.worker_protocol import WorkerEvent


class ExportRun:
    """One export on its way."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.changed = Signal()
        self.running = False

    def start(self, folder: Path) -> None:
        """Write the formats that are ticked; the status line says where."""
        session, case = self._session, self._session.case
        if self.running or session.stepper.busy:
            session.say(_("Something else is going on; wait for it, then export again."), "error")
            return
        if case is None or case.closed:
            session.say(_("No image is open; choose one in section 1."), "error")
            return
        formats = _formats(session.parameters)
        if not formats:
            session.say(_("No file is ticked; tick what to export."), "error")
            return
        self.running = True
        self.changed.emit()
        session.say(_("Exporting…"))
        session.stepper.run(
            sent_clip(session.client.exchange, case.source, range(case.source.frame_count)),
            lambda clip: self._on_sent(case, clip, formats, folder),
            self._on_failed,
        )

    def save_scene(self, folder: Path) -> None:
        """Write the scene, images included, as one .mrb file named after the case."""
        from ..mrml.scene_file import save_scene

        case = self._session.case
        if case is not None:
            try:
                path = save_scene(self._session.scene, folder, case.source.name)
            except BreastUSAssistError as error:
                self._session.say(str(error), "error")
                return
            self._session.say(_("The scene was saved as {path}.").format(path=path))

    def _on_sent(self, case: "Case", clip: Any, formats: list[str], folder: Path) -> None:
        try:
            request = export_request(self._session.client.exchange(), case, clip, formats, folder)
        except BreastUSAssistError as error:
            self._on_failed(error)
            return
        self._session.ask("export", request, self._on_event)

    def _on_event(self, event: "WorkerEvent") -> None:
        if event.kind == "progress":
            return
        self.running = False
        if event.kind == "done":
            words = _("Exported {count} files to {folder}.").format(
                count=len(event.result["files"]), folder=event.result["folder"]
            )
            self._session.say(" ".join([words, *event.result.get("notes", ())]))
        else:
            self._session.say(event.message or _("Nothing was exported."), "error")
        self.changed.emit()

    def _on_failed(self, error: Exception) -> None:
        self.running = False
        self.changed.emit()
        if not isinstance(error, (BreastUSAssistError, OutputError)):
            raise error
        self._session.say(str(error), "error")


def export_request(exchange: Path, case: "Case", clip: Any, formats: list[str], folder: Path) -> dict[str, Any]:
    """Arguments of request "export" for a case whose frames were handed over as `clip`.

    Raises:
        BreastUSAssistError: the exchange folder cannot be written, or the case is closed.
    """
    from ..service.analysis_file import write_analysis
    from ..service.worker_protocol import new_path, write_array

    labels, path = case.labels(), new_path(exchange, "effective", ".json")
    write_analysis(path, case.effective_analysis(labels))
    return {
        "clip": clip.to_json(),
        "analysis": str(path),
        "labels": str(write_array(exchange, "labels", labels)),
        "formats": formats,
        "out": str(folder),
        **_said_by_reader(exchange, case),
    }


def _said_by_reader(exchange: Path, case: "Case") -> dict[str, Any]:
    """The reading, and what reports show beside it: the AI's drafts with their outlines, and views in other cases."""
    import numpy as np

    from ..birads.read_case import beside_lesions
    from ..mrml.case_ties import partners_of
    from ..service.worker_protocol import write_array

    names = {
        lesion.tracking_uid: one.reading.case for one in partners_of(case.record) for lesion in one.reading.lesions
    }
    lesions = case.lesions
    beside = beside_lesions(lesions, names)
    told = {"reading": case.reading.model_dump_json(), "beside": [one.model_dump(mode="json") for one in beside]}
    drafted = [
        case.record.draft_mask(lesion.number, lesion.ai.key_frame - 1) for lesion in lesions if lesion.ai is not None
    ]
    if drafted:
        told["drafted"] = str(write_array(exchange, "drafted", np.stack(drafted).astype(np.uint8)))
    return told


def _formats(parameters: Any) -> list[str]:
    """Names of service.case_files.FORMATS that are ticked; analysis.json goes with any of them."""
    chosen = {
        "seg.dcm": parameters.export_dicom,
        "sr.dcm": parameters.export_dicom,
        "seg.nrrd": parameters.export_segmentation,
        "findings.csv": parameters.export_table,
        "report.html": parameters.export_report,
    }
    names = [name for name, ticked in chosen.items() if ticked]
    return [*names, "analysis.json"] if names else []
