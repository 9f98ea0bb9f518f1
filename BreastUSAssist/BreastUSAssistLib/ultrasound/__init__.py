"""Frames in: decoding, pixel spacing, regions, frame times, input gates and the phantom."""
