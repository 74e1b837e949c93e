"""Language models that run in this process: real ones, without a key or a server.

Importing this package imports neither PyTorch nor Transformers; the modules `checkpoint`, `decoding` and `sampling`
do, and only a worker that answers a call loads them.
"""

from oversight.models.embedded.language.language_model import LanguageModelSettings, SmolLM2, TransformersModel
from oversight.models.embedded.language.weights import KNOWN_WEIGHTS, Weights, fetch

__all__ = ["KNOWN_WEIGHTS", "LanguageModelSettings", "SmolLM2", "TransformersModel", "Weights", "fetch"]
