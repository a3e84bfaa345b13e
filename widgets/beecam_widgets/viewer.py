"""ClipViewer: one clip at full size with its details, or up to eight side by side."""

from __future__ import annotations

import traitlets as t

from beecam.clips.clip_set import ClipSet
from beecam.runs.run import Run
from beecam_widgets._clips.surface import Surface


class ClipViewer(Surface):
    """The clip under the cursor at full size, or two to eight selected ones side by side.

    Clips side by side play in step. The viewer follows the grid or the table of the same clips,
    in any cell or view of the notebook.

    >>> bw.ClipGrid(run)
    >>> bw.ClipViewer(run)                      # in another cell, or in a JupyterLab view
    >>> viewer = bw.ClipViewer(clips)
    >>> viewer.selection = clips[:3]            # compare three clips and their arguments

    Attributes:
        height: Maximum height of the clips in pixels.
    """

    _surface = t.Unicode("viewer").tag(sync=True)
    height = t.Int(460, min=200, max=4000).tag(sync=True)

    def __init__(self, clips: Run | ClipSet, *, height: int = 460) -> None:
        """Show clips of a run or a set.

        Args:
            clips: From `bc.run(...)`, `run.clips` or `bc.library().clips(...)`.
            height: Maximum height of the clips in pixels.

        Raises:
            TypeError: `clips` is neither a Run nor a ClipSet.

        >>> bw.ClipViewer(run, height=320)
        """
        super().__init__(clips, height=height)
