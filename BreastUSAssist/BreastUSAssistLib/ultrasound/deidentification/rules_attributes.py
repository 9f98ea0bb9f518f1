"""Attributes that stay in an ultrasound image, a segmentation or a report, by keyword, and how each is treated.

The profile's table lists what must go; whatever stands neither there nor here goes as well, so that an attribute nobody
thought of cannot carry a name out.
"""

from enum import Enum, auto


class Treatment(Enum):
    """What becomes of an attribute."""

    REMOVE = auto()
    EMPTY = auto()
    DUMMY = auto()
    CHECK = auto()
    """Keep what is valid for its VR: numbers, known terms, known codes, registered UIDs; items are cleaned in turn."""
    UID = auto()
    SHIFT = auto()
    """Move a date or time by the patient's amount."""
    WORDS = auto()
    """Keep known imaging words."""
    DEVICE_WORDS = auto()
    """Keep known makers and models."""
    PHRASE = auto()
    """Keep a known text; else a dummy."""
    IDENTIFIER = auto()
    """Keep a known text; else another that follows from it."""
    PATIENT = auto()
    """The patient's pseudonym."""
    PERSON = auto()
    """A pseudonym of the person named."""
    AGE = auto()


def _split(names: str) -> frozenset[str]:
    return frozenset(names.split())


DATES = _split(
    "StudyDate StudyTime SeriesDate SeriesTime AcquisitionDate AcquisitionTime ContentDate ContentTime "
    "InstanceCreationDate InstanceCreationTime AcquisitionDateTime StartAcquisitionDateTime EndAcquisitionDateTime "
    "FrameAcquisitionDateTime FrameReferenceDateTime ObservationDateTime VerificationDateTime DateTime Date Time "
    "ReferencedDateTime DateOfSecondaryCapture TimeOfSecondaryCapture"
)
"""Moved under Retain Longitudinal Temporal Information."""

CHARACTERISTICS = _split("PatientSex PatientAge PatientSize PatientWeight SmokingStatus PregnancyStatus")
"""Kept under Retain Patient Characteristics, within bounds."""

DESCRIPTORS = _split("StudyDescription SeriesDescription ProtocolName")
"""Cleaned under Clean Descriptors."""

CONTENT = _split(
    "ContentSequence VerifyingObserverSequence ReferencedImageSequence SourceImageSequence DerivationImageSequence"
)
"""Sequences that the table replaces and that are cleaned item by item here (113104, and references that must hold)."""

SPECIAL = {
    "PatientName": Treatment.PATIENT,
    "PatientID": Treatment.PATIENT,
    "PersonName": Treatment.PERSON,
    "VerifyingObserverName": Treatment.PERSON,
    "TextValue": Treatment.PHRASE,
    "SegmentLabel": Treatment.IDENTIFIER,
    "TrackingID": Treatment.IDENTIFIER,
    "StackID": Treatment.IDENTIFIER,
    "SegmentAlgorithmName": Treatment.PHRASE,
    "AlgorithmName": Treatment.PHRASE,
    "AlgorithmVersion": Treatment.PHRASE,
    "SoftwareVersions": Treatment.PHRASE,
    "ContentLabel": Treatment.CHECK,
    "ContentDescription": Treatment.PHRASE,
    "CompletionFlagDescription": Treatment.PHRASE,
    "DimensionDescriptionLabel": Treatment.PHRASE,
    "CodingSchemeName": Treatment.PHRASE,
    "CodingSchemeDesignator": Treatment.IDENTIFIER,
    "Manufacturer": Treatment.DEVICE_WORDS,
    "ManufacturerModelName": Treatment.DEVICE_WORDS,
    "TransducerData": Treatment.DEVICE_WORDS,
}
"""Attributes with a treatment of their own, whatever their VR."""

