"""How settings are searched: Ray Tune runs trials, Optuna proposes them, MLflow keeps them."""
