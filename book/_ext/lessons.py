"""Plans of teaching, as tables: what to read, show, solve and hand in, from the course itself.

Minutes come from the chapters, exercises from what answers back. Only what to show in a lecture is
chosen by hand: one cell a chapter, by its id.
"""

from __future__ import annotations

from course import chapters

from stompp_lite.check import EXERCISES

#: Chapter -> the cell to show live, and what to do with it.
LIVE = {
    1: ("twin", "read one digit with floats and with bits"),
    2: ("smoothing", "scrub the noise over the step"),
    3: ("motion", "find latent weights that drift, and one that flips"),
    4: ("step", "move the size of the step, and nothing else"),
    5: ("valley", "guess where the loss peaks, then show the valley"),
    6: ("plain", "shut a tenth of the doors, then half"),
    7: ("live", "train a deep network with true gradients"),
    8: ("reachfigure", "see who is deaf in forward and in reverse order"),
    9: ("ghostfig", "lay the ghosts over the tooth"),
    10: ("breathe", "let a mask breathe, with and without refresh"),
    11: ("resultsfigure", "ask the class for a knob, and look whether it matters"),
    12: ("strip", "cover the names, and let the class bet on a method"),
    13: ("c13-09-calculator", "work out 1/α of a layer that the class names"),
    14: ("c14-17", "kill a run, and take it up again"),
    15: ("helpers", "take the scale away from attention"),
    16: ("blocks-both", "commit a stage of both networks, and see who still hears"),
    17: ("strips", "guess which method drew which picture"),
    18: ("explorer", "flip an input, and see which neuron moves"),
    19: ("machine", "draw a digit, and see the bits vote"),
}
#: Plan -> its sessions: what each is called, and its chapters.
PLANS: dict[str, dict[str, tuple[int, ...]]] = {
    "week": {
        "Monday": (1, 2), "Tuesday": (3, 4), "Wednesday": (5, 6), "Thursday": (7, 8),
        "Friday": (12,),
    },
    "six": {str(k): (n,) for k, n in enumerate((1, 2, 3, 4, 7, 12), 1)},
    "term": {str(n): (n,) for n in range(1, 20)},
}  # fmt: skip


def asked(number: int, *kinds: str) -> list[str]:
    """Exercises of a chapter, of these kinds, that answer back: "7.2"."""
    return [
        name
        for name, one in EXERCISES.items()
        if name.partition(".")[0] == str(number) and one.kind in kinds
    ]


def plan(name: str) -> str:
    """A plan as a table: a row a session."""
    every = {c.number: c for c in chapters()}
    rows = ["| session | read before | live | in pairs | hand in |", "|---|---|---|---|---|"]
    for session, numbers in PLANS[name].items():
        read = ", ".join(
            f"[{n}. {every[n].title}](../../notebooks/{every[n].page}.ipynb)" for n in numbers
        )
        time = sum(every[n].minutes for n in numbers)
        pairs = [x for n in numbers for x in asked(n, "understand", "code")[:2]]
        home = [x for n in numbers for x in asked(n, "explore", "break") if x not in pairs]
        shown = "; ".join(LIVE[n][1] for n in numbers)
        cells = (f"{read} ({time} min)", shown, ", ".join(pairs), ", ".join(home) or "in words")
        rows.append(f"| {session} | " + " | ".join(cells) + " |")
    return "\n".join(rows)
