"""Clips: what came out of shots, and ordered collections of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from beecam._util import checks as kinds
from beecam.errors import CheckError, LibraryError, MediaError, Problem, did_you_mean, shorten
from beecam.media import mp4
from beecam.shots.shot import Shot
from beecam.sweeps.axes import Axis, positions

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from beecam.clips.library import Library
    from beecam.media.types import Frames, Sound
    from beecam.models.model import Model
    from beecam.runs.run import Run


class Clip:
    """What came out of a shot: frames on disk, facts measured on them, a rating.

    What never changes (shot, facts) is read once; stars, rejection and tags are read from the
    library each time, because another notebook may have changed them.

    >>> clip = run.clips[3]
    >>> clip.stars = 4
    >>> clip.frames().shape
    (17, 64, 64, 3)
    """

    def __init__(self, library: Library, key: str) -> None:
        self.library = library
        self.key = key

    @cached_property
    def _row(self) -> dict[str, Any]:
        return self.library.row(self.key)

    @property
    def shot(self) -> Shot:
        """Everything that determined it."""
        shot: Shot = self._row["shot"]
        return shot

    @property
    def facts(self) -> dict[str, Any]:
        """What was measured when it was made: size, fps, seconds, batch, digest of its frames."""
        return dict(self._row["facts"])

    @property
    def parents(self) -> tuple[str, ...]:
        """Keys of the clips that it was made from."""
        return tuple(self._row["parents"])

    @property
    def created(self) -> float:
        """When, in seconds since 1970."""
        return float(self._row["created"])

    @property
    def stars(self) -> int:
        """0 to 5; setting it writes to the library."""
        return int(self.library.row(self.key)["stars"])

    @stars.setter
    def stars(self, value: int) -> None:
        kinds.need(kinds.whole("stars", value, 0, 5), LibraryError)
        self.library.rate(self.key, stars=value)

    @property
    def rejected(self) -> bool:
        """Whether it was put aside; setting it writes to the library."""
        return bool(self.library.row(self.key)["rejected"])

    @rejected.setter
    def rejected(self, value: bool) -> None:
        kinds.need(kinds.flag("rejected", value), LibraryError)
        self.library.rate(self.key, rejected=value)

    @property
    def tags(self) -> tuple[str, ...]:
        """Words of yours; setting them writes to the library."""
        return tuple(self.library.row(self.key)["tags"])

    @tags.setter
    def tags(self, value: Iterable[str]) -> None:
        self.library.tag(self.key, value)

    @property
    def mp4(self) -> Path:
        """The H.264 file, with the shot inside."""
        return self.library.mp4(self.key)

    @property
    def sheet(self) -> bytes:
        """One JPEG with the frames side by side; `facts["sheet"]` has its layout.

        Raises:
            MediaError: The file is missing.
        """
        return self._read(self.library.sheet(self.key))

    @property
    def video(self) -> bytes:
        """The bytes of the H.264 file, with the shot inside.

        Raises:
            MediaError: The file is missing.
        """
        return self._read(self.mp4)

    def sound(self) -> Sound | None:
        """Read what is heard with it, as the mp4 keeps it; None for a silent clip.

        Raises:
            MediaError: The file is missing or damaged.
        """
        return mp4.read_sound(self.mp4)

    def frames(self) -> Frames:
        """Read the frames: frames x height x width x 3, RGB, uint8, as the mp4 keeps them.

        Raises:
            MediaError: The file is missing or damaged.
        """
        if not self.mp4.exists():
            raise MediaError(self._lost(self.mp4))
        return mp4.read_mp4(self.mp4)

    def remake(self, model: Model) -> Frames:
        """Make it again to the same bits: in a call as large as the recorded one, at its place.

        Sums in a call are split between threads by its size, so that the last bits of a clip
        depend on the size and sometimes on the place, never on the neighbours.

        Returns:
            The frames as the model makes them, before the mp4: frames x height x width x 3.

        Raises:
            CheckError: What is given is no model.
            LibraryError: The model is not the one that made it.
        """
        kinds.need(kinds.loaded(model))
        model.refresh()
        if model.resolve(self.shot.replace(model=None, revision=None)).key != self.key:
            raise LibraryError(
                f"clip {self.key[:8]} was made by {self.shot.model} {self.shot.revision}; "
                f"this is {model.name} {model.revision}, which would make another one."
            )
        facts = self.facts
        made = model.generate([self.shot] * int(facts.get("batch", 1)))
        return made[int(facts.get("place_in_batch", 0))].frames

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise MediaError(self._lost(path)) from error

    def _lost(self, path: Path) -> str:
        return (
            f"the media file {path} of clip {self.key[:8]} is missing; run its sweep again, "
            "which makes only what is missing."
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clip) and (self.key, self.library.folder) == (
            other.key,
            other.library.folder,
        )

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Clip {self.key[:8]}: {self.shot.text!r}, seed {self.shot.seed}"

    def _repr_html_(self) -> str:
        from beecam.export.notebook import clip_html

        return clip_html(self)


class ClipSet(Sequence[Clip]):
    """An ordered collection of clips, with their coordinates when they come from a sweep.

    >>> run.clips.filter(lambda clip: clip.stars >= 4).to_frame()

    Attributes:
        library: Where the clips are.
        axes: The axes of the sweep they come from; empty for a library's own list.
    """

    def __init__(
        self,
        library: Library,
        keys: Sequence[str],
        *,
        axes: Sequence[Axis] = (),
        coords: Sequence[Mapping[str, int]] = (),
        title: str = "",
        model: Model | None = None,
        awaited: int = 0,
    ) -> None:
        """Collect clips; `awaited` is how many there will be, where a run still makes them."""
        self.library = library
        self.keys = tuple(keys)
        self.axes = tuple(axes)
        self.title = title
        self._coords = tuple(coords)
        self._model = model
        self._awaited = awaited

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> ClipSet: ...
    def __getitem__(self, index: int | slice) -> Clip | ClipSet:
        """Return one clip, or a slice as another set."""
        try:
            if isinstance(index, slice):
                return self._pick(range(len(self))[index])
            return Clip(self.library, self.keys[index])
        except IndexError:
            raise IndexError(self._why_not(index)) from None
        except TypeError:
            raise CheckError(
                [
                    Problem(
                        "index",
                        f"clips[{shorten(index)}]: a clip's number or a slice is needed, as "
                        "in clips[0] or "
                        'clips[:4]; clips.where(insect="bee") picks by axis, library[key] '
                        "by key.",
                    )
                ]
            ) from None

    def __iter__(self) -> Iterator[Clip]:
        return (Clip(self.library, key) for key in self.keys)

    def __repr__(self) -> str:
        axes = " x ".join(f"{a.name}({len(a)})" for a in self.axes)
        return f"ClipSet: {len(self):,} clips" + (f", {axes}" if axes else "")

    def _why_not(self, index: Any) -> str:
        if len(self) < self._awaited and -self._awaited <= index < self._awaited:
            return (
                f"clip {index}: the run has made {len(self):,} of {self._awaited:,} clips so far; "
                "run.wait() waits for all."
            )
        return f"clip {index}: there are {len(self)}, counted from 0."

    def coords(self, index: int) -> dict[str, int]:
        """Return the position on each axis of the clip at `index`."""
        return dict(self._coords[index]) if self._coords else {}

    def values(self, index: int) -> dict[str, Any]:
        """Return the value on each axis of the clip at `index`.

        Raises:
            IndexError: There is no such clip.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(self._why_not(index))
        place = self.coords(index)
        return {a.name: a.values[place[a.name]] for a in self.axes if a.name in place}

    def label(self, index: int) -> str:
        """Return how the clip at `index` is called: its labels on the axes, or its number."""
        place = self.coords(index)
        words = [a.labels[place[a.name]] for a in self.axes if a.name in place]
        return ", ".join(words) or str(index + 1)

    def promote(self, model: Model | None = None, *, exact: bool = False) -> Run:
        """Finish drafts: each goes on from where it stands, to the bits of a whole run.

        >>> drafts = bc.run(sweep, model, draft=0.3)
        >>> drafts.clips.starred.promote()

        Args:
            model: That which made them; by default that of the run they come from.
            exact: As it was for the drafts.

        Raises:
            CheckError: There is nothing to finish, no model, or another one.
        """
        from beecam.runs.run import promote

        used = self._model if model is None else model
        if used is None:
            raise LibraryError(
                "promote: these clips come from a library, which knows no loaded model: "
                "promote(model)."
            )
        kinds.need([*kinds.loaded(used), *kinds.flag("exact", exact)])
        return promote(self, used, exact=exact)

    def filter(self, keep: Callable[[Clip], bool]) -> ClipSet:
        """Keep the clips for which `keep(clip)` is true."""
        kinds.need(kinds.function("filter", keep, "clip", "lambda clip: clip.stars > 2"))
        return self._pick([i for i, clip in enumerate(self) if keep(clip)])

    def sort(self, by: str | Callable[[Clip], Any], *, reverse: bool = False) -> ClipSet:
        """Order by a value's name, or by `by(clip)`; equal ones stay in their order.

        >>> clips.sort("-stars")
        >>> clips.sort(lambda clip: len(clip.shot.prompt))

        Args:
            by: What a query can ask for (see `matching`), with a leading "-" for descending; or a
                function of a clip.
            reverse: The other way round.

        Raises:
            CheckError: There is no such name.
        """
        if isinstance(by, str):
            from beecam.storage.query import in_order
            from beecam.storage.query_rows import USUAL, names_in, rows_of

            rows = rows_of(self.library, self.keys, self.axes, self._coords)
            known = list(dict.fromkeys([*names_in(rows), *USUAL]))
            kinds.need(kinds.choice("by", by, known, "; a leading - is for descending"))
            turned = by.removeprefix("-") if by.startswith("-") else f"-{by}"
            return self._pick(in_order(rows, turned if reverse else by))
        kinds.need(kinds.function("sort", by, "clip", "lambda clip: clip.stars"))
        ranks = [by(clip) for clip in self]
        return self._pick(sorted(range(len(self)), key=ranks.__getitem__, reverse=reverse))

    def where(self, **values: Any) -> ClipSet:
        """Keep the clips at these values of their axes, or at one of a list of values each.

        >>> clips.where(insect="bee", seed=[1, 2])

        Raises:
            LibraryError: There is no such axis.
            CheckError: An axis has no such value.
        """
        self._need_axes(values)
        wanted = {a.name: positions(a, values[a.name]) for a in self.axes if a.name in values}
        return self._pick(
            [
                i
                for i, place in enumerate(self._coords)
                if all(place.get(name) in at for name, at in wanted.items())
            ]
            if wanted
            else range(len(self))
        )

    def matching(self, query: str) -> ClipSet:
        """Keep the clips that suit a query, a line as it is typed into the grid.

        >>> clips.matching("bee stars>=3 -is:rejected seconds<2")

        Args:
            query: Words that prompt, labels or tags contain; `name:value`, `name>=3` for axes,
                facts and arguments; `tag:` and `is:`; a leading "-" for not. See
                `beecam.storage.query`.

        Raises:
            CheckError: A term of it makes no sense.
        """
        from beecam.storage.query import parse
        from beecam.storage.query_rows import USUAL, names_in, rows_of

        rows = rows_of(self.library, self.keys, self.axes, self._coords)
        wanted = parse(query, list(dict.fromkeys([*names_in(rows), *USUAL])))
        return self._pick(
            i for i, row in enumerate(rows) if row is not None and wanted.matches(row)
        )

    @property
    def starred(self) -> ClipSet:
        """The clips with a star or more."""
        return self.filter(lambda clip: clip.stars > 0)

    def pivot(self, rows: str, columns: str) -> pd.DataFrame:
        """Return a pandas frame of clips: a row for each value of one axis, a column of another.

        Where several clips share a place, the first one is taken.
        """
        import pandas as pd

        self._need_axes((rows, columns))
        labels = {a.name: a.labels for a in self.axes}
        places: list[list[Clip | None]] = [[None] * len(labels[columns]) for _ in labels[rows]]
        for i in reversed(range(len(self))):
            place = self.coords(i)
            places[place[rows]][place[columns]] = self[i]
        return pd.DataFrame(places, index=labels[rows], columns=labels[columns], dtype=object)

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame: a row a clip, with axes, prompt, seed, rating and facts."""
        import pandas as pd

        rows = []
        for i, clip in enumerate(self):
            row = self.library.row(clip.key)
            shot: Shot = row["shot"]
            facts = {k: v for k, v in row["facts"].items() if not isinstance(v, dict)}
            own = {
                **self.values(i),
                "prompt": shot.text,
                "seed": shot.seed,
                "stars": row["stars"],
                "rejected": row["rejected"],
                "tags": row["tags"],
            }
            # An axis may be called like a fact: what the person named wins.
            rows.append(
                {**own, **{k: v for k, v in facts.items() if k not in own}, "key": clip.key}
            )
        return pd.DataFrame(rows)

    def show(self, columns: int = 4, width: int = 160) -> None:
        """Show the clips as playing videos through mediapy, where there are no widgets.

        Args:
            columns: Videos in a row.
            width: Of each video on the page, in pixels.
        """
        from beecam.export.notebook import show_videos

        show_videos(self, columns=columns, width=width)

    def contact_sheet(self, columns: int = 4, frames: int = 4) -> Figure:
        """Draw some frames of each clip with matplotlib.

        Args:
            columns: Clips in a row.
            frames: Frames shown of each clip, evenly chosen.
        """
        from beecam.export.notebook import contact_figure

        return contact_figure(self, columns=columns, frames=frames)

    def export_html(
        self, path: str | Path, title: str | None = None, *, max_bytes: int = 9_500_000
    ) -> Path:
        """Write one offline page with the grid: play, arrange, find, compare, without a network.

        Args:
            path: The HTML file.
            title: The heading; by default the sweep's template.
            max_bytes: The page stays below this. Films of all clips are in it where they fit, else
                those of the starred ones; what was left out or made smaller is said in the page.

        Returns:
            The page's path.

        Raises:
            CheckError: The path is that of a folder, or the title is no text.
            BeecamError: There are no clips, or the page can't be written there.
        """
        from beecam.export.page import write_page

        return write_page(self, path, title or self.title or "beecam", max_bytes)

    def _need_axes(self, names: Iterable[str]) -> None:
        known = [axis.name for axis in self.axes]
        for name in names:
            if name not in known:
                there = f"the axes are {', '.join(known)}" if known else "these clips have no axes"
                raise LibraryError(f"no axis {name!r}: {there}.{did_you_mean(name, known)}")

    def _pick(self, places: Iterable[int]) -> ClipSet:
        chosen = list(places)
        return ClipSet(
            self.library,
            [self.keys[i] for i in chosen],
            axes=self.axes,
            coords=[self._coords[i] for i in chosen] if self._coords else (),
            title=self.title,
            model=self._model,
        )

    def _ipython_display_(self) -> None:
        from beecam.export.notebook import show_clips

        show_clips(self)
