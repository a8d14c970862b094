"""How rasters are processed: memory, threads or a cluster, and progress, in one object."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sm_toolbox.progress import SILENT, Beat, Progress


@dataclass(frozen=True)
class Engine:
    """With what blocks are worked on.

    Parameters
    ----------
    memory : int, optional
        Budget in bytes for all blocks in memory at once; by default 256 MB, and more where one tile of many bands needs
        it, up to a quarter of the computer's memory.
    threads : int, optional
        Workers; by default all cores.
    scheduler : str, optional
        Address of a Dask cluster, on whose workers the kernel runs, as `cluster.on_cluster`. Without it threads of this
        process work.
    progress : Progress, optional
    beat : Beat, optional
        Of a kernel that counts its steps: the progress is heard, and Cancel, within blocks, too.
    """

    memory: int | None = None
    threads: int | None = None
    scheduler: str = ""
    progress: Progress = SILENT
    beat: Beat | None = None

    def part(self, start: float, stop: float) -> Engine:
        """Return the same with a progress whose 0 to 1 is `start` to `stop` of this one.

        Parameters
        ----------
        start, stop : float
            Fractions of this one's progress.

        Returns
        -------
        Engine
        """
        return replace(self, progress=self.progress.part(start, stop))

    def here(self) -> Engine:
        """Return the same without a cluster, for work on files that only this computer sees."""
        return replace(self, scheduler="")


ALL_CORES = Engine()
