"""The writer of each format in which labels can be exported."""

from ..labels.export_coco import write_coco
from ..labels.export_csv import write_csv
from ..labels.export_datalist import write_datalist
from ..labels.export_monai_label import write_monai_label
from ..labels.export_nnunet import write_nnunet
from ..labels.export_query import ExportFormat
from ..labels.exporting import Writer
from .label_export_seg import write_segmentations

WRITERS: dict[ExportFormat, Writer] = {
    "monai-label": write_monai_label,
    "nnunet": write_nnunet,
    "datalist": write_datalist,
    "coco": write_coco,
    "seg": write_segmentations,
    "csv": write_csv,
}
