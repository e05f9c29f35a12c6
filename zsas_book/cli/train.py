"""``zsas train``: the learnable parts of a model, trained on an auxiliary data set."""

from pathlib import Path
from typing import Annotated

import typer

from zsas_lib.base.files import require_new_file, require_place


def train(
    model: Annotated[str, typer.Argument(help="A model that learns, such as vcpclip+ or anomalyclip.")],
    output: Annotated[
        Path, typer.Argument(help="The file of what is learned, for zsas.load_model(..., checkpoint=...) in Python.")
    ],
    dataset: Annotated[str, typer.Option(help="The auxiliary data set.")] = "embedded-a",
    root: Annotated[Path | None, typer.Option(help="The folder that holds it.")] = None,
    mask_rule: Annotated[
        str | None, typer.Option(help="half-maximum, half-of-file or nonzero; the data set's own without it.")
    ] = None,
    backbone: Annotated[str, typer.Option(help="The frozen backbone.")] = "embedded",
    image_size: Annotated[int | None, typer.Option(help="In pixels; without it the backbone's own.")] = None,
    activation: Annotated[str | None, typer.Option(help="gelu or quick_gelu; the weights' own without it.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    recipe: Annotated[
        str | None,
        typer.Option(help="short or paper: how it is trained, its options included; short on a small backbone."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="The recipe's without it; so for all that follow.")] = None,
    training_batch_size: Annotated[int | None, typer.Option()] = None,
    rate: Annotated[float | None, typer.Option()] = None,
    augment: Annotated[bool | None, typer.Option()] = None,
    zoom: Annotated[float | None, typer.Option(help="How often a picture is cut to a part of itself, in 0..1.")] = None,
    decay: Annotated[bool | None, typer.Option(help="Whether the rate falls to zero.")] = None,
    loss_size: Annotated[int | None, typer.Option(help="Side in pixels at which maps meet masks.")] = None,
    perturbed: Annotated[
        list[str] | None, typer.Option(help="A perturbation that pictures are met under, such as rotation; or several.")
    ] = None,
    looks: Annotated[int | None, typer.Option(help="Of so many points under these the worst is met.")] = None,
    held_out: Annotated[
        list[str] | None, typer.Option(help="A category that chooses the epoch and is not trained on; or several.")
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="The epoch that is kept: last; auxiliary: the best on held-out pictures; target: on --target."
        ),
    ] = None,
    select_by: Annotated[str | None, typer.Option(help="The metric that is then highest; pixel_ap without it.")] = None,
    target: Annotated[
        str | None, typer.Option(help="The test data that choose the epoch, with --select target alone.")
    ] = None,
    target_root: Annotated[Path | None, typer.Option(help="The folder that holds them.")] = None,
) -> None:
    """Train a model's learnable parts on an auxiliary data set; a run that was stopped goes on from its last epoch.

    What cannot be is said before anything is read; a file that is there already is not overwritten.
    """
    import zsas_lib as zsas
    from zsas_lib.models.learned import require_learner
    from zsas_lib.models.load import require_runs
    from zsas_lib.training.recipes import training_of
    from zsas_lib.training.selection import SELECTED_BY, require_selection
    from zsas_lib.training.settings import require_settings

    require_learner(model)
    of_recipe = training_of(model, recipe, backbone)
    given = {
        "epochs": epochs,
        "training_batch_size": training_batch_size,
        "rate": rate,
        "augment": augment,
        "zoom": zoom,
        "decay": decay,
        "loss_size": loss_size,
        "perturbed": perturbed or None,
        "looks": looks,
    }
    settings = {**of_recipe.fit, **{name: value for name, value in given.items() if value is not None}}
    require_settings(seed=seed, **settings)
    require_selection(select, select_by or SELECTED_BY, target is not None, held_out or ())
    checkpoint = output.with_name(f"{output.name}.checkpoint") if output.name else output
    require_new_file(output)
    require_place(checkpoint)
    require_runs(model, backbone, image_size)
    tower = zsas.load_backbone(backbone, image_size=image_size, activation=activation)
    learner = zsas.load_model(model, tower, **of_recipe.options)
    data = zsas.load_dataset(dataset, root, image_size=tower.image_size, mask_rule=mask_rule)
    tested = None if target is None else zsas.load_dataset(target, target_root, mask_rule=mask_rule)
    chosen = {"held_out": held_out or (), "select": select, "select_by": select_by or SELECTED_BY, "target": tested}
    try:
        log = zsas.fit(learner, data, seed=seed, **settings, **chosen, checkpoint=checkpoint, output=output)
    except KeyboardInterrupt:
        kept = f"the same command goes on from {checkpoint}" if checkpoint.exists() else "no epoch had ended"
        typer.echo(f"stopped; {kept}.", err=True)
        raise typer.Exit(130) from None
    typer.echo(
        f"{model} is trained: {len(log)} steps, loss {log.loss.iloc[0]:.3f} to {log.loss.iloc[-1]:.3f}, in {output}"
    )
    if target is not None:
        typer.echo(f"Its epoch was chosen on {target}: what it scores there is no estimate for other pictures.")
    options = "".join(f", {name}={value!r}" for name, value in of_recipe.options.items())
    activated = "" if activation is None else f", activation={activation!r}"
    typer.echo(
        f"Load it with the same options, on a backbone of the same size: zsas.load_model({model!r}, zsas.load_backbone("
        f"{backbone!r}, image_size={tower.image_size!r}{activated}), checkpoint={str(output)!r}{options})"
    )
