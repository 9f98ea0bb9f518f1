"""A stand-in for the desktop application: the module's real widgets over the real MRML scene."""
