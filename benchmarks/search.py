"""The worst-case searches against each other: Adam 5 x 200 as paper S, the grid and random points with a tenth of its passes.

    python benchmarks/search.py
    python benchmarks/search.py --pictures 2 --adam-steps 50

For each of the seven combinations of perturbations, searched on its own (nothing is known from smaller ones), the mean
over fixed damaged pictures of embedded-b of each one's own pixel AUROC at the worst point found; the lower, the tighter.
A step of Adam is two forward passes (a backward pass counts as one), a point of the others is one. Results are stored per
picture, so a run that was stopped goes on where it was. Wanted: the grid at least as tight as Adam in all seven, with a
tenth of the passes. The full run takes about 270,000 passes, hours on one CPU core, and is yet to be made; with few
pictures and steps, as in the second line, the others have too few points to say anything.
"""

import argparse
from pathlib import Path

import pandas as pd

import zsas_lib as zsas
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.search import adam
from zsas_lib.search.study import combination_name, worst_cases
from zsas_lib.search.worst_case import COMBINATIONS


def fixed_pictures(count: int, image_size: int) -> AnomalyDataset:
    """At least ``count`` damaged pictures of embedded-b: as many of each category, of as few categories as that takes."""
    damaged = zsas.load_dataset("embedded-b", image_size=image_size).select(anomalous=True)
    of_each = -(-count // len(damaged.categories))
    return damaged.select(damaged.categories[: -(-count // of_each)], per_category=of_each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--adam-steps", type=int, default=1000, help="of all restarts together")
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.1, help="of Adam's passes, for the other searches")
    parser.add_argument("--combinations", nargs="*", help='such as "rotation" "rotation + hue"; all without it')
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--device")
    parser.add_argument("--precision", default="float32", help="float32 or, 1.7 times as fast on CPUs that know it, bfloat16")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--store", type=Path, help="folder of the stored results; the library's own without it")
    options = parser.parse_args()

    backbone = zsas.load_backbone(options.backbone, device=options.device, precision=options.precision)
    model = zsas.load_model("winclip", backbone)
    pictures = fixed_pictures(options.pictures, backbone.image_size)
    points = round(options.share * adam.PASSES * options.adam_steps)
    searches = {"adam": options.adam_steps, "grid": points, "random": points}
    print(f"{len(pictures)} damaged pictures of {len(pictures.categories)} categories of embedded-b, winclip on {options.backbone}, {options.precision}, {backbone.device}")
    print(f"{'combination':>28} {'original':>9}" + "".join(f" {name:>9}" for name in searches) + "  grid - adam     as tight  tighter")

    tightest = {}
    for over in COMBINATIONS:
        name = combination_name(over)
        if options.combinations and name not in options.combinations:
            continue
        found = {}
        for search, steps in searches.items():
            cases = worst_cases(
                model, pictures, combinations=[over], search=search, steps=steps, restarts=options.restarts,
                batch_size=options.batch, store=options.store,
            )
            found[search] = cases[cases.combination == name].set_index("picture")
        original = cases[cases.combination == "none"].pixel_auroc.mean()
        bounds = pd.DataFrame({search: rows.pixel_auroc for search, rows in found.items()})
        gap = 100 * (bounds.grid - bounds.adam)
        tightest[name] = gap.mean() <= 0
        print(
            f"{name:>28} {100 * original:>9.2f}" + "".join(f" {100 * bounds[search].mean():>9.2f}" for search in searches)
            + f"  {gap.mean():+6.2f} ± {gap.sem() if len(gap) > 1 else float('nan'):4.2f}"
            + f"  {(gap <= 0).sum():>3} of {len(gap):<3}  {'grid' if tightest[name] else 'adam'}", flush=True,
        )
    passes = {search: int(rows.passes.max()) for search, rows in found.items()}
    print("forward passes per picture and combination: " + ", ".join(f"{search} {count}" for search, count in passes.items()))
    print(f"the grid is at least as tight as adam in {sum(tightest.values())} of {len(tightest)} combinations")


if __name__ == "__main__":
    main()
