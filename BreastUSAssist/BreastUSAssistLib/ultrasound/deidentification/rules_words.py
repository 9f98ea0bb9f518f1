"""Words that may stay in descriptions and device names. None of them is a common name of a person."""

import re

_WORD = re.compile(r"[A-Za-z0-9]+")

_IMAGING = """
us usg ultrasound ultrasonography sonography sonogram echo breast breasts mamma mammary axilla axillary node nodes
lymph bilateral unilateral left right lt rt bi both screening diagnostic complete limited targeted followup second
third look lesion lesions mass cyst cysts solid nodule finding findings biopsy guided core fna aspiration localization
clip marker doppler colour color power elastography elasto strain shear wave swe bmode mode harmonic compound
panoramic contrast ceus volume automated abus abvs cine still sweep sequence image images series study exam
examination scan protocol standard radial antiradial transverse longitudinal sagittal axial coronal upper lower inner
outer quadrant retroareolar subareolar areola nipple duct ducts implant scar seroma skin chest wall with without and
of the for in on at to ai draft report reports outlines breastusassist accepted edited verified segmentation
segmentations synthetic phantom patient no adult female general small parts superficial made up geometry research use
only
"""
_DEVICE = """
ge gehc healthcare general electric medical systems system ultrasound philips atl siemens healthineers acuson canon
toshiba aplio samsung medison hitachi aloka arietta fujifilm fujifilmhealthcare sonosite esaote mylab mindray
supersonic imagine aixplorer mach hologic supra zonare verasonics vantage ultrasonix sonix clarius butterfly network
terason alpinion ecube konica minolta sonimage boston bk siui chison edan landwind sonoscape vinno welld kretz technik
kretztechnik u-systems usystems invenia abus abvs logiq voluson vivid venue versana epiq affiniti lumify iu22 ie33
hd11 hd15 sparq s1000 s2000 s3000 sequoia juniper redwood antares premier xario viamo nemio i700 i800 i900 a450 a550
rs80a rs85 hs50 hs60 hs70 hs70a ws80a v7 v8 resona dc70 dc80 te7 te9 hi vision preirus noblus ascendus elite ultra e6
e7 e8 e9 e10 e20 s6 s7 s8 p5 p6 p7 p9 c9 l8 l9 gt p500 700 500 300 400 5g 7g 5c 7c 5 7 9 elegra breastusassist phantom
inc corp corporation co ltd gmbh company of the
"""
IMAGING = frozenset(_IMAGING.split())
"""Lower case."""

DEVICE = frozenset(_DEVICE.split())
"""Lower case; makers and models of ultrasound scanners."""
_PROBE = re.compile(r"[CLMPSV]\d{1,2}-\d{1,2}[A-Z]{0,2}")
"""Of a transducer: its kind and its frequencies, such as L12-5."""


def known_words(text: str, words: frozenset[str]) -> str:
    """The words of `text` that are among `words`, in their order and with one space between them."""
    return " ".join(word for word in _WORD.findall(text) if word.lower() in words)


def device_words(text: str) -> str:
    """The words of `text` that name a maker, a model or a transducer."""
    if _PROBE.fullmatch(text.strip()):
        return text.strip()
    return known_words(text, DEVICE)
