"""Miniature data sets in the official layouts, for tests. Nothing of zsas_lib is imported here."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 18)  # width, height


def kinds(dataset) -> Counter:
    """How many pictures a data set has of each category and kind of defect."""
    return Counter((record.category, record.defect) for record in dataset.records)


def write_picture(path: Path, seed: int = 0, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def smooth_picture(path: Path, seed: int, size: tuple[int, int] = (96, 64)) -> Path:
    """A picture of a few soft blobs, of which JPEG keeps nearly all, as of photographs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def write_mask(path: Path, value: int = 255, size: tuple[int, int] = SIZE) -> Path:
    """A mask whose left upper quarter holds ``value``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.zeros((size[1], size[0]), dtype=np.uint8)
    levels[: size[1] // 2, : size[0] // 2] = value
    Image.fromarray(levels).save(path)
    return path


def write_mvtec(root: Path, categories: dict[str, dict[str, int]], train: int = 2, mask_ending: str = "_mask") -> Path:
    """MVTec AD's and MPDD's layout: ``categories`` maps names to how many test pictures of each kind ("good", ...)."""
    for order, (category, kinds) in enumerate(categories.items()):
        for index in range(train):
            write_picture(root / category / "train/good" / f"{index:03}.png", seed=1000 * order + index)
        for kind, count in kinds.items():
            for index in range(count):
                write_picture(root / category / "test" / kind / f"{index:03}.png", seed=1000 * order + 100 + index)
                if kind != "good":
                    write_mask(root / category / "ground_truth" / kind / f"{index:03}{mask_ending}.png")
    return root


def write_btad(root: Path, counts: Sequence[int] = (2, 3, 2)) -> Path:
    """BTAD's layout with its mixture of .bmp and .png; ``counts`` are train, test normal and test anomalous."""
    for category, ending, mask_ending in (("01", "bmp", "png"), ("02", "png", "png"), ("03", "bmp", "bmp")):
        for kind, count in zip(("train/ok", "test/ok", "test/ko"), counts, strict=True):
            for index in range(count):
                write_picture(root / category / kind / f"{index:04}.{ending}", seed=int(category) * 100 + index)
        for index in range(counts[2]):
            write_mask(root / category / "ground_truth/ko" / f"{index:04}.{mask_ending}")
    return root


def write_loco(root: Path, category: str = "pushpins") -> Path:
    """MVTec LOCO AD's layout: one normal picture of each split, a logical anomaly of two masks, a structural one."""
    for seed, place in enumerate(("train/good", "validation/good", "test/good")):
        write_picture(root / category / place / "000.png", seed)
    for seed, (kind, values) in enumerate({"logical_anomalies": (240, 255), "structural_anomalies": (251,)}.items()):
        write_picture(root / category / "test" / kind / "000.png", 10 + seed)
        for number, value in enumerate(values):
            levels = np.zeros((SIZE[1], SIZE[0]), dtype=np.uint8)
            levels[:3, 4 * number : 4 * number + 2] = value
            path = root / category / "ground_truth" / kind / "000" / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(levels).save(path)
    (root / category / "defects_config.json").write_text("[]")
    return root


def write_3d(root: Path, category: str = "bagel") -> Path:
    """MVTec 3D-AD's layout: a picture of each split and of one kind of defect, with xyz, and masks in test."""
    places = ("train/good", "validation/good", "test/good", "test/crack")
    for seed, place in enumerate(places):
        write_picture(root / category / place / "rgb/000.png", seed)
        write_mask(root / category / place / "xyz/000.tiff", value=seed)
        if place.startswith("test"):
            write_mask(root / category / place / "gt/000.png", value=255 * place.endswith("crack"))
    return root


def visa_rows(category: str, train: int = 2, normal: int = 2, anomalous: int = 2) -> list[dict[str, str]]:
    rows = [
        {
            "object": category,
            "split": "train" if index < train else "test",
            "label": "normal",
            "image": f"{category}/Data/Images/Normal/{index:04}.JPG",
            "mask": "",
        }
        for index in range(train + normal)
    ]
    return rows + [
        {
            "object": category,
            "split": "test",
            "label": "anomaly",
            "image": f"{category}/Data/Images/Anomaly/{index:03}.JPG",
            "mask": f"{category}/Data/Masks/Anomaly/{index:03}.png",
        }
        for index in range(anomalous)
    ]


def write_visa_table(root: Path, rows: list[dict[str, str]]) -> Path:
    table = root / "split_csv/1cls.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


def write_visa(root: Path, categories: Sequence[str] = ("candle", "pcb1")) -> Path:
    """VisA's layout; masks hold the values 1, 2, ... as the official ones do."""
    rows = [row for category in categories for row in visa_rows(category)]
    for seed, row in enumerate(rows):
        write_picture(root / row["image"], seed)
        if row["mask"]:
            write_mask(root / row["mask"], value=1 + seed % 3)
    write_visa_table(root, rows)
    return root
