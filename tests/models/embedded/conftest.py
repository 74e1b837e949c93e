"""One trained judge for all tests here, from the user's cache after the first time (about 5 s)."""

import numpy as np
import pytest

from oversight.models.embedded.digits.classifier import Classifier, trained
from oversight.models.embedded.digits.images import load_images


@pytest.fixture(scope="session")
def judge() -> Classifier:
    return trained(4, 0)


@pytest.fixture(scope="session")
def small_image() -> np.ndarray:
    """A test image with all but seven of its nonzero pixels blanked."""
    images = load_images()
    image = images.pixels[images.test_rows[3]].copy()
    kept = np.random.default_rng(5).choice(np.flatnonzero(image), 7, replace=False)
    image[np.setdiff1d(np.arange(64), kept)] = 0
    return image
