"""De-identification of DICOM (PS3.15 Annex E): header, pixels, review."""
