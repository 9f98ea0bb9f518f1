"""Whole files and folders de-identified: pixels first, then the header, each result written whole.

Images come before segmentations and reports, so that these can say whether their images are there. A run that was
stopped goes on where it was; a second run over the same files changes nothing and asks nothing again.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ... import __version__
from ...errors import BreastUSAssistError, InputError, UsageError
from ...files import written_whole
from ..quiet import quiet
from .files_inputs import InputFile, PassedOverError, check_apart, input_files
from .files_reading import DIRECTORY, read_object, sop_class_of
from .files_references import referenced_instances
from .header import Deidentified, deidentify_dataset
from .header_kinds import kind_of_class
from .options import DeidentificationOptions
from .pixels import CleanedPixels, clean_pixels
from .record import (
    DeidentificationReport,
    ElementCounts,
    FileRecord,
    PixelRecord,
    ProfileRecord,
    read_report,
    write_report,
)
from .record_journal import Journal
from .review import Policy, Review
from .rules import EDITION
from .text_boxes import TextFinder
from .uids import DeidentificationKey

if TYPE_CHECKING:
    from pydicom import Dataset

_BLOCK = 1 << 20


@dataclass(frozen=True)
class ReviewChoice:
    """Who decides about text left in an image."""

    policy: Policy
    review: Review


@dataclass
class DeidentificationOutcome:
    """What one run did."""

    report: DeidentificationReport
    """Of the whole folder, earlier runs included; also written into it."""
    done: int = 0
    there: int = 0
    """Done by an earlier run, and left as they are."""
    dropped: int = 0
    passed_over: int = 0
    """Files of folders that are no DICOM objects."""
    failures: list[str] = field(default_factory=list)
    """One sentence each, naming the file; for the terminal, not for the report."""


def deidentify_files(
    inputs: Sequence[Path],
    out: Path,
    key: DeidentificationKey,
    options: DeidentificationOptions,
    review: ReviewChoice,
    *,
    open_finder: Callable[[], TextFinder],
    now: Callable[[], datetime],
    progress: Callable[[int, int], None] = lambda done, total: None,
    attend: Callable[[], None] = lambda: None,
) -> DeidentificationOutcome:
    """De-identify every DICOM image, segmentation and report of `inputs` into out/<patient>/<study>/<instance>.dcm.

    Args:
        inputs: files, folders and zip archives; what is no DICOM is left out.
        out: folder of results, made where it is missing; it may hold those of earlier runs with the same key.
        key: of UIDs, names and dates; never written below `out`.
        options: what is kept beyond the Basic Profile.
        review: asked where text is found in an image.
        open_finder: opens the finder of burnt-in text; called once, and only where there is an image.
        now: clock of the report.
        progress: told after each file how many are done, and of how many.
        attend: called between steps and may raise, to stop; what was done stays.

    Raises:
        UsageError: an input lies in `out`, which holds results of another key or of other options, or a package is
            missing.
        InputError: the report in `out` is damaged.
        OutputError: `out` cannot be written.
    """
    check_apart(inputs, Path(out))
    run = _Run(Path(out), key, options, review, open_finder, now, attend)
    with tempfile.TemporaryDirectory(prefix="deidentify-") as workspace:
        waiting = run.sorted_inputs(input_files(inputs, Path(out), Path(workspace)))
        for number, item in enumerate(waiting, start=1):
            run.attend()
            run.file(item)
            progress(number, len(waiting))
    return run.finish()


class _Run:
    """One call of `deidentify_files`: what is known of the folder, and what was done so far."""

    def __init__(
        self,
        out: Path,
        key: DeidentificationKey,
        options: DeidentificationOptions,
        review: ReviewChoice,
        open_finder: Callable[[], TextFinder],
        now: Callable[[], datetime],
        attend: Callable[[], None],
    ) -> None:
        self._out, self._key, self._options, self._review, self._attend = out, key, options, review, attend
        self._stopped = False
        self._open_finder = open_finder
        self._now = now
        self._finder: TextFinder | None = None
        self._profile = ProfileRecord(
            table=EDITION,
            clean_descriptors=options.clean_descriptors,
            dates="shifted" if options.retain_dates else "removed",
            patient_characteristics="kept" if options.retain_characteristics else "removed",
            key=key.fingerprint,
        )
        earlier = read_report(out)
        if earlier is not None and earlier.profile != self._profile:
            raise UsageError(f"{out} holds results of another key or of other options; choose another --out.")
        self._earlier_finder = earlier.text_finder if earlier is not None else None
        self._journal = Journal(out)
        known = [*(earlier.files if earlier is not None else ()), *self._journal.read()]
        self._records = {record.input_digest: record for record in known}
        self._same_policy = earlier is None or earlier.review == review.policy
        self._places = {one.output: one for one in self._records.values() if one.state == "done"}
        self._instances = {one.sop_instance_uid for one in self._places.values()}
        self._has_report = earlier is not None
        self._outcome = _Counts()

    def attend(self) -> None:
        """Let the caller stop the run."""
        try:
            self._attend()
        except BaseException:
            self._stopped = True
            raise

    def sorted_inputs(self, found: Iterable[InputFile | InputError]) -> list[InputFile]:
        """Images first; what cannot be read is told, and what is no object passed over."""
        images: list[InputFile] = []
        others: list[InputFile] = []
        for item in found:
            self.attend()
            if isinstance(item, PassedOverError):
                self._outcome.passed_over += 1
            elif isinstance(item, InputError):
                self._outcome.failures.append(str(item))
            else:
                try:
                    sop_class = sop_class_of(item.path, item.label)
                except InputError as error:
                    self._failed(item, error, None)
                    continue
                if sop_class == DIRECTORY and not item.asked_for:
                    self._outcome.passed_over += 1
                else:
                    (images if kind_of_class(sop_class) == "image" else others).append(item)
        return images + others

    def file(self, item: InputFile) -> None:
        """One file, whatever becomes of it."""
        digest = self._digest(item.path)
        if self._is_there(digest):
            self._outcome.there += 1
            return
        try:
            # Values that are not valid for their VR are quoted in pydicom's warnings.
            with quiet():
                record = self._deidentified(item, digest)
        except InputError as error:
            self._failed(item, error, digest)
            return
        except BreastUSAssistError:
            raise
        except Exception:  # a damaged file must not stop the run, and texts of libraries can quote the header
            if self._stopped:
                raise
            self._failed(item, InputError("It is damaged in a way that is not understood; leave it out."), digest)
            return
        self._keep(record)
        if record.state == "dropped":
            self._outcome.dropped += 1
        else:
            self._outcome.done += 1

    def finish(self) -> DeidentificationOutcome:
        """Write the report over all that lies in the folder."""
        report = self._report()
        write_report(self._out, report)
        self._journal.remove()
        counts = self._outcome
        return DeidentificationOutcome(
            report, counts.done, counts.there, counts.dropped, counts.passed_over, counts.failures
        )

    def _report(self) -> DeidentificationReport:
        return DeidentificationReport(
            software=f"BreastUSAssist {__version__}",
            created=self._now().isoformat(timespec="seconds"),
            profile=self._profile,
            text_finder=self._finder.version if self._finder is not None else self._earlier_finder,
            review=self._review.policy,
            files=tuple(sorted(self._records.values(), key=lambda one: (one.output or "~", one.input_digest))),
        )

    def _deidentified(self, item: InputFile, digest: str) -> FileRecord:
        dataset = read_object(item.path, item.label)
        kind = kind_of_class(str(dataset.get("SOPClassUID") or ""))
        pixels: CleanedPixels | None = None
        if kind == "image":
            pixels = self._cleaned(dataset)
            if pixels.dataset is None:
                return FileRecord(
                    input_digest=digest,
                    state="dropped",
                    kind=kind,
                    pixels=_pixel_record(pixels),
                    reason="Text was found in the pixels, and the image was dropped.",
                )
            dataset = pixels.dataset
        result = deidentify_dataset(dataset, self._key, self._options, pixels_clean=pixels is not None)
        return self._written(result, digest, pixels)

    def _cleaned(self, dataset: "Dataset") -> CleanedPixels:
        if self._finder is None:
            self._finder = self._open_finder()
        return clean_pixels(
            dataset, finder=self._finder, review=self._review.review, label="The image", attend=self.attend
        )

    def _written(self, result: Deidentified, digest: str, pixels: CleanedPixels | None) -> FileRecord:
        clean = result.dataset
        instance = str(clean.SOPInstanceUID)
        place = f"{clean.PatientID}/{clean.StudyInstanceUID}/{instance}.dcm"
        taken = self._places.get(place)
        if taken is not None and taken.input_digest != digest and (self._out / place).exists():
            raise InputError("It is another file of an instance that was done already; give each instance once.")
        path = self._out / place
        with written_whole(path) as beside:
            clean.save_as(beside, enforce_file_format=True)
        missing = referenced_instances(clean) - self._instances if result.kind != "image" else set()
        return FileRecord(
            input_digest=digest,
            state="done",
            kind=result.kind,
            output=place,
            output_sha256=_sha256(path),
            sop_instance_uid=instance,
            study_instance_uid=str(clean.StudyInstanceUID),
            patient=str(clean.PatientID),
            elements=ElementCounts(**vars(result.notes)),
            pixels=_pixel_record(pixels) if pixels is not None else None,
            references_elsewhere=len(missing),
        )

    def _is_there(self, digest: str) -> bool:
        record = self._records.get(digest)
        if record is None or record.state == "failed":
            return False
        if record.state == "dropped":
            return self._same_policy
        path = self._out / str(record.output)
        return path.is_file() and _sha256(path) == record.output_sha256

    def _failed(self, item: InputFile, error: InputError, digest: str | None) -> None:
        text = str(error)
        self._outcome.failures.append(text if text.startswith(item.label) else f"{item.label}: {text}")
        # A path often names the patient.
        reason = text.replace(item.label, "It").replace(str(item.path), "It")
        self._keep(FileRecord(input_digest=digest or self._digest(item.path), state="failed", reason=reason))

    def _keep(self, record: FileRecord) -> None:
        if not self._has_report:
            # From the first result on the folder belongs to this key and these options.
            write_report(self._out, self._report())
            self._has_report = True
        self._journal.add(record)
        self._records[record.input_digest] = record
        if record.state == "done":
            self._places[record.output] = record
            self._instances.add(record.sop_instance_uid)

    def _digest(self, path: Path) -> str:
        try:
            return self._key.digest("input file", _sha256(path).encode()).hex()
        except OSError:
            return self._key.digest("unreadable file", str(path).encode("utf-8", "surrogateescape")).hex()


@dataclass
class _Counts:
    done: int = 0
    there: int = 0
    dropped: int = 0
    passed_over: int = 0
    failures: list[str] = field(default_factory=list)


def _pixel_record(pixels: CleanedPixels) -> PixelRecord:
    return PixelRecord(
        state=pixels.state,
        regions_from=pixels.regions_from,
        kept_regions=pixels.kept_regions,
        blanked=pixels.blanked,
        found=pixels.found,
        blanked_share=round(pixels.blanked_share, 6),
    )


def _sha256(path: Path) -> str:
    hashed = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            hashed.update(block)
    return hashed.hexdigest()
