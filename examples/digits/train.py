"""From nothing to a pack: train a classifier and a GAN of digits, and put them together.

    python examples/digits/train.py [--out examples/digits/pack] [--epochs 20] [--gan-steps 3000]

The data, 1797 pictures of handwritten digits of 8 x 8 pixels, come with scikit-learn.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # to be run from anywhere, as a file

from nets import LATENT, Classifier, Critic, Generator  # noqa: E402

from tune_am import make_pack  # noqa: E402

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CREDIT = "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, CC BY 4.0"
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "pack", help="folder of the pack")
    parser.add_argument("--epochs", type=int, default=20, help="of the classifier")
    parser.add_argument("--gan-steps", type=int, default=3000, help="steps of the GAN")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    begun = time.monotonic()
    train, held_out, labels, held_out_labels = digits(options.seed)
    classifier = trained_classifier(train, labels, options.epochs)
    accuracy = (classifier(held_out).argmax(1) == held_out_labels).float().mean().item()
    print(f"classifier: {accuracy:.1%} of {len(held_out)} held-out digits right")
    generator = trained_generator(train, options.gan_steps)
    pack = make_pack(
        classifier,
        generator,
        held_out,
        neurons={name: f"digit:{i}" for i, name in enumerate(NAMES)},
        out=options.out,
        name="digits",
        input={"domain": "image", "range": [0, 1], "units": "ink, 0 to 1"},
        credits=CREDIT,
        about={"licence": {"weights": "CC BY 4.0"}, "metrics": {"accuracy": round(accuracy, 4)}},
        overwrite=True,
    )
    print(f"pack: {pack.path} after {time.monotonic() - begun:.0f} s")


def digits(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures [n, 1, 8, 8] from 0 to 1 to train on and held out, then the labels of both."""
    data = load_digits()
    pictures = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(data.target)
    parts = train_test_split(
        pictures.numpy(), labels.numpy(), test_size=0.4, stratify=labels.numpy(), random_state=seed
    )
    train, held_out, train_labels, held_out_labels = map(torch.tensor, parts)
    return train, held_out, train_labels, held_out_labels


def trained_classifier(pictures: Tensor, labels: Tensor, epochs: int) -> Classifier:
    """The classifier after `epochs` over `pictures`, shifted by up to a pixel each time."""
    classifier = Classifier()
    optimizer = torch.optim.Adam(classifier.parameters(), 1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(pictures)).split(BATCH):
            down, right = torch.randint(-1, 2, (2,)).tolist()
            shifted = torch.roll(pictures[rows], (down, right), (2, 3))
            loss = nn.functional.cross_entropy(classifier(shifted), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return classifier.eval()


def trained_generator(pictures: Tensor, steps: int) -> Generator:
    """A generator of such pictures: hinge loss, its weights averaged over the last steps."""
    generator, critic = Generator(), Critic()
    averaged = torch.optim.swa_utils.AveragedModel(
        generator, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    makes = torch.optim.Adam(generator.parameters(), 4e-4, betas=(0.0, 0.9))
    judges = torch.optim.Adam(critic.parameters(), 4e-4, betas=(0.0, 0.9))
    for step in range(steps):
        real = pictures[torch.randint(len(pictures), (BATCH,))]
        made = generator(torch.randn(BATCH, LATENT))
        loss = torch.relu(1 - critic(real)).mean() + torch.relu(1 + critic(made.detach())).mean()
        judges.zero_grad()
        loss.backward()
        judges.step()
        loss = -critic(made).mean()
        makes.zero_grad()
        loss.backward()
        makes.step()
        averaged.update_parameters(generator)
        if step % 1000 == 999:
            print(f"GAN: step {step + 1} of {steps}", flush=True)
    found: Generator = averaged.module
    return found.eval()


if __name__ == "__main__":
    main()
