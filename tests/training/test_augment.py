"""Crops and flips: every image a shifted copy of itself, the same again after a resume."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from stompp_lite import fit, load
from stompp_lite.errors import ConfigError, ShapeError
from stompp_lite.training.augment import PAD, crop_and_flip
from tests.conftest import lab_net


def test_each_image_is_moved_and_perhaps_mirrored():
    """Against a slow oracle: one of 9 x 9 crops of the padded image, or of its mirror image."""
    x = torch.randn(40, 2, 6, 7)
    out = crop_and_flip(x, 0, 3)
    padded = F.pad(x, (PAD,) * 4)
    seen = set()
    for image, wide, got in zip(x, padded, out, strict=True):
        places = product(range(2 * PAD + 1), range(2 * PAD + 1), (False, True))
        found = []
        for i, j, mirrored in places:
            crop = wide[:, i : i + 6, j : j + 7]
            if torch.equal(got, crop.flip(2) if mirrored else crop):
                found.append((i, j, mirrored))
        assert found and image.shape == got.shape
        seen.add(found[0])
    assert len({f for *_, f in seen}) == 2 and len({i for i, *_ in seen}) > 5


def test_the_draws_depend_on_seed_and_step_alone():
    x = torch.randn(16, 1, 8, 8)
    assert torch.equal(crop_and_flip(x, 1, 5), crop_and_flip(x, 1, 5))
    assert not torch.equal(crop_and_flip(x, 1, 5), crop_and_flip(x, 1, 6))
    assert not torch.equal(crop_and_flip(x, 1, 5), crop_and_flip(x, 2, 5))


def test_a_run_with_augmentation_and_half_precision_resumes_to_the_bit(tmp_path, tiny):
    data = tiny
    options = {
        "epochs": 4,
        "batch_size": 16,
        "augment": "crop-flip",
        "precision": "bf16",
        "progress": False,
    }
    whole, halves = lab_net(), lab_net()
    fit(whole, data, **options)
    fit(halves, data, **options, checkpoint=tmp_path / "run.npz", stop_at=3)
    fit(halves, data, **options, checkpoint=tmp_path / "run.npz")
    for a, b in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(a, b) and a.dtype == torch.float32
    plain = lab_net()
    fit(plain, data, **(options | {"augment": "none"}))
    assert not torch.equal(plain.conv.weight, whole.conv.weight)


def test_what_does_not_fit_says_why():
    with pytest.raises(ShapeError, match="use augment='none'"):
        crop_and_flip(torch.zeros(3, 8), 0, 0)
    with pytest.raises(ConfigError, match="did you mean 'crop-flip'"):
        fit(lab_net(), load("digits"), augment="crop-flips")
    with pytest.raises(ConfigError, match="precision"):
        fit(lab_net(), load("digits"), precision="fp16")
