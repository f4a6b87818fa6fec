"""The command line, as its user meets it."""

import json
import math
import sys
from dataclasses import replace

import pytest

from stompp_lite import fit, load
from stompp_lite.__main__ import main
from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.lab import record
from stompp_lite.lab import run as run_module
from stompp_lite.lab.config import METHODS, Config
from stompp_lite.lab.recipes import RECIPES, configure, runs_of
from stompp_lite.lab.run import build, run, start_of
from stompp_lite.lab.sweep import sweep
from stompp_lite.tools import bench
from stompp_lite.training.plan import Plan

FAST = ["--set", "model=mlp", "blocks=[3]", "width=8", "epochs=2", "plan.tail=0.2"]


def test_run_writes_a_record(tmp_path, capsys):
    out = tmp_path / "mine.json"
    assert main(["run", "--method", "stompp+ste", *FAST, "seed=4", "--out", str(out)]) == 0
    kept = record.read(out)
    assert (kept.seed, kept.name, kept.recipe) == (4, "mine", "custom")
    assert kept.config["weights"] == "stompp+ste:identity" and kept.config["plan"]["tail"] == 0.2
    assert kept.machine["threads"] >= 1 and kept.wall_s > 0
    assert f"{kept.final['test_acc']:.1f} %" in capsys.readouterr().out