_SERIES = """
SOPClassUID Modality SeriesNumber InstanceNumber AcquisitionNumber ImageType Laterality ImageLaterality BodyPartExamined
AnatomicRegionSequence AnatomicRegionModifierSequence PrimaryAnatomicStructureSequence
PrimaryAnatomicStructureModifierSequence ViewCodeSequence ViewModifierCodeSequence TransducerPositionSequence
TransducerOrientationSequence ViewPosition PatientOrientation PatientPosition ConversionType TransducerType
QualityControlImage LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod
PresentationLUTShape ColorSpace SeriesType ImagesInAcquisition
"""
_PIXELS = """
Rows Columns SamplesPerPixel PhotometricInterpretation PlanarConfiguration BitsAllocated BitsStored HighBit
PixelRepresentation SmallestImagePixelValue LargestImagePixelValue PixelPaddingValue PixelAspectRatio PixelSpacing
NominalScannedPixelSpacing ImagerPixelSpacing SliceThickness SpacingBetweenSlices SliceLocation
RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData
SegmentedBluePaletteColorLookupTableData WindowCenter WindowWidth VOILUTFunction RescaleIntercept RescaleSlope
RescaleType ModalityLUTSequence VOILUTSequence LUTDescriptor LUTData ModalityLUTType PixelPresentation
VolumetricProperties VolumeBasedCalculationTechnique ComplexImageComponent
"""
_ULTRASOUND = """
SequenceOfUltrasoundRegions RegionSpatialFormat RegionDataType RegionFlags RegionLocationMinX0 RegionLocationMinY0
RegionLocationMaxX1 RegionLocationMaxY1 ReferencePixelX0 ReferencePixelY0 PhysicalUnitsXDirection
PhysicalUnitsYDirection ReferencePixelPhysicalValueX ReferencePixelPhysicalValueY PhysicalDeltaX PhysicalDeltaY
TransducerFrequency PulseRepetitionFrequency DopplerCorrectionAngle SteeringAngle DopplerSampleVolumeXPosition
DopplerSampleVolumeYPosition TMLinePositionX0 TMLinePositionY0 TMLinePositionX1 TMLinePositionY1
PixelComponentOrganization PixelComponentMask PixelComponentRangeStart PixelComponentRangeStop
PixelComponentPhysicalUnits PixelComponentDataType NumberOfTableBreakPoints TableOfXBreakPoints TableOfYBreakPoints
NumberOfTableEntries TableOfPixelValues TableOfParameterValues RWaveTimeVector ActiveImageAreaOverlayGroup
UltrasoundColorDataPresent DepthOfScanField FocusDepth MechanicalIndex BoneThermalIndex CranialThermalIndex
SoftTissueThermalIndex SoftTissueFocusThermalIndex SoftTissueSurfaceThermalIndex ImageTransformationMatrix
ImageTranslationVector ZoomFactor DepthsOfFocus
NumberOfFrames FrameTime FrameTimeVector FrameDelay FrameIncrementPointer CineRate RecommendedDisplayFrameRate
EffectiveDuration ActualFrameDuration PreferredPlaybackSequencing StartTrim StopTrim InitialCineRunState
NumberOfStages StageNumber NumberOfViewsInStage ViewNumber
"""
_ENHANCED_VOLUME = """
UltrasoundAcquisitionGeometry ApexPosition VolumeToTransducerMappingMatrix VolumeToTableMappingMatrix
VolumeToTransducerRelationship PatientFrameOfReferenceSource TemporalPositionTimeOffset DimensionOrganizationType
TransducerScanPatternCodeSequence TransducerGeometryCodeSequence TransducerBeamSteeringCodeSequence
TransducerApplicationCodeSequence ImagePositionVolume ImageOrientationVolume
PlanePositionVolumeSequence PlaneOrientationVolumeSequence TemporalPositionSequence TemporalPositionIndex
ImageDataTypeSequence DataType AliasedDataType ZeroVelocityPixelValue USImageDescriptionSequence FrameType
FrameVOILUTSequence PixelValueTransformationSequence FrameAcquisitionDuration FrameAcquisitionNumber DataPathAssignment
DataPathID BitsMappedToColorLookupTable BlendingLUT1TransferFunction BlendingLUT2TransferFunction
DataFrameAssignmentSequence
"""
_GEOMETRY = """
ImagePositionPatient ImageOrientationPatient PlanePositionSequence PlaneOrientationSequence PixelMeasuresSequence
SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence FrameContentSequence DimensionOrganizationSequence
DimensionIndexSequence DimensionIndexPointer FunctionalGroupPointer DimensionIndexValues InStackPositionNumber
InConcatenationNumber InConcatenationTotalNumber ConcatenationFrameOffsetNumber FrameAnatomySequence FrameLaterality
"""
_REFERENCES = """
ReferencedSeriesSequence ReferencedInstanceSequence ReferencedSOPSequence ReferencedSOPClassUID ReferencedFrameNumber
ReferencedSegmentNumber StudiesContainingOtherReferencedInstancesSequence SpatialLocationsPreserved
PurposeOfReferenceCodeSequence DerivationCodeSequence ReferencedFrameOfReferenceUID
"""
_SEGMENTATION = """
SegmentSequence SegmentNumber SegmentAlgorithmType SegmentationType SegmentsOverlap SegmentationFractionalType
MaximumFractionalValue SegmentedPropertyCategoryCodeSequence SegmentedPropertyTypeCodeSequence
SegmentedPropertyTypeModifierCodeSequence SegmentationAlgorithmIdentificationSequence AlgorithmFamilyCodeSequence
AlgorithmNameCodeSequence RecommendedDisplayCIELabValue RecommendedDisplayGrayscaleValue
SegmentIdentificationSequence
"""
_REPORT = """
ValueType RelationshipType ContinuityOfContent ConceptNameCodeSequence ConceptCodeSequence MeasuredValueSequence
NumericValue FloatingPointValue RationalNumeratorValue RationalDenominatorValue MeasurementUnitsCodeSequence
NumericValueQualifierCodeSequence GraphicData GraphicType PixelOriginInterpretation ReferencedContentItemIdentifier
ContentTemplateSequence MappingResource TemplateIdentifier TemporalRangeType ReferencedSamplePositions
ReferencedTimeOffsets CompletionFlag VerificationFlag PreliminaryFlag CurrentRequestedProcedureEvidenceSequence
PertinentOtherEvidenceSequence PredecessorDocumentsSequence IdenticalDocumentsSequence PerformedProcedureCodeSequence
CodingSchemeIdentificationSequence
"""

