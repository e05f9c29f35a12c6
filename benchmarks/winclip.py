"""WinCLIP's forward: milliseconds per image, peak memory, and the ratio to plain code. Random weights.

    python benchmarks/winclip.py            # embedded-size backbone and ViT-B/16+, float32 and bfloat16; minutes
    python benchmarks/winclip.py --quick    # the embedded-size backbone in float32; seconds

"Plain code" is open_clip's own transformer called on all windows of a scale at once. Both are run in turn and the
medians compared, so that other work on the machine touches both alike; on a busy machine `--threads 1` and the
processor's time say more than the clock's. Every case has a process of its own, and its peak memory is that of loading
the model and one batch of our forward.

Expected on 2 cores: embedded size at most 30 ms per image in batches of 16; ViT-B/16+ below 3 GB at batch 2 and not
slower than plain code.
"""

import argparse
import multiprocessing
import resource
import statistics
import time

CASES = [
    ("embedded", "float32", 16),
    ("embedded", "bfloat16", 16),
    ("vit-b-16-plus-240", "float32", 2),
    ("vit-b-16-plus-240", "bfloat16", 2),
]


def plain_forward(model, images, text):
    """The same map with every window through open_clip's unchanged transformer."""
    import torch
    import torch.nn.functional as F

    from zsas_lib.models.winclip import harmonic_map

    backbone, visual = model.backbone, model.backbone.clip.visual
    tokens = backbone.embed_patches(images)
    grid, kind = backbone.grid, visual.transformer.get_cast_dtype()

    def score(sequences):
        states = visual.transformer(sequences.to(kind))[:, 0].float()
        embeddings = F.normalize(visual.ln_post(states) @ visual.proj, dim=-1).unflatten(0, (len(images), -1))
        return torch.softmax(embeddings @ text.mT / 0.07, dim=-1)[..., 1]

    image_scores = score(tokens)
    reciprocals = 1 / image_scores[:, :, None]
    numbers = torch.arange(grid * grid).view(grid, grid)
    for side in (2, 3):
        windows = 1 + numbers.unfold(0, side, 1).unfold(1, side, 1).reshape(-1, side * side)
        kept = torch.cat([torch.zeros(len(windows), 1, dtype=torch.long), windows], 1)
        scores = score(tokens[:, kept].flatten(0, 1)).unflatten(1, (grid - side + 1, -1))
        reciprocals = reciprocals + 1 / harmonic_map(scores, grid, side)
    return F.interpolate((3 / reciprocals)[:, None], images.shape[-2:], mode="bilinear")[:, 0], image_scores[:, 0]


def measure(name, precision, batch, repetitions, threads, pipe):
    """Peak memory in GB, and per way of computing the map the medians of wall and processor milliseconds per image."""
    import torch

    from zsas_lib import load_backbone, load_model

    torch.set_num_threads(threads or torch.get_num_threads())
    model = load_model("winclip", load_backbone(name, "random", device="cpu", precision=precision))
    size = model.backbone.image_size
    images = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    text = torch.stack([model.text_features("pill")] * batch)
    ways = {"ours": lambda: model(images, "pill").anomaly_map, "plain": lambda: plain_forward(model, images, text)[0]}
    clocks = {way: [] for way in ways}
    with torch.no_grad():
        ours = ways["ours"]()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        difference = (ours - ways["plain"]()).abs().max().item()
        for _ in range(repetitions):
            for way, run in ways.items():
                start = time.perf_counter(), time.process_time()
                run()
                clocks[way].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    medians = {way: [1e3 / batch * statistics.median(clock) for clock in zip(*runs)] for way, runs in clocks.items()}
    pipe.send((memory, difference, medians))


def main(quick, repetitions, threads):
    print("backbone, precision, batch | ms per image, wall (processor): ours, plain | plain/ours | difference | memory")
    for name, precision, batch in CASES[:1] if quick else CASES:
        receiver, sender = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=measure, args=(name, precision, batch, repetitions, threads, sender)
        )
        process.start()
        sender.close()
        memory, difference, medians = receiver.recv()
        process.join()
        (ours, ours_busy), (plain, plain_busy) = medians["ours"], medians["plain"]
        print(
            f"{name}, {precision}, {batch} | {ours:.1f} ({ours_busy:.1f}), {plain:.1f} ({plain_busy:.1f}) | "
            f"{plain / ours:.2f} ({plain_busy / ours_busy:.2f}) | {difference:.0e} | {memory:.2f} GB",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only the embedded-size backbone, float32")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch chooses")
    main(**vars(parser.parse_args()))
