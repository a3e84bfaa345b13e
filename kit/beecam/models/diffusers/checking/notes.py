"""What is set for a model but doesn't reach its clips: words, and arguments without effect.

The rule: what is lost is reported before any compute, and never prevents a sweep. A note names the
words or the argument and what would act; a last one says which cells make equal clips for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from beecam._util.words import count_of
from beecam.errors import join_words, shorten
from beecam.models.denoise.schedulers import Schedulers
from beecam.models.diffusers.checking.no_effect import (
    CallSettings,
    effective_settings,
    without_effect,
)
from beecam.models.diffusers.checking.settings import differing, settings_of
from beecam.models.diffusers.tasks import Task, TextLimit
from beecam.models.model import Note
from beecam.models.text.vocabulary import Vocabulary, quoted
from beecam.shots.shot import Shot
from beecam.shots.weighted_prompts import parts_of

_MAX_LISTED = 4  # values in a note
_MAX_NEAREST = 50  # unknown words for which the nearest known one is looked for


def find_notes(
    shots: Sequence[tuple[Shot, Task]],
    model: str,
    schedulers: Schedulers,
    *,
    resolve: Callable[[Shot], Shot],
) -> Iterator[Note]:
    """Yield the notes on shots.

    Args:
        shots: Resolved shots, each with the task that generates it.
        model: The model's name.
        schedulers: The schedulers of its pipeline.
        resolve: Fills in the model's defaults.
    """
    groups: dict[int, tuple[Task, list[Shot]]] = {}
    for shot, task in shots:
        groups.setdefault(id(task), (task, []))[1].append(shot)
    for task, group in groups.values():
        defaults = resolve(Shot(prompt="", conditions=group[0].conditions))
        yield from _ShotNotes(task, model, schedulers).find(group, defaults)


class _ShotNotes:
    """The notes on resolved shots of one task."""

    def __init__(self, task: Task, model: str, schedulers: Schedulers) -> None:
        """Prepare the notes of a task.

        Args:
            task: The task that generates the shots.
            model: The model's name.
            schedulers: The schedulers of its pipeline.
        """
        self._task = task
        self._model = model
        self._schedulers = schedulers
        self._vocabularies: dict[int, Vocabulary] = {}
        # By argument, number of the tokenizer and limit.
        self._limits: dict[tuple[str, int, int], TextLimit] = {}
        self._texts: dict[tuple[str, int, int], dict[str, None]] = {}
        self._lossy: set[str] = set()
        # By call, which outlives this, and argument.
        self._limits_of: dict[tuple[int, str], list[TextLimit]] = {}

    def find(self, shots: Sequence[Shot], defaults: Shot) -> Iterator[Note]:
        """Yield the notes.

        Args:
            shots: Resolved shots.
            defaults: The resolved shot that sets nothing.
        """
        groups: dict[Hashable, list[Shot]] = {}
        for shot in shots:
            # Some pipelines guide only where there is a negative prompt.
            key = settings_of(shot), shot.negative_prompt is None
            groups.setdefault(key, []).append(shot)
        calls = [
            (CallSettings(self._task, group[0], defaults, self._schedulers), group)
            for group in groups.values()
        ]
        for call, group in calls:
            self._collect(call, group)
        yield from self._of_words()
        yield from _of_switches(shots)
        yield from self._of_arguments(calls, defaults)

    # --- words ---------------------------------------------------------------------------------

    def _collect(self, call: CallSettings, group: Sequence[Shot]) -> None:
        limits: dict[str, list[TextLimit]] = {}
        for shot in group:
            for argument, text in _texts_of(shot, call.guided):
                if argument == "negative_prompt" and text == self._task.unset_negative_prompt:
                    continue  # the pipeline's own
                if argument not in limits:
                    limits[argument] = self._task.text_limits(call.shot, argument)
                for number, limit in enumerate(limits[argument]):
                    key = argument, number, limit.tokens
                    self._limits[key] = limit
                    self._texts.setdefault(key, {})[text] = None

    def _vocabulary(self, number: int, limit: TextLimit) -> Vocabulary:
        if number not in self._vocabularies:
            self._vocabularies[number] = Vocabulary(limit.tokenizer)
        return self._vocabularies[number]

    def _of_words(self) -> Iterator[Note]:
        for key, texts in self._texts.items():
            argument, number, _ = key
            limit = self._limits[key]
            words = self._vocabulary(number, limit)
            words.encode_ahead(texts, specials=limit.specials)
            found = [
                *(_note_unknown(argument, list(texts), words, self._model) if not number else ()),
                *_note_cut(argument, list(texts), words, limit, self._model, second=number > 0),
            ]
            if found:
                self._lossy.add(argument)
            yield from found

    # --- arguments -----------------------------------------------------------------------------

    def _of_arguments(
        self, calls: Sequence[tuple[CallSettings, Sequence[Shot]]], defaults: Shot
    ) -> Iterator[Note]:
        values: dict[tuple[str, str], dict[str, None]] = {}
        equal: dict[Hashable, list[Shot]] = {}
        for call, group in calls:
            idle_of: dict[tuple[bool, bool], tuple[dict[str, str], tuple[Any, ...]]] = {}
            for shot in group:
                # All that the rules read of the texts.
                kind = self._fits(call, shot), bool(shot.negative_prompt)
                if kind not in idle_of or "clean_caption" in shot.arguments:
                    own = CallSettings(self._task, shot, defaults, self._schedulers, kind[0])
                    idle = without_effect(own)
                    idle_of[kind] = idle, effective_settings(own, idle)
                idle, settings = idle_of[kind]
                for name, reason in idle.items():
                    shown = values.setdefault((name, reason), {})
                    shown[shorten(_value(shot, name), 40)] = None
                texts = self._read_texts(call, shot)
                equal.setdefault((settings, texts), []).append(shot)
        for (name, reason), shown in values.items():
            yield Note(name, f"{name}={_listed(list(shown))}: it has no effect here: {reason}.")
        groups = [group for group in equal.values() if len(group) > 1]
        yield from _note_equal([group for group in groups if differing(group)])

    def _fits(self, call: CallSettings, shot: Shot) -> bool:
        if "max_sequence_length" not in shot.arguments:
            return True
        return not any(
            self._vocabulary(number, limit).cut_off(text, limit.tokens, specials=limit.specials)
            for argument, text in _texts_of(shot, call.guided)
            for number, limit in enumerate(self._task.text_limits(shot, argument)[:1])
        )

    def _read_texts(self, call: CallSettings, shot: Shot) -> Hashable:
        """Return what the encoders read of a shot's texts."""
        switch = shot.switch
        then = switch and switch.prompt
        prompt = tuple((self._read(call, "prompt", t), w) for t, w in parts_of(shot.prompt))
        negative = shot.negative_prompt if call.guided else None
        return (
            prompt,
            negative and self._read(call, "negative_prompt", negative),
            switch and (switch.at, switch.guidance_scale, switch.negative_prompt),
            then and self._read(call, "then_prompt", then),
        )

    def _read(self, call: CallSettings, argument: str, text: str) -> Hashable:
        if argument not in self._lossy:
            return text
        key = id(call), argument
        if key not in self._limits_of:
            self._limits_of[key] = self._task.text_limits(call.shot, argument)
        limits = self._limits_of[key]
        return tuple(
            self._vocabulary(number, limit).read(text, limit.tokens, specials=limit.specials)
            for number, limit in enumerate(limits)
        )


