"""BI-RADS for ultrasound: lexicon as data, measurements and descriptors of one lesion, category suggestion."""
