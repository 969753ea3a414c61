"""What a user is told: failures whose message says all that is needed; a traceback would only hide it."""

import signal


class UserError(Exception):
    """Base of all of them: one clear message, no traceback."""


class ConfigError(UserError, ValueError):
    """The settings, or a file that they name, cannot be used; the message says which, and what is allowed."""


class Damaged(UserError, ValueError):
    """A file that was written here is not what was written; the message says how it is made anew."""


class MismatchedEnds(UserError, ValueError):
    """Two checkpoints are not two points of one space."""


class AlignmentFailed(UserError, ValueError):
    """A model with its units in another order is another function."""


class TrainingFailed(UserError, RuntimeError):
    """A failure that is bound to come again: a retry would only repeat it."""


class DiskFull(UserError, RuntimeError):
    """Something could not be written for want of room; what was written before is whole."""


class GivenUp(UserError, RuntimeError):
    """Trying again in this call would only fail again."""


class LockLost(UserError, RuntimeError):
    """Another process took the run over, because this one stood still for too long."""


class Interrupted(SystemExit):
    """A signal ended the process; what it had trained is saved, as `said` says."""

    def __init__(self, number: signal.Signals, said: str):
        super().__init__(128 + number)
        self.said = f"{number.name}: {said}"
