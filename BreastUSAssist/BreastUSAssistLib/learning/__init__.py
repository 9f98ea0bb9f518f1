"""Train and evaluate models on images with masks."""