def test_the_help_names_every_method(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    told = "".join(capsys.readouterr().out.split())  # lines break at hyphens, too
    assert f"rulesbyname:{','.join(METHODS)}" in told


def test_a_run_can_be_stopped_and_gone_on_with(tmp_path):
    out, check = tmp_path / "a.json", tmp_path / "a.npz"
    for _ in range(2):
        assert main(["run", *FAST, "--checkpoint", str(check), "--out", str(out)]) == 0
    direct = tmp_path / "b.json"
    main(["run", *FAST, "--out", str(direct)])
    assert record.read(out).final == record.read(direct).final


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["run", "--method", "stomp"], "did you mean 'stompp'"),
        (["run", "--set", "epochs=0"], "epochs must be an integer of at least 1, got 0"),
        (["run", "--set", "epoch=3"], "did you mean 'epochs'"),
        (["run", "--set", "plan.ordr=reverse"], "did you mean 'order'"),
        (["run", "--set", "epochs"], "field=value, got 'epochs'"),
        (["run", "--name", "x"], "needs a recipe"),
        (["run", "fare"], "did you mean 'fair'"),
        (["run", "fair", "--name", "n01-minimal-ste-s9"], "did you mean 'n01-minimal-ste-s"),
        (["run", "--set", "data=mnst"], "did you mean 'mnist'"),
        (["run", "--set", "data=cifar10", "--root", "/nowhere"], "download=True"),
        (["run", "--set", "model=resnet"], "unknown model 'resnet'"),
        (["run", "--set", "model=mlp"], "model 'mlp' has one depth"),
        (["sweep", "toth"], "did you mean 'tooth'"),
        (["sweep", "quick", "--jobs", "0"], "jobs must be"),
        (["report", "tooth", "--runs", "/nowhere"], "no records of recipe 'tooth'"),
        (["bench", "--repeats", "0"], "repeats must be"),
        (["run", "--set", "validation=False"], "validation must be of type bool, got 'False'"),
        (["run", "--set", "seed=1.5"], "seed must be an integer of at least 0, got 1.5"),
        (["run", "--set", "lr=abc"], "lr must be of type float, got 'abc'"),
        (["run", "--set", "blocks=3"], "a list such as [2,2], got 3"),
        (
            ["run", "--set", "plan=abc"],
            "plan must be a Plan, such as Plan(order='reverse'), got 'abc'",
        ),
        (["run", "--set", "plan.lead=x"], "the lead must be of type int"),
        (["run", "--device", "foo"], "device 'foo' cannot be used"),
        (["run", "--out", "/proc/nope/a.json"], "choose a folder you may write to"),
        (["run", "--out", "/"], "is a folder"),
        (["sweep", "fair", "--only", "n77"], "no run of 'fair' has 'n77' in its name"),
        (["sweep", "quick", "--out", "/proc/nope"], "choose a folder you may write to"),
        (["report", "toth"], "did you mean 'tooth'"),
        (
            ["run", "--set", "blocks=" + "[" * 1000 + "]" * 1000],
            "the value of blocks cannot be read",
        ),
        (["run", "--set", "lr=" + "9" * 5000], "the value of lr cannot be read"),
        (["sweep", "quick", "--out", "x", "--set", "lr=" + "9" * 5000], "lr cannot be read"),
        (["run", "--set", "seed=-1"], "the seed must be an integer of at least 0, got -1"),
        (["run", "--device", "meta"], "device 'meta' holds no numbers; use cpu or cuda"),
        (["sweep", "quick", "--device", "meta"], "device 'meta' holds no numbers"),
        (["run", "--out", "x" * 300], "--out: a name of 300 bytes is too long"),
        (["run", "--out", "ä" * 200], "--out: a name of 400 bytes is too long"),
        (["run", "--checkpoint", "x" * 300], "--checkpoint: a name of 300 bytes"),
        (["sweep", "quick", "--checkpoints", "x" * 300], "--checkpoints: a name of 300 bytes"),
        (["report", "tooth", "--runs", "x" * 300], "--runs: a name of 300 bytes"),
        (["report", "x" * 300], "--recipe: a name of 300 bytes is too long"),
        (["run", "--out", "a\0b"], "--out holds a NUL character"),
        (["report", "a\0b"], "--recipe holds a NUL character"),
        (["run", "--set", "data=a\0b"], "--changes holds a NUL character"),
        (["bench", "--width", "1000000"], "choose a smaller --width or --blocks"),
        (["bench", "--width", "0"], "width must be an integer of at least 1"),
        (
            ["sweep", "quick", "--out", "x", "--set", "weights=float"],
            "names of the runs of 'quick' tell",
        ),
        (["sweep", "quick", "--out", "x", "--set", "seed=3"], "tell their seed"),
        (["sweep", "lead", "--out", "x", "--set", "plan.lead=3"], "tell their plan.lead"),
        (
            ["sweep", "fair", "--out", "x", "--set", "lr=0.2"],
            "run fair --name n01-minimal-float-s0",
        ),
    ],
)
def test_mistakes_end_with_one_clear_line(args, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(args) == 1
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_of_checkpoints_that_is_a_file_is_refused_before_any_run(tmp_path, capsys):
    (tmp_path / "kept").write_text("mine")
    args = ["sweep", "quick", "--out", str(tmp_path), "--checkpoints", str(tmp_path / "kept")]
    assert main(args) == 1
    assert "is a file; name a folder" in capsys.readouterr().err
    assert (tmp_path / "kept").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("text", ["[" * 2000, '{"seed": ' + "9" * 5000 + "}", '{"a":' * 500])
def test_a_record_that_cannot_be_parsed_is_named(text, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a-s0.json").write_text(text)
    assert main(["report", "mine", "--runs", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert "a-s0.json: not a JSON file" in err and err.count("\n") == 1


def test_a_record_whose_configuration_lacks_a_field_is_named(tmp_path, capsys):
    out = tmp_path / "mine" / "a-s0.json"
    assert main(["run", *FAST, "--out", str(out)]) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    for name in ("validation", "blocks", "epochs"):
        lacking = content | {"config": {k: v for k, v in content["config"].items() if k != name}}
        out.write_text(json.dumps(lacking), encoding="utf-8")
        for args in (["report", "mine", "--runs", str(tmp_path)], ["run", "--out", str(out)]):
            assert main(args) == 1
            assert f"field 'config.{name}' is missing" in capsys.readouterr().err


def test_what_does_not_fit_into_memory_is_one_line(monkeypatch, capsys):
    def too_large(**_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 TB")

    monkeypatch.setattr("stompp_lite.tools.bench.measure", too_large)
    assert main(["bench"]) == 1
    assert "does not fit into the memory of this machine" in capsys.readouterr().err

    def other(**_):
        raise RuntimeError("something else")

    monkeypatch.setattr("stompp_lite.tools.bench.measure", other)
    with pytest.raises(RuntimeError, match="something else"):
        main(["bench"])


def test_set_adds_up_and_other_files_are_not_overwritten(tmp_path, capsys):
    out = tmp_path / "a.json"
    assert main(["run", *FAST, "--set", "lr=0.3", "--out", str(out)]) == 0
    kept = record.read(out)
    assert (kept.config["model"], kept.config["lr"]) == ("mlp", 0.3)
    assert main(["run", *FAST, "--set", "lr=0.4", "--out", str(out)]) == 1
    assert "name another file" in capsys.readouterr().err and record.read(out).config["lr"] == 0.3
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("precious")
    assert main(["run", *FAST, "--out", str(thesis)]) == 1
    assert thesis.read_text(encoding="utf-8") == "precious"


def test_a_diverged_run_is_recorded_and_reported(tmp_path, capsys):
    out = tmp_path / "custom" / "big-s0.json"
    wild = ["--set", "lr=1e38", "weights=float", "activations=float", "epochs=40"]
    assert main(["run", *FAST, *wild, "--out", str(out)]) == 0
    assert "diverged" in capsys.readouterr().out and record.read(out).diverged
    assert main(["report", "custom", "--runs", str(tmp_path)]) == 0
    assert "1 of 1 diverged" in capsys.readouterr().out


def test_report_does_not_mix_methods(tmp_path, capsys):
    for method in ("stompp", "ste"):
        out = tmp_path / "custom" / f"tiny-{method}.json"
        assert main(["run", *FAST, "--method", method, "--out", str(out)]) == 0
    assert main(["report", "custom", "--runs", str(tmp_path)]) == 0
    out_text = capsys.readouterr().out
    assert "tiny-ste | 1 |" in out_text and out_text.count(", one seed |") == 2
    for seed in (0, 1):  # the same seed under another name is no second seed
        record.save(record.read(out), tmp_path / "twice" / f"{seed}.json")
    assert main(["report", "twice", "--runs", str(tmp_path)]) == 1
    assert "no repetitions with other seeds" in capsys.readouterr().err


def test_ctrl_c_ends_with_one_line(monkeypatch, capsys):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("stompp_lite.tools.doctor.examine", interrupted)
    assert main(["doctor"]) == 130
    assert "are kept" in capsys.readouterr().err


def test_sweep_runs_what_is_missing_and_skips_the_rest(tmp_path, capsys):
    assert sweep("quick", tmp_path, only="stompp", progress=False) == {
        "done": 1, "skipped": 0, "failed": 0,
    }  # fmt: skip
    path = tmp_path / "quick" / "n01-stompp-s0.json"
    before = path.read_bytes()
    assert main(["sweep", "quick", "--out", str(tmp_path), "--jobs", "2"]) == 0
    assert path.read_bytes() == before
    assert "1 done, 1 skipped, 0 failed" in capsys.readouterr().out
    assert main(["report", "quick", "--runs", str(tmp_path)]) == 0
    assert "n01-ste | 1 |" in capsys.readouterr().out
    changed = json.loads(before)
    changed["config"]["lr"] = 0.123
    path.write_text(json.dumps(changed))
    with pytest.raises(RecordError, match=r"made with lr = 0\.123, this run has"):
        sweep("quick", tmp_path, progress=False)


@pytest.mark.slow
def test_a_sweep_on_a_dask_cluster_gives_the_same_records(tmp_path):
    """Two workers on this machine, records written here."""
    for folder, options in (("here", {}), ("there", {"backend": "dask", "jobs": 2})):
        done = sweep("quick", tmp_path / folder, changes=["epochs=1"], progress=False, **options)
        assert done == {"done": 2, "skipped": 0, "failed": 0}
    for name in ("n01-ste-s0", "n01-stompp-s0"):
        a, b = (record.read(tmp_path / f / "quick" / f"{name}.json") for f in ("here", "there"))
        assert (a.final, a.curves, a.steps, a.correct) == (b.final, b.curves, b.steps, b.correct)


def test_a_sweep_with_changes_goes_on_from_its_checkpoints(tmp_path, capsys):
    changed = ["--set", "epochs=1", "--checkpoints", str(tmp_path / "kept"), "--only", "stompp"]
    assert main(["sweep", "quick", *changed]) == 1
    assert "name a folder with --out" in capsys.readouterr().err
    ((name, config),) = runs_of("quick", ["epochs=1"], "stompp")
    stored = tmp_path / "kept" / "quick" / f"{name}.npz"
    data = load("digits")
    stored.parent.mkdir(parents=True)
    fit(build(config, data), data, config, checkpoint=stored, stop_at=7, progress=False)
    assert stored.exists()  # as if it had been killed
    assert main(["sweep", "quick", *changed, "--out", str(tmp_path)]) == 0
    assert not stored.exists()
    resumed = record.read(tmp_path / "quick" / f"{name}.json")
    whole = run(config)
    assert resumed.config["epochs"] == 1 and resumed.final == whole.final
    assert main(["sweep", "quick", "--set", "epochz=1", "--out", str(tmp_path)]) == 1
    assert "did you mean 'epochs'" in capsys.readouterr().err


def test_a_run_can_start_from_a_float_network(tmp_path):
    """The weights are those of a float run with the same settings; a restart does not lose them."""
    settings = {"epochs": 1, "width": 4, "weights": "ste:identity", "activations": "ste:clip"}
    config = Config(**settings, pretrain=2, scale="layer")
    straight, scratch = run(config), run(replace(config, pretrain=0))
    assert straight.curves["loss"] != scratch.curves["loss"]
    data = load("digits")
    float_config = Config(**(settings | {"epochs": 2, "weights": "float", "activations": "float"}))
    trained = build(float_config, data)
    fit(trained, data, float_config, progress=False)
    model = build(config, data)
    model.load_state_dict(trained.state_dict())
    by_hand = fit(model, data, config, progress=False)
    assert by_hand.final == straight.final
    stored = tmp_path / "run.npz"
    run_module._start.clear()  # a new process
    resumed = run(config, checkpoint=stored)
    assert resumed.final == straight.final and start_of(stored).exists()
    stored.unlink()
    assert run(config, checkpoint=stored).final == straight.final


def test_a_float_start_has_a_file_of_its_own_and_says_when_it_diverges():
    assert start_of("kept/run-lr0.1").name == "run-lr0.1.start.npz"
    assert start_of("run.npz").name == "run.start.npz"
    with_start = Config(epochs=1, width=4, pretrain=2, lr=1e30)
    assert run(with_start).outcome.startswith("diverged: in the float start: ")


def test_runs_of_a_sweep_share_their_float_start(monkeypatch):
    trained = []
    whole = run_module.fit
    monkeypatch.setattr(
        run_module, "fit", lambda *a, **k: trained.append(a[2].weights) or whole(*a, **k)
    )
    run_module._start.clear()
    config = Config(epochs=1, width=4, pretrain=1, weights="ste:identity", activations="ste:clip")
    for changes in ({}, {"scale": "layer"}, {"plan": Plan(order="reverse")}, {"lr": 0.05}):
        run(replace(config, **changes))
    starts = ["float", "ste:identity", "ste:identity", "ste:identity", "float", "ste:identity"]
    assert trained == starts


def test_a_sweep_says_what_a_cluster_lacks(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="back end"):
        sweep("quick", tmp_path, backend="slurm")
    from dask.distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster:
        said = "has 2 threads, and a run needs a process of its own; .*--nthreads 1"
        with pytest.raises(ConfigError, match=said):
            sweep("quick", tmp_path, backend="dask", address=cluster.scheduler_address)
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(ConfigError, match="pip install 'dask"):
        sweep("quick", tmp_path, backend="dask")


def test_a_repeated_run_gives_the_same_numbers(tmp_path):
    for name in ("a", "b"):
        sweep("quick", tmp_path / name, only="stompp", changes=["epochs=1"], progress=False)
    a, b = (record.read(tmp_path / n / "quick" / "n01-stompp-s0.json") for n in ("a", "b"))
    assert (a.final, a.curves, a.steps, a.correct) == (b.final, b.curves, b.steps, b.correct)


def test_configure_starts_from_a_recipe():
    c = configure("fair", "n04-minimal-ste-s2", None, ["lr=0.05", "plan.order=reverse"])
    assert (c.blocks, c.seed, c.lr, c.plan.order, c.weights) == (
        (4, 4), 2, 0.05, "reverse", "ste:identity",
    )  # fmt: skip
    assert configure(None, None, None, []) == Config()
    with pytest.raises(ConfigError, match="did you mean 'width'"):
        Config.from_dict({"widht": 3})


def test_doctor_reports_and_says_how_to_get_what_is_missing(tmp_path, capsys):
    assert main(["doctor", "--root", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "torch 2" in out and "digits: 1437 + 360 images" in out
    assert "cifar10: not usable" in out and "download=True" in out


def test_bench_measures_ratios():
    result = bench.measure(blocks=1, width=4, repeats=2, inner=1)
    assert len(result["backward_ms"]) == 5
    assert math.isfinite(result["floor"])  # at this size timing is noise
    assert result["run_over_ste"]["min"] <= result["run_over_ste"]["max"]
    assert "whole run / floor" in bench.text(result)


def test_doctor_survives_what_it_is_for(tmp_path, monkeypatch, capsys):
    """torch 2.2 beside numpy 2 imports, but can hand over nothing."""

    def unavailable(*_args, **_kwargs):
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr("torch.from_numpy", unavailable)
    monkeypatch.setattr("torch.Tensor.numpy", unavailable)
    monkeypatch.setattr("stompp_lite.tools.doctor.import_torchvision", unavailable)
    assert main(["doctor", "--root", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "torch and numpy: do not fit" in out and "numpy<2" in out
    assert "digits: not usable. Numpy is not available" in out
    assert "torchvision: does not import" in out


def test_optimizers_and_schedules_reach_the_record(tmp_path):
    out = tmp_path / "my run.json"
    args = [*FAST, "optimizer=adam", "lr_schedule=cosine", "lr=0.01", "--out", str(out)]
    assert main(["run", *args]) == 0
    kept = record.read(out)
    assert kept.name == "my_run"
    assert (kept.config["optimizer"], kept.config["lr_schedule"]) == ("adam", "cosine")
    plain = tmp_path / "plain.json"
    assert main(["run", *FAST, "lr=0.01", "--out", str(plain)]) == 0
    assert record.read(plain).curves["loss"] != kept.curves["loss"]


def test_the_zoo_tries_models_and_names_what_is_missing(tmp_path, capsys):
    out = tmp_path / "zoo.json"
    assert main(["zoo", "--only", "squeezenet1_1", "--out", str(out)]) == 0
    assert "`squeezenet1_1` | converted | 24 | 25" in capsys.readouterr().out
    assert main(["zoo", "--only", "resnot"]) == 1
    assert "no model with 'resnot' in its name" in capsys.readouterr().err


def test_a_dry_run_takes_a_step_of_each_run_and_writes_nothing(tmp_path, capsys):
    assert main(["sweep", "quick", "--dry-run", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    for name in RECIPES["quick"].runs:
        assert f"{name}: one step of 64 in " in said.out + said.err
    assert not (tmp_path / "out").exists()
