"""Command line: ``python -m stompp_lite``. Argument parsing only; the work is in ``lab``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from stompp_lite.errors import ConfigError, StomppError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stompp_lite", description="Run, record and measure experiments."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="one run; writes a record (also under torchrun)")
    run.add_argument("recipe", nargs="?", help="take the settings of this recipe's run ...")
    run.add_argument("--name", help="... with this name")
    run.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="FIELD=VALUE", dest="changes",
        help="change configuration fields, for example lr=0.05 blocks=[2,2] plan.order=reverse",
    )  # fmt: skip
    methods = (
        "float, ste, ste-identity, stompp, stompp+ste, hybrid, random, weights-only, "
        "ste-weights-only, stompp+ste-weights-only, activations-only, hybrid-free, reverse-hybrid, "
        "reverse-hybrid-free, weight-surrogate, activation-surrogate, intervention, xnor-net, "
        "bi-real, react-net, ir-net, bop, self-binarizing, binary-relax, prox-quant, inq, rpr, "
        "stochastic, iterative, local, bep"
    )
    run.add_argument("--method", help=f"rules by name: {methods}")
    run.add_argument("--out", type=Path, default=Path("run.json"), help="the record")
    run.add_argument("--checkpoint", type=Path, help="store the run here; go on if it exists")
    run.add_argument("--device", default="cpu")
    run.add_argument("--root", default="data", help="folder of the data sets")
    run.add_argument("--workers", type=int, help="processes that read images from folders")

    sweep = commands.add_parser("sweep", help="all runs of a recipe that are not recorded yet")
    sweep.add_argument("recipe")
    sweep.add_argument("--out", type=Path, help="folder of the records; default data/runs")
    sweep.add_argument("--jobs", type=int, default=1, help="processes, one core each")
    sweep.add_argument("--only", default="", help="only runs whose name contains this")
    sweep.add_argument("--root", default="data")
    sweep.add_argument("--device", default="cpu")
    sweep.add_argument("--checkpoints", type=Path, help="folder to store running runs in")
    sweep.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="FIELD=VALUE", dest="changes",
        help="change what names do not tell, for example epochs=30 precision=bf16; needs --out",
    )  # fmt: skip
    sweep.add_argument(
        "--dry-run", action="store_true", help="one training step of each run; writes nothing"
    )
    sweep.add_argument(
        "--list", action="store_true", help="print the names of the runs; runs and writes nothing"
    )
    sweep.add_argument("--backend", default="local", help="local or dask")
    sweep.add_argument("--address", help="of the cluster's scheduler; default: start one here")

    report = commands.add_parser("report", help="table of a recipe's records, with intervals")
    report.add_argument("recipe")
    report.add_argument("--runs", type=Path, help="folder of the records; default data/runs")

    school = commands.add_parser("class", help="a class as a lab: a worksheet, and what it found")
    tasks = school.add_subparsers(dest="task", required=True)
    sheet = tasks.add_parser("new", help="write a worksheet: everybody runs one seed")
    sheet.add_argument("lesson", help="fair-36, fair-24 or fair-16")
    sheet.add_argument("--students", type=int, default=30)
    sheet.add_argument("--out", type=Path, default=Path(), help="folder of the worksheet")
    collect = tasks.add_parser("collect", help="the class's own figure, table and verdict")
    collect.add_argument("folder", type=Path, help="records side by side, as they were handed in")
    collect.add_argument("--lesson", default="fair-36")
    collect.add_argument(
        "--out", type=Path, default=Path("class"), help="folder of what is written"
    )

    answers = commands.add_parser("answers", help="what a class predicted, before the lecture")
    answers.add_argument("folder", type=Path, help="files of Save my answers, side by side")
    answers.add_argument(
        "--out", type=Path, default=Path("answers.csv"), help="every answer, as CSV"
    )

    bench = commands.add_parser("bench", help="time per stage, and the whole run against STE")
    bench.add_argument("--blocks", type=int, default=6)
    bench.add_argument("--width", type=int, default=16)
    bench.add_argument("--repeats", type=int, default=5)
    bench.add_argument(
        "--packed", action="store_true", help="time packed networks against torch instead"
    )
    bench.add_argument("--out", type=Path, help="write the result as JSON")

    pack = commands.add_parser("pack", help="the network of a finished run as a file of bits")
    pack.add_argument("checkpoint", type=Path, help="what run --checkpoint stored")
    pack.add_argument("--record", type=Path, required=True, help="what the same run wrote as --out")
    pack.add_argument("--out", type=Path, default=Path("net.stompp"), help="the packed network")
    pack.add_argument("--root", default="data", help="folder of the data sets")

    export = commands.add_parser("export", help="a packed network for another tool")
    export.add_argument("net", type=Path, help="what pack wrote")
    export.add_argument("--to", required=True, help="onnx, qonnx, or c")
    export.add_argument("--out", type=Path, help="default: the same name with another ending")

    zoo = commands.add_parser("zoo", help="which models of torchvision can be converted")
    zoo.add_argument("--only", default="", help="only models whose name contains this")
    zoo.add_argument("--out", type=Path, help="write the result as JSON")

    doctor = commands.add_parser("doctor", help="what is installed, found and missing")
    doctor.add_argument("--root", default="data")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status is 0 if it did what was asked."""
    args = _parser().parse_args(argv)
    # A batch system's SIGTERM ends this process as Ctrl+C does: workers stop, and no file is torn.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        return _dispatch(args)
    except StomppError as err:
        print(f"{type(err).__name__}: {err}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as err:
        if isinstance(err, RuntimeError) and "can't allocate memory" not in str(err):
            raise
        said = "this does not fit into the memory of this machine; choose a smaller width or batch"
        print(f"ConfigError: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print("Stopped. Finished runs and the last checkpoint are kept.", file=sys.stderr)
        return 143 if stop.args == (signal.SIGTERM,) else 130


def _terminate(*_: object) -> None:
    raise KeyboardInterrupt(signal.SIGTERM)


def _dispatch(args: argparse.Namespace) -> int:
    # imported here: `--help` should not wait for torch
    from stompp_lite.lab import arguments, recipes, record, report, run, sweep
    from stompp_lite.ship.file import save_packed
    from stompp_lite.tools import bench, doctor, packed, predictions, school, zoo
    from stompp_lite.training.files import check_writable, write_atomically

    arguments.check_texts({f"--{name}": value for name, value in vars(args).items()})
    arguments.check_changes(getattr(args, "changes", []))
    run.check_device(getattr(args, "device", "cpu"))
    if args.command == "run":
        config = recipes.configure(args.recipe, args.name, args.method, args.changes)
        check_writable(args.out)
        if args.checkpoint and args.checkpoint.resolve() == args.out.resolve():
            raise ConfigError(f"--out and --checkpoint are the same file, {args.out}; name two")
        if args.out.exists():
            run.check_same(record.read(args.out), config, args.out)
        result = run.run_and_save(
            config, args.out, recipe=args.recipe or "custom",
            name=args.name or record.name_for(args.out), root=args.root, device=args.device,
            checkpoint=args.checkpoint, workers=args.workers,
        )  # fmt: skip
        if result is not None:  # the first of torchrun's processes
            accuracy = result.final.get("test_acc")
            shown = result.outcome if accuracy is None else f"test accuracy {accuracy:.1f} %"
            print(f"{args.out}: {shown} in {result.wall_s:.0f} s")
    elif args.command == "sweep" and args.list:
        names = [name for name, _ in recipes.runs_of(args.recipe, args.changes, args.only)]
        cost = recipes.RECIPES[args.recipe].cost
        print("\n".join([*names, f"{len(names)} runs; all of {args.recipe}: {cost}"]))
    elif args.command == "sweep":
        if args.changes and not args.out:
            raise ConfigError(
                "--set makes runs that are not the recipe's; name a folder with --out"
            )
        folder = args.out or record.default_folder() or Path("data/runs")
        counts = sweep.sweep(
            args.recipe, folder, jobs=args.jobs, only=args.only, root=args.root,
            device=args.device, checkpoints=args.checkpoints, changes=args.changes,
            backend=args.backend, address=args.address, dry_run=args.dry_run,
        )  # fmt: skip
        print(", ".join(f"{v} {k}" for k, v in counts.items()))
    elif args.command == "report":
        print(report.table(args.recipe, args.runs))
    elif args.command == "class" and args.task == "new":
        print(school.new(args.lesson, args.out, args.students))
    elif args.command == "class":
        arguments.check_apart(args.out, args.folder)
        print(school.keep(school.collect(args.folder, args.lesson), args.out))
    elif args.command == "answers":
        arguments.check_apart(args.out.parent, args.folder)
        print(predictions.keep(predictions.read(args.folder), args.out))
    elif args.command == "bench":
        if args.out:
            check_writable(args.out)
        arguments.check_size(args.blocks, args.width)
        if args.packed:
            result_ = packed.measure(args.repeats)
            print(packed.text(result_))
        else:
            result_ = bench.measure(blocks=args.blocks, width=args.width, repeats=args.repeats)
            print(bench.text(result_))
        if args.out:
            write_atomically(args.out, (json.dumps(result_, indent=1) + "\n").encode())
    elif args.command == "pack":
        check_writable(args.out)
        net = packed.pack_run(args.checkpoint, args.record, args.root)
        save_packed(net, args.out)
        sizes = ", ".join(f"{kind} {size:,}" for kind, size in net.program.sizes().items())
        print(f"{args.out}: {args.out.stat().st_size:,} bytes ({sizes})")
    elif args.command == "export":
        print(packed.export(args.net, args.to, args.out))
    elif args.command == "zoo":
        if args.out:
            check_writable(args.out)
        found = zoo.visit(args.only)
        print(zoo.table(found))
        if args.out:
            zoo.save(found, args.out)
    else:
        text, healthy = doctor.examine(args.root)
        print(text)
        return 0 if healthy else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
