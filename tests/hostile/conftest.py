"""The verdicts of the corpus, told at the end of the run."""

from __future__ import annotations

from collections import Counter

import pytest

VERDICTS = pytest.StashKey[Counter]()


def pytest_configure(config):
    config.stash[VERDICTS] = Counter()


def pytest_terminal_summary(terminalreporter, config):
    """Print how many cases of each kind of parameter ended in which verdict."""
    verdicts = config.stash.get(VERDICTS, Counter())
    if not verdicts:
        return
    groups = sorted({group for group, _ in verdicts})
    words = ("done", "refused", "fault")
    terminalreporter.section("hostile input")
    terminalreporter.write_line(f"{'':12}" + "".join(f"{word:>9}" for word in words))
    for group in groups:
        terminalreporter.write_line(f"{group:12}" + "".join(f"{verdicts[group, word]:9}" for word in words))
    total = [sum(count for (_, word), count in verdicts.items() if word == wanted) for wanted in words]
    terminalreporter.write_line(f"{'all':12}" + "".join(f"{count:9}" for count in total))
