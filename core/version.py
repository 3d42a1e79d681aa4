"""The version of the service and the workers: the only place where it stands.

pyproject.toml takes it from here; a test compares the image and the Kubernetes manifests with it.
"""

from typing import Final

VERSION: Final = "0.1.0"
