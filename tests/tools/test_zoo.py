"""The table of converted models on the API pages is true."""

from dataclasses import asdict

import pytest

from stompp_lite import import_torchvision
from stompp_lite.errors import RecordError
from stompp_lite.tools import zoo
from tests.conftest import ROOT

RECORDED = {o.model: o for o in zoo.read(ROOT / "data" / "zoo.json")}


def test_the_table_lists_torchvisions_models():
    names = [n for group in zoo.GROUPS for n in zoo.names(group)]
    assert sorted(RECORDED) == sorted(names) and len(names) > 80


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.SAMPLE)
def test_a_sample_comes_out_as_recorded(name):
    (outcome,) = [o for o in zoo.visit(name) if o.model == name]
    assert asdict(outcome) == asdict(RECORDED[name])


def test_every_model_is_converted_or_refused_with_a_clear_message():
    for o in RECORDED.values():
        assert o.result in ("converted", "with keep_float", "refused")
        assert (o.layers > 0) == (o.result != "refused") and (o.kept > 0) == ("with" in o.result)
        if o.result != "converted":
            assert "cannot be binarized" in o.says or "does not run" in o.says, o


def test_a_damaged_table_is_named(tmp_path):
    path = tmp_path / "zoo.json"
    path.write_text('[{"modle": 1}]')
    with pytest.raises(RecordError, match=r"zoo\.json: not a list of conversions"):
        zoo.read(path)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "vit_tiny_patch16_224"])
def test_timms_models_where_it_is_installed(name):
    import_torchvision()  # timm imports it bare
    timm = pytest.importorskip("timm", reason="timm is not installed")
    outcome = zoo.attempt(name, timm.create_model(name, pretrained=False), zoo.GROUPS[""])
    assert outcome.layers > 10, outcome.says
