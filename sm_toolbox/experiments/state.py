"""Finished trials in a file of JSON lines, which a run that was stopped goes on from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sm_toolbox.errors import InputError, OutputError
from sm_toolbox.experiments.trials import METRICS_OF_TRIALS, TUNINGS, Outcome, Trial
from sm_toolbox.files import check_writable, put_in_place, temporary_name

_FORMAT = "soil moisture toolbox: finished trials of scenarios, 1"


class State:
    """Finished trials, in memory and, where a path is given, in a file.

    A trial is one line, written at once and flushed to the disk: what a killed run leaves is whole lines, and perhaps
    the beginning of one, which is left out and made anew.

    Parameters
    ----------
    path : str or None
        A file of an earlier run of the same table and settings, or one that is not there yet.
    run : mapping of str to str
        What makes this run the one it is; what another of the same file had other is refused by its name.
    """

    def __init__(self, path: str | None, run: Mapping[str, str]):
        self.path, self.done = path, dict[Trial, Outcome]()
        if path is None:
            return
        check_writable(path)
        if os.path.exists(path) and os.path.getsize(path):
            self._read(Path(path), run)
        else:
            temporary = temporary_name(path)
            Path(temporary).write_text(json.dumps({"format": _FORMAT, "run": dict(run)}) + "\n", encoding="utf-8")
            put_in_place(temporary, path)

    def _read(self, path: Path, run: Mapping[str, str]) -> None:
        with open(path, "rb") as file:
            data = file.read()
        lines = data.split(b"\n")
        try:
            head = json.loads(lines[0])
            before = dict(head["run"]) if head["format"] == _FORMAT else None
        except (ValueError, TypeError, KeyError, RecursionError):
            before = None
        if before is None:
            raise InputError(
                f"`state` '{path}' is no file of finished trials of this version. Nothing of it was changed. Name a "
                "file that is not there yet, or one that this algorithm has written."
            )
        other = [name for name in run if before.get(name) != run[name]]
        if other:
            listed = "; ".join(f"{name}: {_short(before.get(name))} there, {_short(run[name])} now" for name in other)
            raise InputError(
                f"`state` '{path}' is of another run ({listed}). Nothing of it was changed. Go on with the table and "
                "settings of then, or name another file."
            )
        for line in lines[1:]:
            trial = _trial_from(line)
            if trial is not None:
                self.done[trial[0]] = trial[1]
        if not data.endswith(b"\n"):
            # The beginning of a line: what follows must not become its end.
            self._append(b"\n")

    def keep(self, trial: Trial, outcome: Outcome) -> None:
        """Keep a finished trial.

        Parameters
        ----------
        trial : Trial
        outcome : Outcome

        Raises
        ------
        OutputError
            Where the file cannot be written, as on a full disk.
        """
        self.done[trial] = outcome
        if self.path is not None:
            line = {
                "trial": [trial.scenario, trial.size, trial.repeat, trial.model],
                "rows": [outcome.train, outcome.test],
                # JSON has no NaN: null stands for it.
                "metrics": {
                    key: [None if math.isnan(values[name]) else values[name] for name in METRICS_OF_TRIALS]
                    for key, values in outcome.by_tuning.items()
                },
                "chosen": outcome.chosen,
            }
            self._append((json.dumps(line) + "\n").encode("utf-8"))

    def _append(self, data: bytes) -> None:
        assert self.path is not None
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
            try:
                written = os.write(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise self._unwritten(error.strerror or str(error)) from error
        if written < len(data):
            raise self._unwritten("the disk is full")

    def _unwritten(self, why: str) -> OutputError:
        return OutputError(
            f"`state` '{self.path}' cannot be written ({why}). What was finished before is kept: free some space, and "
            "go on with the same file."
        )


def _trial_from(line: bytes) -> tuple[Trial, Outcome] | None:
    """Return what a line holds; None where it is not whole."""
    try:
        found: dict[str, Any] = json.loads(line)
        scenario, size, repeat, model = found["trial"]
        by_tuning = {
            key: {
                name: math.nan if value is None else float(value)
                for name, value in zip(METRICS_OF_TRIALS, found["metrics"][key])
            }
            for key in TUNINGS
        }
        if any(len(values) < len(METRICS_OF_TRIALS) for values in by_tuning.values()):
            return None
        train, test = found["rows"]
        trial = Trial(str(scenario), float(size), int(repeat), str(model))
        return trial, Outcome(int(train), int(test), by_tuning, dict(found["chosen"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _short(text: Any) -> str:
    text = "nothing" if text is None else str(text)
    return text if len(text) <= 60 else f"{text[:57]}..."
