"""Eq. 1 and its gradients against an entry-by-entry oracle."""

import pytest
import torch

from stompp_lite import Rule, clip, hard_sign, masked_binarize
from stompp_lite.errors import ConfigError, DtypeError, ShapeError
from stompp_lite.method import SURROGATES
from stompp_lite.networks.rules import RULES, Site

SPECIAL = [-3.0, -1.0000001, -1.0, -0.5, -1e-30, -0.0, 0.0, 1e-30, 0.25, 1.0, 1.0000001, 2.0]


def slope(u, surrogate):
    if surrogate == "identity":
        return 1.0
    if surrogate == "clip":
        return 1.0 if abs(u) <= 1 else 0.0
    if surrogate == "polynomial":
        return max(2 - 2 * abs(u), 0.0)
    return 0.0


def oracle(u, mask, surrogate):
    """(value, slope) of one entry."""
    if mask:
        return (1.0 if u >= 0 else -1.0), slope(u, surrogate)
    return max(-1.0, min(1.0, u)), (1.0 if abs(u) <= 1 else 0.0)


@pytest.mark.parametrize("surrogate", [None, *SURROGATES])
@pytest.mark.parametrize("kind", ["random", "none", "all", "given all"])
def test_masked_binarize_equals_the_oracle(surrogate, kind):
    g = torch.Generator().manual_seed(0)
    u = torch.cat([torch.tensor(SPECIAL), 1.5 * torch.randn(500, generator=g)])
    masks = {
        "random": torch.rand(len(u), generator=g) < 0.5,
        "none": torch.zeros(len(u), dtype=torch.bool),
        "given all": torch.ones(len(u), dtype=torch.bool),
        "all": None,
    }
    mask = masks[kind]
    u.requires_grad_(True)
    out = masked_binarize(u, mask, surrogate)
    upstream = torch.randn(len(u), generator=g)
    (grad,) = torch.autograd.grad(out, u, upstream)
    frozen = [True] * len(u) if mask is None else mask.tolist()
    want = [oracle(v, m, surrogate) for v, m in zip(u.tolist(), frozen)]
    assert out.tolist() == pytest.approx([w[0] for w in want], abs=0)
    assert grad.tolist() == pytest.approx(
        [w[1] * up for w, up in zip(want, upstream.tolist())], rel=1e-6
    )


def test_sign_of_zero_is_plus_one_and_has_no_gradient():
    u = torch.zeros(3, requires_grad=True)
    assert hard_sign(u).tolist() == [1, 1, 1]
    assert not hard_sign(u).requires_grad
    assert hard_sign(torch.tensor([-0.0])).item() == 1


def test_clip_gradient_includes_the_ends():
    u = torch.tensor([-1.5, -1.0, 0.0, 1.0, 1.5], requires_grad=True)
    clip(u).sum().backward()
    assert u.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    u = torch.tensor([-0.5, 0.5], dtype=dtype)
    mask = torch.tensor([True, False])
    assert hard_sign(u).dtype == clip(u).dtype == masked_binarize(u, mask).dtype == dtype


def test_mask_broadcasts_over_the_batch():
    u = torch.randn(5, 3, 2, 2)
    mask = torch.rand(3, 2, 2) < 0.5
    out = masked_binarize(u, mask)
    for sample, got in zip(u, out):
        assert torch.equal(got, torch.where(mask, hard_sign(sample), sample.clamp(-1, 1)))


def test_rules_parse_and_print():
    assert Rule.parse("ste", "identity") == Rule("ste", "identity") == Rule.parse("ste:identity")
    assert str(Rule.parse("stompp+ste:clip")) == "stompp+ste:clip"
    assert str(Rule.parse("stompp")) == "stompp"
    assert [Rule.parse(r, "clip").progressive for r in RULES] == [
        False, False, True, True, True, False,
    ]  # fmt: skip


def test_sites_at_fixed_p():
    u = torch.linspace(-1.2, 1.2, 7)
    assert torch.equal(Site(Rule("float"))(u), clip(u))
    assert torch.equal(Site(Rule("ste", "clip"))(u), hard_sign(u))
    site = Site(Rule("stompp"))
    site.p = 1.0
    assert not site(u.clone().requires_grad_(True)).requires_grad  # no graph
    assert torch.equal(site(u), hard_sign(u))


@pytest.mark.parametrize(
    ("error", "call", "says"),
    [
        (DtypeError, lambda: hard_sign(torch.ones(2, dtype=torch.int64)), "int64"),
        (DtypeError, lambda: clip(3), "int"),
        (DtypeError, lambda: masked_binarize(torch.ones(2), torch.ones(2)), "float32"),
        (ShapeError, lambda: masked_binarize(torch.ones(2, 3), torch.ones(2) > 0), r"\(2,\)"),
        (ShapeError, lambda: masked_binarize(torch.ones(3), torch.ones(2, 3) > 0), r"\(2, 3\)"),
        (ConfigError, lambda: masked_binarize(torch.ones(2), None, "clipp"), "mean 'clip'"),
        (ConfigError, lambda: Rule("stomp"), "mean 'stompp'"),
        (ConfigError, lambda: Rule("ste"), "needs a surrogate"),
        (ConfigError, lambda: Rule("stompp", "clip"), "has no use for a surrogate"),
        (ConfigError, lambda: Rule.parse("ste:sine"), "unknown surrogate 'sine'"),
        (ConfigError, lambda: Rule.parse("ste"), "'ste:identity' is usual for weights"),
        (ConfigError, lambda: Rule.parse("stompp+ste"), "needs a surrogate"),
        (DtypeError, lambda: Site(Rule("stompp"))(torch.ones(2, dtype=torch.int64)), "int64"),
    ],
)
def test_bad_input(error, call, says):
    with pytest.raises(error, match=says):
        call()


def test_partial_p_without_a_mask_is_an_error():
    b = Site(Rule("stompp"))
    b.p = 0.5
    with pytest.raises(ConfigError, match="needs a mask"):
        b(torch.ones(2))
