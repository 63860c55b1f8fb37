"""The import of this module fails unless Keras's backend is TensorFlow. `import ntm` imports this module first.

Raises:
    ImportError: Keras has another backend, or its backend cannot be imported.
"""

_MESSAGE = "ntm needs Keras's TensorFlow backend: set KERAS_BACKEND=tensorflow before Keras is imported"

try:
    import keras
except (ImportError, ValueError) as error:
    if getattr(error, "name", None) in ("keras", "tensorflow"):
        raise
    raise ImportError(_MESSAGE) from None
if keras.config.backend() != "tensorflow":
    raise ImportError(_MESSAGE)
