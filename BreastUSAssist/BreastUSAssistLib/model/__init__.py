"""The network as a MONAI bundle: load, preprocess, predict."""
