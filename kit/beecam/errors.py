"""Exceptions of beecam, and helpers that word their messages.

The exception hierarchy:

BeecamError
  + CheckError              (also a ValueError)
  + ModelError
    + OutOfMemoryError
  + MediaError
  + DeckError
  + LibraryError
  + Stopped                 (a requested stop, not a failure)

A BeecamWarning is a UserWarning.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

_OWN = ("beecam", "beecam_widgets")
_MAX_PER_ARGUMENT = 10

# Names that other tools and libraries use for diffusers' arguments; their spelling is too far
# from diffusers' for difflib, or nearer to that of another argument.
_ALIASES = {
    "cfg": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "end_image": "last_image",
    "first_frame": "image",
    "frame_rate": "fps",
    "framerate": "fps",
    "frames": "num_frames",
    "generator": "seed",
    "guidance": "guidance_scale",
    "inference_steps": "num_inference_steps",
    "init_image": "image",
    "last_frame": "last_image",
    "length": "num_frames",
    "lora_scale": "lora_weight",
    "n_frames": "num_frames",
    "n_steps": "num_inference_steps",
    "negative": "negative_prompt",
    "num_steps": "num_inference_steps",
    "sampler": "scheduler",
    "sampling_steps": "num_inference_steps",
    "start_image": "image",
    "steps": "num_inference_steps",
    "video_length": "num_frames",
}


class BeecamError(Exception):
    """Base class of all exceptions that beecam raises.

    >>> try:
    ...     bc.run(sweep, model)
    ... except bc.BeecamError as error:
    ...     print(error)
    """

    def __init__(self, *values: object) -> None:
        # Messages quote what others wrote: half of a surrogate pair would raise where it is shown.
        super().__init__(*(encodable(v) if isinstance(v, str) else v for v in values))

    _rendered = False

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows of this error: at first the user's frames only.

        Our sentence is about the user's line, and our own frames would push it out of sight. With
        `%tb`, and in IPython's mode Verbose, all frames are shown, as of an error with a cause.
        """
        from IPython import get_ipython

        shell = get_ipython()
        formatter, tb = shell.InteractiveTB, self.__traceback__
        has_cause = self.__cause__ or (self.__context__ and not self.__suppress_context__)
        is_whole = self._rendered or has_cause or formatter.mode == "Verbose"
        self._rendered = True
        shown = tb if is_whole else _users_part(tb)
        lines: list[str] = formatter.structured_traceback(type(self), self, shown)
        if shown is not tb:
            lines.append("(%tb shows the full traceback.)")
        return lines


