"""Stages of a training, each with its own rate, steps and parameters."""

import pytest
import torch
from trained import learned

import zsas_lib as zsas
from zsas_lib.models.learned import Recipe, Stage
from zsas_lib.training.fit import fit
from zsas_lib.training.stages import planned


@pytest.mark.slow
def test_stages_are_trained_in_turn_and_a_killed_one_resumes(backbone, pictures, tmp_path, monkeypatch):
    """AA-CLIP: five of twenty epochs change the text's adapters alone, at their own rate, then all others."""
    model = zsas.load_model("aa-clip", backbone)
    assert [stage.name for stage in model.recipe.stages] == ["text", "image"]
    model.initialise(0)
    begun = {name: value.clone() for name, value in model.learnable().items()}
    seen, step = [], torch.optim.AdamW.step

    def watched(self, *given, **options):
        before = {name: value.clone() for name, value in model.learnable().items()}
        done = step(self, *given, **options)
        changed = {
            name.split("_")[0] for name, value in model.learnable().items() if not torch.equal(value, before[name])
        }
        seen.append(("text" if changed == {"text"} else "image", [group["lr"] for group in self.param_groups]))
        return done

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    log = fit(model, pictures, epochs=4, checkpoint=tmp_path / "checkpoint.pt")
    count = len(pictures)
    assert list(log.groupby("epoch").size()) == [1, *[count // 2] * 4], "16 pictures a step, then 2"
    assert [stage for stage, _ in seen] == ["text"] + ["image"] * (2 * count)
    assert seen[0][1] == [1e-5, 5e-4] and model.recipe.rates["text_projection.weight"] == 1e-5
    assert all(not torch.equal(value, begun[name]) for name, value in model.learnable().items())
    again, calls = zsas.load_model("aa-clip", backbone), []

    enter = type(model).enter

    def stopped(self, stage):
        calls.append(stage)
        if len(calls) == 4:
            raise KeyboardInterrupt
        enter(self, stage)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    monkeypatch.setattr(type(model), "enter", stopped)
    with pytest.raises(KeyboardInterrupt):
        fit(again, pictures, epochs=4, checkpoint=tmp_path / "killed.pt")
    monkeypatch.setattr(type(model), "enter", enter)
    fit(again, pictures, epochs=4, checkpoint=tmp_path / "killed.pt")
    assert torch.equal(learned(again), learned(model))


def test_the_rate_is_halved_and_falls_within_its_stage():
    recipe = Recipe(1e-3, 4, 8, False, stages=(Stage("first", 0.25, 10), Stage("second", 1.0, 2, halved_after=(6, 9))))
    plan = planned(recipe, 8, None, pictures=4)
    assert [epoch.stage.name for epoch in plan] == ["first"] * 2 + ["second"] * 8
    assert (plan[0].before, plan[0].steps, plan[-1].before, plan[-1].steps) == (0, 2, 2, 16)
    assert [plan[-1].share(step, decay=False) for step in (2, 7, 8, 10, 11)] == [1, 1, 0.5, 0.5, 0.25]
    assert plan[0].share(1, decay=True) == pytest.approx(0.5) and plan[2].share(2, decay=True) == 1
    assert [epoch.training_batch_size for epoch in planned(recipe, 1, 3, pictures=4)] == [3, 3]
