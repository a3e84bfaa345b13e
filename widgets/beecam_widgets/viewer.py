"""One clip large with all that made it, or up to eight side by side."""

from __future__ import annotations

import traitlets as t

from beecam.clips.clip_set import ClipSet
from beecam.runs.run import Run
from beecam_widgets.surface import Surface


class ClipViewer(Surface):
    """The clip under the cursor, large; two to eight selected ones side by side and in step.

    It follows the grid or the table of the same clips, wherever that is.

    >>> bw.ClipGrid(run)
    >>> bw.ClipViewer(run)                      # in a cell of its own, or a view of its own
    >>> viewer = bw.ClipViewer(clips)
    >>> viewer.selection = clips[:3]            # these three, with what they differ in

    Attributes:
        height: That the clips may take, in pixels.
    """

    _surface = t.Unicode("viewer").tag(sync=True)
    height = t.Int(460, min=200, max=4000).tag(sync=True)

    def __init__(self, shown: Run | ClipSet, *, height: int = 460) -> None:
        """Show clips of a run or a set.

        Args:
            shown: From `bc.run(...)`, `run.clips` or `bc.library().clips(...)`.
            height: That the clips may take, in pixels.

        Raises:
            TypeError: `shown` is neither a run nor a set of clips.
        """
        super().__init__(shown, height=height)
