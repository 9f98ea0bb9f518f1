"""What the lesion reader's outputs mean: their names, in the order of the network, and the terms of each."""

from types import MappingProxyType

CATEGORIES = ("2", "3", "4A", "4B", "4C", "5")
"""Ordered BI-RADS categories of a lesion."""
ONE_OF = MappingProxyType(
    {
        "shape": ("oval", "round", "irregular"),
        "echo_pattern": (
            "anechoic",
            "hyperechoic",
            "complex_cystic_and_solid",
            "hypoechoic",
            "isoechoic",
            "heterogeneous",
        ),
        "posterior_features": ("none", "enhancement", "shadowing", "combined"),
    }
)
"""Outputs of which exactly one term holds: softmax over their logits."""
ANY_OF = MappingProxyType(
    {
        "margin": ("circumscribed", "indistinct", "angular", "microlobulated", "spiculated"),
        "halo": ("halo",),
        "calcifications": ("calcifications",),
    }
)
"""Outputs whose terms hold independently: a sigmoid each."""
OUTPUTS = MappingProxyType(
    {
        "malignant": 1,
        "category": len(CATEGORIES) - 1,
        "shape": 3,
        "margin": 5,
        "echo_pattern": 6,
        "posterior_features": 4,
        "halo": 1,
        "calcifications": 1,
        "embedding": 64,
    }
)
"""Columns of each output, in the network's order. `malignant` is (batch,), all others (batch, columns)."""
