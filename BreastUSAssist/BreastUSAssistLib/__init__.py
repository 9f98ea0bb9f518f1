"""BreastUSAssist: drafts of breast-ultrasound lesions for a reader to check. Research use only, not for diagnosis."""

__version__ = "0.1.0"
