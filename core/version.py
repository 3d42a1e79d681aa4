"""The version of the service and the workers.

pyproject.toml takes it from here. A test compares the image, the Kubernetes manifests and the
changelog with it.
"""

from typing import Final

VERSION: Final = "0.1.0"
