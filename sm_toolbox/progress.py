"""How long-running functions report progress, inform the user and check for Cancel."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, Lock

from sm_toolbox.errors import Cancelled


class Progress:
    """A silent progress that is never cancelled; callers subclass it to show progress in their own way."""

    def set_fraction(self, fraction: float) -> None:
        """Receive the fraction of the work that is done, 0 to 1.

        Parameters
        ----------
        fraction : float
        """

    def info(self, text: str) -> None:
        """Receive a line for the log.

        Parameters
        ----------
        text : str
        """

    def command(self, text: str) -> None:
        """Receive a command that the user is to copy.

        Parameters
        ----------
        text : str
        """
        self.info(text)

    def warning(self, text: str) -> None:
        """Receive a warning: what the user should know before trusting the result.

        Parameters
        ----------
        text : str
        """

    keeps_best = False
    """Whether a Cancel asks for the best so far, where there is such a thing, rather than for nothing."""
    had_enough = False
    """Whether a Cancel has been answered so: what is left is to be done."""

    def is_cancelled(self) -> bool:
        """Return whether the user asked to stop."""
        return False

    def check(self) -> None:
        """Raise `Cancelled` where the user asked to stop, unless that has been answered already."""
        if self.is_cancelled() and not self.had_enough:
            raise Cancelled

    def enough(self) -> None:
        """Answer a Cancel with the best so far: it is not heard again."""
        self.had_enough = True

    def part(self, start: float, stop: float) -> Progress:
        """Return a progress whose 0 to 1 is `start` to `stop` of this one.

        Parameters
        ----------
        start, stop : float
            Fractions of this one.

        Returns
        -------
        Progress
        """
        return _Part(self, start, stop)

    def __reduce__(self) -> tuple[type[Progress], tuple[()]]:
        # In another process there is no listener.
        return Progress, ()


class Printed(Progress):
    """Prints what is said, for notebooks and scripts."""

    def info(self, text: str) -> None:
        """As `Progress`."""
        print(text)

    def warning(self, text: str) -> None:
        """As `Progress`."""
        print(f"Warning: {text}")


class _PassedOn(Progress):
    """Passes everything on to another progress, which answers a Cancel for both."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self.keeps_best = progress.keeps_best

    def set_fraction(self, fraction: float) -> None:
        """As `Progress`."""
        self._progress.set_fraction(fraction)

    def info(self, text: str) -> None:
        """As `Progress`."""
        self._progress.info(text)

    def command(self, text: str) -> None:
        """As `Progress`."""
        self._progress.command(text)

    def warning(self, text: str) -> None:
        """As `Progress`."""
        self._progress.warning(text)

    def is_cancelled(self) -> bool:
        """As `Progress`."""
        return self._progress.is_cancelled() and not self._progress.had_enough

    def enough(self) -> None:
        """As `Progress`."""
        super().enough()
        self._progress.enough()


class _Part(_PassedOn):
    def __init__(self, whole: Progress, start: float, stop: float):
        super().__init__(whole)
        self._start, self._stop = start, stop

    def set_fraction(self, fraction: float) -> None:
        super().set_fraction(self._start + (self._stop - self._start) * fraction)


class Unheard(_PassedOn):
    """Passes on how far the work is and hears Cancel, but says nothing: of work whose lines were said before.

    Parameters
    ----------
    progress : Progress
    """

    def info(self, text: str) -> None:
        """As `Progress`, but nothing is said."""

    def warning(self, text: str) -> None:
        """As `Progress`, but nothing is said."""


class SaidOnce(_PassedOn):
    """Passes on all but lines that have been said: of steps that look at the same inputs.

    Parameters
    ----------
    progress : Progress
    """

    def __init__(self, progress: Progress):
        super().__init__(progress)
        self._said = set[str]()

    def info(self, text: str) -> None:
        """As `Progress`."""
        if text not in self._said:
            self._said.add(text)
            super().info(text)

    def warning(self, text: str) -> None:
        """As `Progress`."""
        if text not in self._said:
            self._said.add(text)
            super().warning(text)


class UntilStopped(Progress):
    """Progress of work in another thread, which reports nothing and ends when an event is set.

    Parameters
    ----------
    stop : threading.Event
        Set by the thread that waits and reports to the user.
    """

    def __init__(self, stop: Event):
        self._stop = stop

    def is_cancelled(self) -> bool:
        """Return whether the event is set."""
        return self._stop.is_set()


class Beat:
    """Counts what is done within blocks that are worked on in other threads, and stops them: one may take minutes."""

    def __init__(self) -> None:
        self._lock, self._done, self._stopped = Lock(), 0.0, False

    @property
    def done(self) -> float:
        """Blocks that are done, in parts."""
        return self._done

    def step(self, share: float) -> None:
        """Count a part of a block, in its own thread.

        Parameters
        ----------
        share : float

        Raises
        ------
        Cancelled
            Where the work is to end.
        """
        if self._stopped:
            raise Cancelled
        with self._lock:
            self._done += share

    def stop(self) -> None:
        """Have each block end at its next step."""
        self._stopped = True

    def __reduce__(self) -> tuple[type[Beat], tuple[()]]:
        # Another computer counts for itself, and nobody listens there.
        return Beat, ()


SILENT = Progress()


def listed(items: Sequence[object]) -> str:
    """Name the first six of what a message is about, and count the others.

    Parameters
    ----------
    items : sequence
        Named by `str`.

    Returns
    -------
    str
    """
    return ", ".join(map(str, items[:6])) + (f" and {len(items) - 6} more" if len(items) > 6 else "")