KEPT = _split(
    " ".join((_SERIES, _PIXELS, _ULTRASOUND, _ENHANCED_VOLUME, _GEOMETRY, _REFERENCES, _SEGMENTATION, _REPORT))
)
"""Attributes outside the profile's table that stay where their values are valid."""

REQUIRED = _split(
    "StudyDate StudyTime SeriesDate SeriesTime ContentDate ContentTime Manufacturer ContentDescription SeriesNumber "
    "InstanceNumber ContentCreatorName PatientOrientation PositionReferenceIndicator AcquisitionContextSequence "
    "PatientSex"
)
"""Type 2 somewhere (PS3.3): empty rather than removed where the value may not stay."""

REQUIRED_IN_REPORTS = _split(
    "PerformedProcedureCodeSequence ReferencedPerformedProcedureStepSequence "
    "VerifyingObserverIdentificationCodeSequence"
)
"""Type 2 in the SR Document General and SR Document Series modules (PS3.3 C.17.1 and C.17.2)."""

NEEDED = _split(
    "SegmentLabel SegmentAlgorithmName AlgorithmName AlgorithmVersion TextValue ContentLabel TrackingID StackID "
    "VerifyingOrganization CodingSchemeDesignator"
)
"""Type 1 or 2 where they stand: replaced rather than removed."""

EQUIPMENT = _split("Manufacturer ManufacturerModelName DeviceSerialNumber SoftwareVersions")
"""Type 1 in the Enhanced General Equipment module (PS3.3 C.7.5.2), which segmentations have."""
