"""The whole job for one case or many: frames in, analysis, files out."""
