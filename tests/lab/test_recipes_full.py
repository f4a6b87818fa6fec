"""Recipes of full size: every configuration is valid, and arms differ in what they say they do."""

import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.lab.config import Config
from stompp_lite.lab.recipes import RECIPES, configure, runs_of

FULL = [name for name, recipe in RECIPES.items() if recipe.full]


@pytest.mark.parametrize("recipe", FULL)
def test_every_run_has_a_valid_configuration_and_a_name_of_its_own(recipe):
    runs = runs_of(recipe)
    assert len({name for name, _ in runs}) == len(runs) > 5
    assert len({str(config.to_dict()) for _, config in runs}) == len(runs)
    for name, config in runs:
        assert Config.from_dict(config.to_dict()) == config
        assert name.startswith(f"{config.data}-") and name.endswith(f"-s{config.seed}")
        tuned, decaying = "tune" in recipe, "-cosine" in name
        assert (config.lr_schedule == "cosine") == decaying and config.validation == tuned
        assert config.weight_decay == (0.0001 if "+decay" in name else 0)
        assert config.momentum == 0.9
        images = config.data != "sst2"
        assert (config.batch_size, config.augment != "none") == (
            (256, True) if images else (32, False)
        )
    assert "not measured" in RECIPES[recipe].cost


def test_the_arms_of_the_deciding_runs_differ_in_one_thing():
    runs = dict(runs_of("decide"))

    def differs(a, b):
        one, two = (runs[f"cifar10-{n}-s0"].to_dict() for n in (a, b))
        return {k for k in one if one[k] != two[k]}

    for net in ("resnet18", "resnet50"):
        for method in ("ste", "stompp", "stompp+ste"):
            assert differs(f"{net}-bnn-minimal-{method}", f"{net}-bnn-minimal+scale-{method}") == {
                "scale"
            }
        decays = (f"{net}-bnn-cosine+scale-ste", f"{net}-bnn-cosine+scale+decay-ste")
        assert differs(*decays) == {"weight_decay"}
        assert differs(f"{net}-bnn-minimal-ste", f"{net}-bnn-cosine-ste") == {"lr_schedule"}
        assert differs(f"{net}-bnn-minimal-ste", f"{net}-bnn-adam-ste") == {"optimizer", "lr"}
        assert differs(f"{net}-bnn-minimal-stompp", f"{net}-bnn-minimal-reverse") == {"plan"}
        rules = {"weights", "activations"}
        assert differs(f"{net}-bnn-minimal-ste", f"{net}-bnn-minimal-stompp") == rules
    assert differs("resnet18-bnn-minimal-ste", "resnet50-bnn-minimal-ste") == {"model"}
    assert len({c.epochs for c in runs.values()}) == 1


def test_the_whole_family_has_every_combination_once():
    names = RECIPES["cifar-full"].runs
    for part in ("cifar100-resnet34-bwn-minimal-global-s2", "cifar10-resnet50-bnn-adam-hybrid-s0"):
        assert part in names
    assert not any("scale-float-" in n or "-bwn-minimal-hybrid" in n for n in names)
    weights_only = names["cifar10-resnet18-bwn-minimal+scale-ste-s1"].config
    assert (weights_only.activations, weights_only.scale) == ("float", "layer")


def test_the_arms_of_bert_and_its_float_runs():
    runs = {name.removeprefix("sst2-bert-base-bnn-"): c for name, c in runs_of("bert-full")}
    assert {n for n in runs if "float" in n} == {
        f"{a}-float-s{k}" for a in ("minimal", "adam") for k in range(3)
    }
    both = runs["adam+scale-ste-s1"]
    assert (both.optimizer, both.lr, both.scale, both.bert) == (
        "adam",
        5e-5,
        "layer",
        "google-bert/bert-base-uncased",
    )


def test_changes_reach_every_run_and_a_misspelt_one_names_the_nearest():
    assert {c.epochs for _, c in runs_of("decide", ["epochs=3"], "resnet18")} == {3}
    with pytest.raises(ConfigError, match="did you mean 'precision'"):
        runs_of("decide", ["precison=bf16"])
    with pytest.raises(ConfigError, match="no run of 'decide' has 'resnet101'"):
        runs_of("decide", only="resnet101")


def test_an_unknown_run_of_hundreds_gets_a_message_that_can_be_read():
    with pytest.raises(
        ConfigError, match=r"did you mean 'cifar10-resnet18-.* and 878 more"
    ) as said:
        configure("cifar-full", "cifar10-resnet18-minimal-ste-s0", None, [])
    assert len(str(said.value)) < 2500
