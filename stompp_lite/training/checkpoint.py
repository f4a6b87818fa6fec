"""Checkpoints without pickle: one .npz file with plain arrays and a JSON tree.

Reading never executes code: ``numpy.load(..., allow_pickle=False)`` and JSON. The arrays are not
compressed, and a file that is (a small one could unfold to fill the memory) is refused.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stompp_lite.errors import CheckpointError
from stompp_lite.training.files import write_atomically

FORMAT = "stompp_lite checkpoint 2"


def _flatten(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """JSON for ``tree``; tensors go to ``arrays``."""
    if isinstance(tree, Tensor):
        name, tree = f"t{len(arrays)}", tree.detach().cpu()
        if tree.dtype == torch.bfloat16:  # numpy has none: store the bits
            arrays[name] = tree.view(torch.int16).numpy()
            return {"tensor": name, "dtype": "bfloat16"}
        arrays[name] = tree.numpy()
        return {"tensor": name}
    if isinstance(tree, dict):  # pairs, because JSON would turn whole-number keys into text
        return {"dict": [[k, _flatten(v, arrays)] for k, v in tree.items()]}
    if isinstance(tree, list | tuple):
        return [_flatten(v, arrays) for v in tree]
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise CheckpointError(f"cannot store a {type(tree).__name__} in a checkpoint")


def _restore(tree: Any, arrays: Any) -> Any:
    if isinstance(tree, dict) and "tensor" in tree:
        tensor = torch.from_numpy(arrays[tree["tensor"]])
        return tensor.view(torch.bfloat16) if tree.get("dtype") == "bfloat16" else tensor
    if isinstance(tree, dict):
        return {k: _restore(v, arrays) for k, v in tree["dict"]}
    if isinstance(tree, list):
        return [_restore(v, arrays) for v in tree]
    return tree


def save(path: str | Path, tree: dict[str, Any]) -> None:
    """Store a tree of dicts, lists, numbers, text and tensors.

    Raises:
        CheckpointError: an entry of another type, or a folder that cannot be written to.
    """
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps({"format": FORMAT, "tree": _flatten(tree, arrays)})
    buffer = io.BytesIO()
    np.savez(buffer, json=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def load(path: str | Path) -> dict[str, Any]:
    """Read what :func:`save` wrote, on the CPU.

    Raises:
        CheckpointError: no such file, a truncated or damaged one, or one of another kind.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as parts:
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist()):
                raise ValueError("its arrays are compressed")
        with np.load(path, allow_pickle=False) as archive:
            head = json.loads(archive["json"].tobytes().decode())
            if head["format"] != FORMAT:
                raise CheckpointError(f"{path} has format {head['format']!r}, expected {FORMAT!r}")
            tree: dict[str, Any] = _restore(head["tree"], archive)
            return tree
    except CheckpointError:
        raise
    except FileNotFoundError as err:
        raise CheckpointError(f"there is no checkpoint {path}") from err
    except (IsADirectoryError, PermissionError) as err:
        raise CheckpointError(f"cannot read {path}: {err.strerror}") from err
    except (
        OSError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        TypeError,
    ) as err:
        raise CheckpointError(
            f"{path} is not a whole checkpoint of this package ({type(err).__name__}: {err}); "
            "name another file, or delete this one if it is a broken checkpoint"
        ) from err
