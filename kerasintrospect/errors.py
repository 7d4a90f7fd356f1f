"""Every exception that the library raises, and every warning that it gives.

    KerasIntrospectError
    ├── InputError(ValueError)            an argument or an input has a value that cannot be used
    │   ├── SiteError                     the address names no activation, or more than one
    │   │   └── UnreachedSiteError        the site exists, but the forward call never came by
    │   ├── TargetError                   the target names no output
    │   ├── CutError                      the model cannot be cut at this site
    │   ├── ModelFileError                the file holds no model that can be loaded safely
    │   └── StaleIndexError               the index was made by other weights, at another site or with another text front
    ├── InputTypeError(TypeError)         an argument or an input has a type that cannot be used
    ├── UnsupportedError                  the model cannot do this, and the message says why
    └── MissingDependencyError(ImportError)   an extra is not installed

    KerasIntrospectWarning(UserWarning)   the result is right, but something about it should be known
"""

__all__ = [
    "CutError",
    "InputError",
    "InputTypeError",
    "KerasIntrospectError",
    "KerasIntrospectWarning",
    "MissingDependencyError",
    "ModelFileError",
    "SiteError",
    "StaleIndexError",
    "TargetError",
    "UnreachedSiteError",
    "UnsupportedError",
]


class KerasIntrospectError(Exception):
    """The root: catch this to catch everything that the library raises on purpose."""


class InputError(KerasIntrospectError, ValueError):
    """An argument or an input has a value that cannot be used."""


class SiteError(InputError):
    """The address names no activation of the model, or more than one."""


class UnreachedSiteError(SiteError):
    """The site exists, but the forward call never came by."""


class TargetError(InputError):
    """The target names no output of the model."""


class CutError(InputError):
    """The model cannot be cut in two at this site."""


class ModelFileError(InputError):
    """The file holds no model that can be loaded safely."""


class StaleIndexError(InputError):
    """The index was made by other weights, at another site or with another text front."""


class InputTypeError(KerasIntrospectError, TypeError):
    """An argument or an input has a type that cannot be used."""


class UnsupportedError(KerasIntrospectError):
    """The model cannot do this, and the message says why."""


class MissingDependencyError(KerasIntrospectError, ImportError):
    """A package of an optional extra is not installed."""


class KerasIntrospectWarning(UserWarning):
    """The result is right, but something about it should be known."""
