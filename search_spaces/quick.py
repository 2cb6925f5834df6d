"""The two settings that matter most, for a first look."""

REPORT_POINTS = [4, 8, 16]
STARTS = 8
TRIALS = 8

POINTS = [{"lr": 0.05, "l2": 0.1}]


def space(trial):
    return {
        "lr": trial.suggest_float("lr", 0.01, 1.0, log=True),
        "l2": trial.suggest_float("l2", 1e-3, 1.0, log=True),
    }
