"""Texts as token ids: sentences with a label, and running text for a model of the next character.

Taught in chapter 15, *Where no norm follows*.
"""

from __future__ import annotations

import csv
import importlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from stompp_lite.errors import DataError
from stompp_lite.networks.bert import word_pieces

Parts = tuple[Tensor, Tensor, Tensor, Tensor, int]
PAD, UNKNOWN = 0, 1
#: Rows of SST-2's files as GLUE distributes them.
SST2_ROWS = {"train.tsv": 67_349, "dev.tsv": 872}
SST2_LENGTH, SST2_WORDS = 32, 4000
SST2_PIECES = 64
TOPICS_LENGTH = 64


def sst2(root: Path, small: bool, tokenizer: str | None = None) -> Parts:
    """SST-2 from GLUE's files in ``root/SST-2``: film reviews, 0 negative, 1 positive.

    A token is a word, in lower case; the vocabulary is padding, "unknown" and the most frequent
    words of the training file. Texts are cut or padded to 32 tokens. GLUE's test labels are not
    public, so ``dev.tsv`` is the test set, as is usual.

    Args:
        small: the first of every six training rows, 11,225 in all.
        tokenizer: of BERT weights, a folder or a name on the hub: 64 of its word pieces in place of
            32 words.

    Returns:
        Training ids [N, T], labels [N], test ids [872, T], labels [872], size of the vocabulary.

    Raises:
        DataError: a file is missing, cut or of another kind.
    """
    rows = {file: _rows(root / "SST-2" / file, count) for file, count in SST2_ROWS.items()}
    train = rows["train.tsv"][:: 6 if small else 1]
    if tokenizer is not None:
        pieces, tokens = word_pieces(tokenizer, SST2_PIECES)
        return *_tensors(train, pieces), *_tensors(rows["dev.tsv"], pieces), tokens
    counted = Counter(word for words, _ in train for word in words)
    kept = sorted(counted, key=lambda word: (-counted[word], word))[: SST2_WORDS - 2]
    number = {word: i for i, word in enumerate(kept, start=2)}

    def words(texts: list[list[str]]) -> list[list[int]]:
        found = [[number.get(word, UNKNOWN) for word in text[:SST2_LENGTH]] for text in texts]
        return [row + [PAD] * (SST2_LENGTH - len(row)) for row in found]

    return *_tensors(train, words), *_tensors(rows["dev.tsv"], words), len(number) + 2


def _tensors(
    rows: list[tuple[list[str], int]], ids: Callable[[list[list[str]]], list[list[int]]]
) -> tuple[Tensor, Tensor]:
    return torch.tensor(ids([words for words, _ in rows])), torch.tensor([y for _, y in rows])


def _rows(path: Path, count: int) -> list[tuple[list[str], int]]:
    """(words, label) of each line of a tab-separated file with a head."""
    mend = (
        f"SST-2 is one of GLUE's tasks: fetch SST-2.zip from https://gluebenchmark.com/tasks and "
        f"unpack it into {path.parent.parent}, so that {path} exists"
    )
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except FileNotFoundError as err:
        raise DataError(f"there is no {path}. {mend}") from err
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f"{path} cannot be read: {err}. {mend}") from err
    if not lines or lines[0] != ["sentence", "label"]:
        raise DataError(f"{path} does not begin with the columns sentence and label. {mend}")
    found = []
    for k, line in enumerate(lines[1:], start=2):
        if len(line) != 2 or line[1] not in ("0", "1"):
            raise DataError(f"{path}, line {k}: not a sentence with a label 0 or 1. {mend}")
        found.append((line[0].lower().split() or ["."], int(line[1])))
    if len(found) != count:
        raise DataError(f"{path} has {len(found)} sentences, {count} belong there. {mend}")
    return found


def topics() -> Parts:
    """The language reference that Python's own ``help()`` shows, as characters.

    It comes with every Python (and differs a little between versions). Letters in lower case and
    the usual signs; anything else becomes a space. Windows of 64 characters that do not overlap;
    the targets are the characters one place on. The last tenth of the text is the test set.

    Returns:
        Training ids and targets [N, 64], test ids and targets [M, 64], size of the vocabulary.

    Raises:
        DataError: this Python was built without it.
    """
    try:
        found: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ImportError as err:
        raise DataError(
            "this Python has no pydoc_data.topics (the text of its help); install its full "
            "standard library (on Debian: libpython3-stdlib)"
        ) from err
    text = "\n".join(found[name] for name in sorted(found)).lower()
    text = re.sub(r" +", " ", re.sub(r"[^a-z0-9 \n.,:;()\[\]'\"=_*/+-]", " ", text))
    number = {sign: i for i, sign in enumerate(sorted(set(text)))}
    ids = torch.tensor([number[sign] for sign in text])
    cut = len(ids) - len(ids) // 10
    parts = []
    for part in (ids[:cut], ids[cut:]):
        windows = (len(part) - 1) // TOPICS_LENGTH
        size = windows * TOPICS_LENGTH
        parts += [part[:size].view(-1, TOPICS_LENGTH), part[1 : size + 1].view(-1, TOPICS_LENGTH)]
    return parts[0], parts[1], parts[2], parts[3], len(number)
