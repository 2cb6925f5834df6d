"""For `--prior raw` and `fourier`: what keeps an input smooth where no generator does."""

POINTS = [
    {"lr": 0.05, "l2": 0.01, "tv": 1e-3, "blur": 1.0, "jitter": 2, "init_scale": 0.3},
    {"lr": 0.05, "l2": 0.01, "tv": 1e-3, "blur": 0.0, "jitter": 0, "init_scale": 0.3},
]


def space(trial):
    return {
        "normalize_grad": True,
        "lr": trial.suggest_float("lr", 1e-3, 1.0, log=True),
        "l2": trial.suggest_float("l2", 1e-4, 1.0, log=True),
        "tv": trial.suggest_float("tv", 1e-5, 1.0, log=True),
        "blur": trial.suggest_float("blur", 0.0, 2.0, step=0.5),
        "jitter": trial.suggest_int("jitter", 0, 4),
        "init_scale": trial.suggest_float("init_scale", 0.1, 1.0),
    }
