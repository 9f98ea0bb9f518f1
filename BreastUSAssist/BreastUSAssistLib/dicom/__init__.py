"""DICOM SEG and SR of an analysis, and segmentations for 3D Slicer."""
