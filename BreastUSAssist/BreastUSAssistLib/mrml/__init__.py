"""The scene: images, segmentations, tables and records as Slicer keeps them (slicer and vtk, no widgets)."""
