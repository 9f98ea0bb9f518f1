"""Hidden module that 3D Slicer loads: a plug-in of its DICOM module, for ultrasound with SEG and SR that lie on it."""

# ruff: noqa: N802, N803 - names as in Slicer

import slicer
from DICOMLib import DICOMLoadable, DICOMPlugin
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule


class DICOMBreastUSPluginClass(DICOMPlugin):
    """What the DICOM module asks: what can be loaded of some files, load it; what can be exported, export it."""

    def __init__(self):
        super().__init__()
        self.loadType = _("Breast ultrasound")
        self.tags["sopClassUID"] = "0008,0016"
        self.tags["modality"] = "0008,0060"
        self.tags["instanceNumber"] = "0020,0013"

    def examineForImport(self, fileLists):
        """DICOMLoadables of lists of files, each list a series."""
        return [loadable for files in fileLists for loadable in self.examineFiles(files)]

    def examineFiles(self, files):
        """DICOMLoadables of the files of one series."""
        cached = self.getCachedLoadables(files)
        if cached is None:
            from BreastUSAssistLib.mrml.dicom_offers import offers_of

            cached = [self._loadable(offer) for offer in offers_of(files)]
            self.cacheLoadables(files, cached)
        return cached

    def load(self, loadable):
        """Put what was offered into the scene; whether it worked. What went wrong is shown in one sentence."""
        from BreastUSAssistLib.errors import BreastUSAssistError

        try:
            self._load(loadable)
        except BreastUSAssistError as error:
            slicer.util.errorDisplay(str(error))
            return False
        except ImportError as error:
            slicer.util.errorDisplay(self._missing(error))
            return False
        return True

    def examineForExport(self, subjectHierarchyItemID):
        """The exportable of a subject hierarchy item that belongs to a case with outlined lesions; none for others."""
        from BreastUSAssistLib.mrml.dicom_export import CONFIDENCE, exportable_source

        if exportable_source(slicer.mrmlScene, subjectHierarchyItemID) is None:
            return []
        exportable = slicer.qSlicerDICOMExportable()
        exportable.name = _("Breast ultrasound SEG and SR")
        exportable.tooltip = _("Outlines and findings of this case; patient and study are those of its image.")
        exportable.subjectHierarchyItemID = subjectHierarchyItemID
        exportable.pluginClass = self.__module__
        exportable.confidence = CONFIDENCE
        return [exportable]

    def export(self, exportables):
        """Write SEG and SR of every case among the exportables, each once; an error message, empty where it worked."""
        from datetime import UTC, datetime
        from pathlib import Path

        from BreastUSAssistLib.errors import BreastUSAssistError
        from BreastUSAssistLib.mrml.dicom_export import export_items

        items, folder = [one.subjectHierarchyItemID for one in exportables], Path(exportables[0].directory)
        try:
            notes = export_items(slicer.mrmlScene, items, folder, created=datetime.now(UTC).astimezone())
        except BreastUSAssistError as error:
            return str(error)
        except ImportError as error:
            return self._missing(error)
        if notes:
            slicer.util.warningDisplay("\n".join(notes))
        return ""

    def _loadable(self, offer):
        loadable = DICOMLoadable()
        loadable.files, loadable.name, loadable.tooltip = list(offer.files), offer.name, offer.tooltip
        loadable.selected, loadable.confidence, loadable.warning = True, offer.confidence, offer.warning
        loadable.breast_us_kind = offer.kind
        return loadable

    def _load(self, loadable):
        from BreastUSAssistLib.mrml.dicom_scene import load_offer

        source, note = load_offer(
            slicer.mrmlScene, loadable.breast_us_kind, loadable.files, loadable.name, self._seek, self._place
        )
        if source is not None:
            slicer.util.setSliceViewerLayers(background=source.volume, fit=True)
        if source is not None and source.browser is not None:
            slicer.modules.sequences.showSequenceBrowser(source.browser)
        if note:
            slicer.util.warningDisplay(note)

    def _place(self, node, files, referenced):
        """Put a node under its patient and study, with the SOP instances that its series refers to."""
        loadable = DICOMLoadable()
        loadable.files, loadable.referencedInstanceUIDs = list(files), list(referenced)
        self.addSeriesInSubjectHierarchy(loadable, node)

    def _seek(self, uids):
        """Ask for the folder with images that the database lacks, and import it; whether one was chosen."""
        import qt
        from DICOMLib import DICOMUtils

        title = _("Image not in the DICOM database")
        text = _("What you load lies on an image that is not in the DICOM database. Choose the folder that holds it?")
        if not slicer.util.confirmOkCancelDisplay(text, title):
            return False
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title)
        if folder:
            DICOMUtils.importDicom(folder)
        return bool(folder)

    def _missing(self, error):
        text = _("The Python package {name} is missing; open Breast Ultrasound Assistant and press Install.")
        return text.format(name=error.name)


class DICOMBreastUSPlugin(ScriptedLoadableModule):
    """What Slicer lists of the module."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("DICOM Breast ultrasound plug-in")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Developer Tools.DICOM Plugins")]
        self.parent.dependencies = ["DICOM", "Segmentations", "Sequences", "SubjectHierarchy", "Tables"]
        self.parent.contributors = ["BreastUSAssist contributors"]
        self.parent.hidden = True
        self.parent.helpText = _(
            "This hidden module lets the DICOM module load ultrasound with its pixel size and frame times, and SEG and"
            " SR that lie on ultrasound, and export them."
        )
        self.parent.acknowledgementText = _("Part of the extension Breast Ultrasound Assistant.")
        # This module may be found before the DICOM module is, which makes the list.
        if not hasattr(slicer.modules, "dicomPlugins"):
            slicer.modules.dicomPlugins = {}
        slicer.modules.dicomPlugins["DICOMBreastUSPlugin"] = DICOMBreastUSPluginClass
