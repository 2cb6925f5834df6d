"""The published grid (arXiv 1904.09533): 27 settings in 9 trials, the three step counts being
report points of one ascent. 50 starts, every trial to its end."""

REPORT_POINTS = [100, 500, 1000]
STARTS = 50
EARLY_STOPPING = False

_RATES = _WEIGHTS = [0.1, 0.01, 0.001]
POINTS = [{"lr": lr, "l2": l2} for lr in _RATES for l2 in _WEIGHTS]
TRIALS = len(POINTS)


def space(trial):
    return {
        "lr": trial.suggest_categorical("lr", _RATES),
        "l2": trial.suggest_categorical("l2", _WEIGHTS),
    }
