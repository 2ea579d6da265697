"""The exceptions. All are ``ValueError``, since all are answers to what was asked; some are more."""

from numpy.linalg import LinAlgError

__all__ = ["Error", "NotConvergedError", "SingularError"]


class Error(ValueError):
    """A problem or a setting that is refused; the text ends in the way out."""

    __module__ = "wellposed"


class NotConvergedError(Error, RuntimeError):
    """An iteration or a kernel stopped before its tolerance was reached."""

    __module__ = "wellposed"


class SingularError(Error, LinAlgError):
    """No unique answer where one was asked for, or a method asked for by name that would lose the digits."""

    __module__ = "wellposed"
