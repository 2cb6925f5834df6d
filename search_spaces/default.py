"""Every setting, around what is known to work."""

# A fast one, whose rate means the same with any neuron and whose starts lie close together, so that
# they arrive together; the others can be judged by it early. Then the published winners (arXiv
# 1904.09533) as far as they are settings of an ascent.
_PLAIN = {
    "optimizer": "adam",
    "penalty": True,
    "schedule": "constant",
    "init_scale": 1.0,
    "truncate": False,
    "normalize_grad": False,
    "transform": False,
}
POINTS = [
    {**_PLAIN, "lr": 0.1, "l2": 0.001, "init_scale": 0.4, "normalize_grad": True},
    {**_PLAIN, "lr": 0.01, "l2": 0.001},
    {**_PLAIN, "lr": 0.001, "l2": 0.1},
    {**_PLAIN, "lr": 0.01, "l2": 0.1},
]


# Within lie 95 % of random latents of 128 numbers, as the vocal pack's are; 88 % of those of 64 and
# 75 % of those of 16. Beyond, a generator was hardly trained, and examples match the neuron's
# activation all the same: of a vocal pack of before the judge heard singing in 36 and 42 % of them
# (two searches), within in 84 %. Of the shipped one it is 98 % either way (a search each).
RADIUS = 1.1


def space(trial):
    settings = {
        "radius": RADIUS,
        "lr": trial.suggest_float("lr", 1e-3, 1.0, log=True),
        "l2": 0.0,
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"]),
        "schedule": trial.suggest_categorical("schedule", ["constant", "inverse_sqrt"]),
        "init_scale": trial.suggest_float("init_scale", 0.25, 1.5),
        "normalize_grad": trial.suggest_categorical("normalize_grad", [False, True]),
    }
    if trial.suggest_categorical("penalty", [True, False]):
        settings["l2"] = trial.suggest_float("l2", 1e-4, 1.0, log=True)
    if settings["optimizer"] == "sgd":
        settings["momentum"] = trial.suggest_float("momentum", 0.0, 0.95)
    if trial.suggest_categorical("truncate", [False, True]):
        settings["truncation"] = trial.suggest_float("truncation", 0.5, 2.5)
    if trial.suggest_categorical("transform", [False, True]):  # costs a third of the speed
        settings["jitter"] = trial.suggest_int("jitter", 0, 4)
        settings["gain"] = trial.suggest_float("gain", 0.0, 0.5, step=0.1)
    return settings
