"""Sentences whose hidden states get learned tokens, others for every picture, before some blocks of the text tower.

Many sentences about each picture are many passes of the text tower. Of most of them nothing is new: what comes before
the first learned tokens is the same for all pictures, and where a tower is causal, the learned tokens and what stands
before them are the same in all sentences about a picture, sentences that begin with the same words are the same up to
there, and only what stands at a sentence's end is read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from .families.open_clip_blocks import OpenClipBlocks
from .text_tower import OpenClipText

GROUP_COST = 240
"""What attention within a group takes beside what grows with its pairs of words, in such pairs."""


class _TextBlocks(OpenClipBlocks):
    def __init__(self, tower: OpenClipText):
        self.blocks = [*tower.blocks]


@dataclass(frozen=True)
class _Reading:
    """Which tokens of a sequence ask in attention and which they see, in groups that are filled up to one length.

    :param asked: tokens by number, :param seen: likewise, :param mask: added to the scores of the two.
    :param back: where, group after group, the tokens stand that are wanted.
    """

    asked: Int[Tensor, "group asked"]
    seen: Int[Tensor, "group seen"]
    mask: Float[Tensor, "group asked seen"]
    back: Int[Tensor, " wanted"]

    def mixed(
        self,
        query: Float[Tensor, "batch head token channel"],
        key: Float[Tensor, "batch head token channel"],
        value: Float[Tensor, "batch head token channel"],
    ) -> Float[Tensor, "batch head wanted channel"]:
        places = (self.asked, query), (self.seen, key), (self.seen, value)
        asked, keys, values = (part.index_select(2, own.flatten()).unflatten(2, own.shape) for own, part in places)
        scores = (asked * asked.shape[-1] ** -0.5) @ keys.mT + self.mask
        return (scores.softmax(-1) @ values).flatten(2, 3).index_select(2, self.back)


@dataclass(frozen=True)
class _Tree:
    """All sentences about a picture as one sequence: what stands before the words and the learned tokens, then the
    words, of sentences that begin alike those once.

    :param own: the words' states behind the first block; :param projected: what the second makes of them.
    :param whole: how all tokens read; :param ends: how the words do that the sentences are read at.
    :param places: of these.
    """

    own: Float[Tensor, "word channel"]
    projected: Float[Tensor, "word joined"]
    whole: _Reading
    ends: _Reading
    places: Int[Tensor, " text"]


class PromptedSentences:
    """Sentences behind the first block of a text tower, which no learned token enters.

    :param keeps: learned tokens are put behind the start token, as in VCP-CLIP, and leave out no word; else they are
        written over the tokens that stand there.
    """

    def __init__(self, tower: OpenClipText, sentences: Sequence[str], keeps: bool):
        self.tower, self.keeps, self._steps = tower, keeps, _TextBlocks(tower)
        self.words = tower.plain(sentences)
        with torch.inference_mode(False), torch.no_grad():
            tokens = tower.with_positions(self.words.tokens)
            self.states = tower.run_blocks(tokens, self.words.ids, lambda _, tokens: tokens, last=1)
        self._shortest = int(tower.ends(self.words.ids).min())
        self._trees: dict[int, _Tree] = {}

    def embeddings(self, prompts: Float[Tensor, "batch block prompt channel"]) -> Float[Tensor, "batch text embed"]:
        """Unit vectors of all sentences for each picture, with its learned tokens before blocks 2, 3 and so on."""
        prompts = prompts[:, : self.tower.depth - 1]
        cut = self.tower.cut_is_exact and not getattr(self.tower.parts, "use_pad_mask", False)
        replaced = 0 if self.keeps else prompts.shape[2]
        shares = cut and self._shortest >= self.words.gap + replaced and prompts.shape[1]
        read = self._shared(prompts) if shares else self._one_by_one(prompts)
        return F.normalize(read, dim=-1).unflatten(0, (len(prompts), -1))

    def _one_by_one(self, prompts: Tensor) -> Tensor:
        """Every sentence for itself, its whole length."""
        tower, first, texts = self.tower, self.words.gap, len(self.states)
        count = prompts.shape[2]

        def without(tokens: Tensor) -> Tensor:
            return torch.cat([tokens[:, :first], tokens[:, first + count :]], 1)

        def before(number: int, tokens: Tensor) -> Tensor:
            if number - 2 >= prompts.shape[1]:
                return tokens
            ours = prompts[:, number - 2].repeat_interleave(texts, 0)
            if self.keeps:
                tokens = tokens if number == 2 else without(tokens)
                return torch.cat([tokens[:, :first], ours, tokens[:, first:]], 1)
            return torch.cat([tokens[:, :first], ours[:, : tokens.shape[1] - first], tokens[:, first + count :]], 1)

        tokens = self.states.repeat(len(prompts), 1, 1)
        tokens = tower.run_blocks(tokens, self.words.ids, before, first=2)
        if self.keeps and prompts.shape[1]:
            tokens = without(tokens)
        return tower.read(tokens, self.words.ends.repeat(len(prompts)))

    def _shared(self, prompts: Tensor) -> Tensor:
        """The same for a causal tower, all sentences about a picture as one tree, and of the last block the ends
        alone."""
        tower, steps, first = self.tower, self._steps, self.words.gap
        batch, dtype, count = len(prompts), tower.parts.transformer.get_cast_dtype(), first + prompts.shape[2]
        if count not in self._trees:
            with torch.inference_mode(False), torch.no_grad():
                self._trees[count] = self._tree(count)
        tree, prompts = self._trees[count], prompts.to(dtype)
        tokens = torch.cat([self.states[0, :first].to(dtype).expand(batch, -1, -1), prompts[:, 0]], 1)
        projected = torch.cat([steps.projected(1, tokens), tree.projected.expand(batch, -1, -1)], 1)
        tokens = torch.cat([tokens, tree.own.expand(batch, -1, -1)], 1)
        for number in range(1, tower.depth):
            if number > 1:
                if number <= prompts.shape[1]:
                    tokens = torch.cat([tokens[:, :first], prompts[:, number - 1], tokens[:, count:]], 1)
                projected = steps.projected(number, tokens)
            reading = tree.whole
            if number == tower.depth - 1:
                reading, tokens = tree.ends, tokens.index_select(1, tree.places)
            mixed = reading.mixed(*steps.split(number, projected))
            tokens = steps.feed(number, tokens + steps.added(number, mixed))
        rows = tokens.to(torch.promote_types(tokens.dtype, torch.float32)).flatten(0, 1)[:, None]
        return tower.read(rows, torch.zeros(len(rows), dtype=torch.long, device=rows.device))

    def _tree(self, count: int) -> _Tree:
        """The tree behind so many tokens that come before all words."""
        tower, begin = self.tower, self.words.gap if self.keeps else count
        ids, ends = self.words.ids.tolist(), tower.ends(self.words.ids).tolist()
        paths = [[tuple(row[: place + 1]) for place in range(begin, end + 1)] for row, end in zip(ids, ends)]
        words: dict[tuple[int, ...], int] = {}
        places = []
        for text, path in enumerate(paths):
            for depth, word in enumerate(path):
                if words.setdefault(word, count + len(words)) - count == len(places):
                    places.append((text, begin + depth))
        # of each group what it asks for and what each of these sees beside the tokens before all words, itself included
        before = [[*range(place + 1)] for place in range(count)]
        whole, read = [before], []
        for group in _grouped(paths, count):
            numbers = [[words[word] for word in paths[text]] for text in group]
            above = {path[depth]: path[: depth + 1] for path in numbers for depth in range(len(path))}
            whole.append([[*range(count), *path] for path in above.values()])
            read.append([[*range(count), *path] for path in numbers])
        last = [words[path[-1]] for path in paths]
        dtype, device = tower.parts.transformer.get_cast_dtype(), self.states.device
        texts, columns = torch.tensor(places, device=device).unbind(1)
        own = self.states[texts, columns].to(dtype)
        return _Tree(
            own,
            self._steps.projected(1, own),
            _reading(whole, range(count + len(words)), dtype, device),
            _reading(read, last, dtype, device),
            torch.tensor(last, device=device),
        )


def _reading(
    groups: Sequence[Sequence[Sequence[int]]], wanted: Iterable[int], dtype: torch.dtype, device: torch.device
) -> _Reading:
    """Of groups of tokens, each by the numbers of what it sees, itself the last."""
    asked = [[seen[-1] for seen in group] for group in groups]
    seen = [sorted({number for own in group for number in own}) for group in groups]
    most, longest = (max(map(len, parts)) for parts in (asked, seen))
    mask = torch.full((len(groups), most, longest), -torch.inf, dtype=dtype)
    mask[:, :, 0] = 0  # what fills a group up sees something too
    for number, group in enumerate(groups):
        place_of = {token: place for place, token in enumerate(seen[number])}
        for row, own in enumerate(group):
            mask[number, row] = -torch.inf
            mask[number, row, [place_of[token] for token in own]] = 0
    found = {token: number * most + row for number, own in enumerate(asked) for row, token in enumerate(own)}
    asked_filled, seen_filled = (
        torch.tensor([[*own, *[0] * (length - len(own))] for own in parts], device=device)
        for parts, length in ((asked, most), (seen, longest))
    )
    back = torch.tensor([found[token] for token in wanted], device=device)
    return _Reading(asked_filled, seen_filled, mask.to(device), back)


def _grouped(paths: Sequence[Sequence[tuple[int, ...]]], count: int) -> list[list[int]]:
    """Numbers of sentences, those that begin alike beside each other, in as many groups as cost least; their words are
    known by all that stands before them, and see ``count`` tokens besides."""
    first: dict[tuple[int, ...], int] = {}
    for path in paths:
        for word in path:
            first.setdefault(word, len(first))
    ordered = sorted(range(len(paths)), key=lambda text: [first[word] for word in paths[text]])
    longest, found = max(map(len, paths)), []
    for room in range(longest, len(first) + 1):
        groups, words = [], set()
        for text in ordered:
            if not groups or len(words | {*paths[text]}) > room:
                groups.append([])
                words = set()
            groups[-1].append(text)
            words |= {*paths[text]}
        found.append((len(groups) * (room * (room + count) + GROUP_COST), groups))
    return min(found)[1]
