"""Every run of every recipe: its name and its configuration are what they were when it was made."""

import hashlib
import json

from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.run import Config
from tests.conftest import ROOT

KNOWN = ROOT / "tests" / "lab" / "runs.json"


def digest(config):
    """Of what differs from the defaults, so that a new field with a default changes nothing."""
    usual = Config().to_dict()
    plan = {k: v for k, v in config["plan"].items() if v != usual["plan"][k]}
    changed = {k: v for k, v in config.items() if k != "plan" and v != usual[k]}
    text = json.dumps({**changed, "plan": plan}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def test_names_and_configurations_of_all_runs_are_as_recorded():
    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    assert sum(map(len, known.values())) == 3372
    for recipe, runs in known.items():
        found = {name: digest(c.to_dict()) for name, c in RECIPES[recipe].runs()}
        assert found == runs, recipe