def _of_switches(shots: Sequence[Shot]) -> Iterator[Note]:
    """Yield a note if clips change nothing at their switch."""
    for shot in shots:
        switch = shot.switch
        if switch is None:
            continue
        then = switch.prompt, switch.negative_prompt, switch.guidance_scale
        before = shot.prompt, shot.negative_prompt, shot.guidance_scale
        if all(new is None or new == old for new, old in zip(then, before, strict=True)):
            yield Note(
                "switch_at",
                f"switch_at={switch.at:g}: it has no effect here: what comes then is what was "
                "before; set another then_prompt or then_guidance_scale.",
            )
            return


def _value(shot: Shot, name: str) -> Any:
    return shot.arguments[name] if name in shot.arguments else getattr(shot, name, None)


def _listed(values: Sequence[str]) -> str:
    more = [f"{len(values) - _MAX_LISTED:,} more"] if len(values) > _MAX_LISTED else []
    return join_words([*values[:_MAX_LISTED], *more])


def _texts_of(shot: Shot, guided: bool) -> Iterator[tuple[str, str]]:
    """Yield the texts of a shot that reach its model, with their arguments."""
    for text, _ in parts_of(shot.prompt):
        yield "prompt", text
    switch = shot.switch
    if switch is not None and switch.prompt is not None:
        yield "then_prompt", switch.prompt
    if guided and shot.negative_prompt:
        yield "negative_prompt", shot.negative_prompt


def _note_equal(groups: Sequence[Sequence[Shot]]) -> Iterator[Note]:
    """Yield a note on cells that make equal clips."""
    if not groups:
        return
    names = list(dict.fromkeys(n for group in groups for n in differing(group)))
    spare = sum(len(group) - 1 for group in groups)
    first, second = groups[0][:2]
    name = differing(groups[0])[0]
    one, other = (shorten(_value(shot, name)) for shot in (first, second))
    yield Note(
        names[0],
        f"{names[0]}: of the cells with one seed, {count_of(spare, 'clip')} will be equal to "
        f"another, since what differs in {join_words(names)} doesn't reach the model, such as "
        f"{one} and {other}.",
    )


def _note_unknown(
    argument: str, texts: Sequence[str], vocabulary: Vocabulary, model: str
) -> Iterator[Note]:
    """Yield a note on the words that the vocabulary lacks, with the nearest that it has."""
    phrases = tuple(dict.fromkeys(phrase for text in texts for phrase in vocabulary.unknown(text)))
    if not phrases:
        return
    words = dict.fromkeys(word for phrase in phrases for word in phrase.split())
    nearest = {
        word: near
        for word in itertools.islice(words, _MAX_NEAREST)
        if (near := vocabulary.nearest(word))
    }
    listed = join_words([f"{near!r} for {word!r}" for word, near in nearest.items()])
    hint = f"; the nearest that it knows: {listed}" if nearest else ", which it doesn't know"
    yield Note(argument, f"{argument}: {model} ignores {quoted(phrases)}{hint}.", phrases)


def _note_cut(
    argument: str,
    texts: Sequence[str],
    vocabulary: Vocabulary,
    limit: TextLimit,
    model: str,
    *,
    second: bool,
) -> Iterator[Note]:
    """Yield a note on the words that are beyond the limit of an encoder."""
    ends = [
        words
        for text in texts
        if (words := vocabulary.cut_off(text, limit.tokens, specials=limit.specials))
    ]
    if not ends:
        return
    reader = "the second text encoder of " if second else ""
    where = "reaches only the first encoder" if second else "is cut off"
    first = shorten(" ".join(ends[0]))
    if len(ends) == 1:
        what = f"the end of the text {where}, from {first} on"
    else:
        what = f"of {len(ends)} texts the end {where}, such as {first}"
    yield Note(
        argument,
        f"{argument}: {reader}{model} reads at most {limit.tokens} tokens; {what}.",
        tuple(dict.fromkeys(word for words in ends for word in words)),
    )
