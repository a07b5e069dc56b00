# SPDX-License-Identifier: Apache-2.0
"""The exceptions of the package: one root, few children, each message says what was found and what was expected."""

from __future__ import annotations

SENTENCE = 2000
"""Characters of a whole sentence, for `shown`: the longest list of topics or options that somebody would read."""


def shown(text: object, limit: int = 80) -> str:
    """Text from outside as part of a sentence: one line, cut at `limit` characters, what cannot be printed escaped.

    An encoding, a frame or a file name with line breaks, terminal escapes or 5,000 characters is data: it forges no
    line of a log and floods no diagnostics.
    """
    words = str(text)
    if len(words) > limit:
        words = f"{words[:limit]}... ({len(words)} characters)"
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)


class MonoDepthError(Exception):
    """Root of every error this package raises on purpose. Tools and nodes print it on one line and exit `exit_code`."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(shown(message, SENTENCE))


class ConfigError(MonoDepthError):
    """A parameter, option or argument that is misspelt or outside its range."""


class UsageError(ConfigError):
    """Words of a command line that are wrong whatever the files and models are: exit code 2, as for an unknown flag."""


class ModelError(MonoDepthError):
    """A model that is unknown, cannot be fetched, or whose weights are not what was asked for."""


class DeviceLostError(ModelError):
    """A GPU on which nothing more can be computed in this process: it must end, and may be started again."""

    exit_code = 3


class DataError(MonoDepthError):
    """A file or data set that is missing, unreadable or of the wrong shape."""


class FrameError(MonoDepthError):
    """One frame that cannot be used. `reason` is a short slug under which the drop is counted."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ImageError(FrameError):
    """An image message that cannot be decoded."""


class CameraError(FrameError):
    """A calibration that cannot be used: uncalibrated, of another size, of an unknown distortion model."""

    def __init__(self, message: str, reason: str = "camera_invalid") -> None:
        super().__init__(message, reason)


class SamplesError(FrameError):
    """A reference that cannot be used, or that gives no sample of the image at hand."""


class ObstacleError(FrameError):
    """An image that obstacles cannot be found in: the robot's frame or floor is not known, or the mask does not fit."""


class FitError(DataError):
    """Samples and a prediction that no curve fits, or no floor to fit. `reason` is a short slug, counted by it."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
