"""``zsas train``: the learnable parts of a model, trained on an auxiliary data set."""

from pathlib import Path
from typing import Annotated

import typer

from zsas_lib.base.files import require_new_file, require_place


def train(
    model: Annotated[str, typer.Argument(help="A model that learns, such as vcpclip+ or anomalyclip.")],
    output: Annotated[
        Path, typer.Argument(help="The file of what is learned, for zsas.load_model(..., checkpoint=...).")
    ],
    dataset: Annotated[str, typer.Option(help="The auxiliary data set.")] = "embedded-a",
    root: Annotated[Path | None, typer.Option(help="The folder that holds it.")] = None,
    mask_rule: Annotated[
        str | None, typer.Option(help="half-maximum, half-of-file or nonzero; the data set's own without it.")
    ] = None,
    backbone: Annotated[str, typer.Option(help="The frozen backbone.")] = "embedded",
    image_size: Annotated[int | None, typer.Option(help="In pixels; the backbone's own without it.")] = None,
    activation: Annotated[str | None, typer.Option(help="gelu or quick_gelu; the weights' own without it.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    epochs: Annotated[int | None, typer.Option(help="The paper's without it; so for the next three.")] = None,
    training_batch_size: Annotated[int | None, typer.Option()] = None,
    rate: Annotated[float | None, typer.Option()] = None,
    augment: Annotated[bool | None, typer.Option()] = None,
    zoom: Annotated[float, typer.Option(help="How often a picture is cut to a part of itself, in 0..1.")] = 0.0,
    decay: Annotated[bool, typer.Option(help="Let the rate fall to zero.")] = False,
    loss_size: Annotated[
        int | None, typer.Option(help="Side in pixels at which maps meet masks; the pictures' without it.")
    ] = None,
) -> None:
    """Train a model's learnable parts on an auxiliary data set; a run that was stopped goes on from its last epoch.

    What cannot be is said before anything is read; a file that is there already is not overwritten.
    """
    import zsas_lib as zsas
    from zsas_lib.models.learned import require_learner
    from zsas_lib.models.load import require_runs
    from zsas_lib.training.settings import require_settings

    require_learner(model)
    require_settings(
        seed=seed, epochs=epochs, training_batch_size=training_batch_size, rate=rate, zoom=zoom, loss_size=loss_size
    )
    checkpoint = output.with_name(f"{output.name}.checkpoint") if output.name else output
    require_new_file(output)
    require_place(checkpoint)
    require_runs(model, backbone, image_size)
    tower = zsas.load_backbone(backbone, image_size=image_size, activation=activation)
    learner = zsas.load_model(model, tower)
    log = zsas.fit(
        learner,
        zsas.load_dataset(dataset, root, image_size=tower.image_size, mask_rule=mask_rule),
        seed=seed,
        epochs=epochs,
        training_batch_size=training_batch_size,
        rate=rate,
        augment=augment,
        zoom=zoom,
        decay=decay,
        loss_size=loss_size,
        checkpoint=checkpoint,
        output=output,
    )
    typer.echo(
        f"{model} is trained: {len(log)} steps, loss {log.loss.iloc[0]:.3f} to {log.loss.iloc[-1]:.3f}, in {output}"
    )
