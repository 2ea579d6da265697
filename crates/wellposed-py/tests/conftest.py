"""Set before SciPy is imported: with it, scikit-learn skips none of its checks."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")