def _users_part(tb: TracebackType | None) -> TracebackType | None:
    """Return a traceback without what follows the last frame of the user's own code.

    The user's code is in `__main__`, as all cells of a notebook are, or was called before ours.
    """
    entries = []
    while tb:
        entries.append(tb)
        tb = tb.tb_next
    names = [str(entry.tb_frame.f_globals.get("__name__")) for entry in entries]
    ours = [n for n, name in enumerate(names) if name.partition(".")[0] in _OWN]
    main = [n for n, name in enumerate(names) if name == "__main__"]
    end = max(main, default=-1) + 1 or min(ours, default=len(entries))
    shown = None
    for entry in reversed(entries[:end]):
        shown = TracebackType(shown, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return shown or next(iter(entries), None)


@dataclass(frozen=True)
class Problem:
    """One invalid argument, with a message that says how to fix it.

    >>> Problem("width", "width=50: multiples of 32; the nearest are 32 and 64.").argument
    'width'

    Attributes:
        argument: The argument's name, as the caller wrote it.
        message: A sentence with the value, what is allowed and the nearest valid choice.
    """

    argument: str
    message: str

    def __post_init__(self) -> None:
        """Make the texts ones that can be shown; see `encodable`."""
        vars(self).update(argument=encodable(self.argument), message=encodable(self.message))

    def __str__(self) -> str:
        return self.message


class CheckError(BeecamError, ValueError):
    """Raised for invalid arguments, before any compute, with all problems of a call at once.

    The message lists the first ten problems of each argument.

    >>> try:
    ...     sweep.check(model)
    ... except bc.CheckError as error:
    ...     print([problem.argument for problem in error.problems])
    ['width', 'seed']

    Attributes:
        problems: All problems, in the order in which they were found.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(join_problems(self.problems))


class ModelError(BeecamError):
    """Raised when a model can't be loaded, or returns something that is not a clip.

    A wrong argument of `bc.load` is a CheckError, as of any call.

    >>> try:
    ...     model = bc.load("owner/name")
    ... except bc.ModelError:
    ...     model = bc.load()
    """


class OutOfMemoryError(ModelError):
    """Raised when the accelerator or the machine runs out of memory during a batch.

    >>> try:
    ...     model.generate(shots)
    ... except bc.OutOfMemoryError:
    ...     model.generate(shots[:1])
    """


class MediaError(BeecamError):
    """Raised when a media file is missing, damaged, or not a clip of beecam.

    >>> try:
    ...     frames = clip.frames()
    ... except bc.MediaError as error:
    ...     print(error)
    """


class DeckError(BeecamError):
    """Raised when a deck does not exist or its file is invalid; names the file, line and key.

    >>> try:
    ...     deck = bc.deck("lessons/insects.yaml")
    ... except bc.DeckError as error:
    ...     print(error)
    lessons/insects.yaml, line 2: templat: not a key of the deck. Did you mean template?
    """


class LibraryError(BeecamError):
    """Raised when a folder can't be used as a library.

    >>> try:
    ...     library = bc.library("clips")
    ... except bc.LibraryError as error:
    ...     print(error)
    """


class BeecamWarning(UserWarning):
    """Issued for what doesn't stop a run: words that a model doesn't know, cells that failed.

    >>> warnings.simplefilter("ignore", bc.BeecamWarning)
    """


class Stopped(BeecamError):  # noqa: N818  (a requested stop is not an error)
    """Raised through the pipeline to leave a generation that was asked to stop.

    >>> def on_step(step):
    ...     if stop_requested:
    ...         raise bc.Stopped
    """


def join_problems(problems: Sequence[Problem]) -> str:
    """Return the message for several problems: the first ten of each argument.

    >>> print(join_problems([Problem("seed", "seed=-1: ..."), Problem("width", "width=0: ...")]))
    2 problems:
      - seed=-1: ...
      - width=0: ...
    """
    if len(problems) == 1:
        return str(problems[0])
    counts = Counter(problem.argument for problem in problems)
    listed: Counter[str] = Counter()
    lines = []
    for problem in problems:
        name = problem.argument
        listed[name] += 1
        if listed[name] <= _MAX_PER_ARGUMENT:
            lines.append(str(problem))
        if listed[name] == _MAX_PER_ARGUMENT < counts[name]:
            lines.append(f"and {counts[name] - _MAX_PER_ARGUMENT:,} more of {name}.")
    return f"{len(problems):,} problems:\n" + "\n".join(f"  - {line}" for line in lines)


def nearest_match(word: object, choices: Iterable[str]) -> str | None:
    """Return the choice that `word` most likely means, or None.

    A name that other tools use for one of the choices ("steps", "cfg") comes before the nearest
    spelling.

    >>> nearest_match("guidence_scale", ["guidance_scale", "num_frames"])
    'guidance_scale'
    >>> nearest_match("steps", ["num_inference_steps", "num_frames"])
    'num_inference_steps'

    Args:
        word: What the user wrote; anything but a string matches nothing.
        choices: The valid spellings.
    """
    if not isinstance(word, str):
        return None
    choices = list(choices)
    alias = _ALIASES.get(word.casefold())
    if alias in choices:
        return alias
    matches = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(word: object, choices: Iterable[str], form: str = "{}") -> str:
    """Return " Did you mean X?" for the nearest choice, or an empty string.

    >>> did_you_mean("insekt", ["insect", "place"], "the slot {{{}}}")
    ' Did you mean the slot {insect}?'

    Args:
        word: What the user wrote.
        choices: The valid spellings.
        form: A format string for the choice.
    """
    match = nearest_match(word, choices)
    return f" Did you mean {form.format(match)}?" if match else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its class where it has no text.

    >>> first_line(ValueError("too large")), first_line(OSError())
    ('too large', 'OSError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def encodable(text: str) -> str:
    r"""Return text with its halves of surrogate pairs, which no output can encode, as escapes.

    >>> encodable("a \ud83d bee")
    'a \\ud83d bee'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def shorten(value: object, limit: int = 60) -> str:
    """Return the repr of a value, cut with an ellipsis to fit into a message.

    >>> shorten("a very long prompt", 10)
    "'a very l…"

    Args:
        value: Any object.
        limit: The maximum number of characters.
    """
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def join_words(words: Sequence[str], conjunction: str = "and") -> str:
    """Join words to an enumeration: "a", "a and b", "a, b and c".

    >>> join_words(["dawn", "noon", "night"], "or")
    'dawn, noon or night'

    Args:
        words: The words, in order.
        conjunction: What comes before the last word.
    """
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"
