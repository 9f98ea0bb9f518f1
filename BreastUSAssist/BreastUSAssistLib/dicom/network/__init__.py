"""Talking to a PACS: named nodes, DICOMweb, DIMSE, a listener."""
