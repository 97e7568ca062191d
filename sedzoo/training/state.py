"""Where a training run stands after each epoch: enough to go on as if it had never stopped."""

import csv
import json
import math

import keras
import numpy as np

from sedzoo.training.run import checkpoint_path, write_whole


class Keeper(keras.callbacks.Callback):
    """Writes checkpoints, history.csv and, last, state.npz after every epoch, each in one piece.

    state.npz holds every variable of the model (seeds of dropout among them) and of the optimizer,
    and the history. A run killed at any moment has the state of its last finished epoch.

    Args:
        directory: Path of the run.
        model: keras.Model to keep, of which the trained one is a part.
        recipe: Recipe.
    """

    def __init__(self, directory, model, recipe):
        super().__init__()
        self.directory = directory
        self.kept = model
        self.recipe = recipe
        self.history = []               # one dict of floats an epoch

    def restore(self, optimizer):
        """Put the last state back into model and optimizer; the number of finished epochs.

        Raises: ValueError when the state belongs to another model.
        """
        path = self.directory / "state.npz"
        if not path.is_file():
            return 0
        with np.load(path) as state:
            variables = self.kept.variables + optimizer.variables
            shapes = [list(state[f"variable_{i}"].shape) if f"variable_{i}" in state else None
                      for i in range(len(variables))]
            if shapes != [list(variable.shape) for variable in variables]:
                raise ValueError(f"{path} is the state of another model than this recipe's; train "
                                 "into another directory, or anew with resume=False.")
            for i, variable in enumerate(variables):
                variable.assign(state[f"variable_{i}"])
            self.history = json.loads(str(state["history"]))
        return len(self.history)

    def on_train_batch_begin(self, batch, logs=None):
        # PyTorch's dropout draws from its global generator, whose state is in no variable. Not at
        # the epoch's begin: the data loader draws from it after that, on a run's first epoch only.
        # Not elsewhere: TensorFlow clears its caches whenever its global seed is set.
        if batch == 0 and keras.backend.backend() == "torch":
            keras.utils.set_random_seed(self.recipe.seed + len(self.history))

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        self.history.append({"epoch": done, **{key: float(value)
                                               for key, value in (logs or {}).items()}})
        if done % self.recipe.checkpoint_every == 0 or done in self.recipe.fusion_epochs:
            write_whole(checkpoint_path(self.directory, done), self.kept.save_weights)
        if self.recipe.keep == "best" and is_best(self.history, self.recipe.early_stopping):
            write_whole(self.directory / "best.weights.h5", self.kept.save_weights)
        write_whole(self.directory / "history.csv", self._write_history)
        write_whole(self.directory / "state.npz", self._write_state)
        if self.is_done():
            self.model.stop_training = True

    def is_done(self):
        """Whether the last epoch was reached, or early stopping strikes."""
        return (len(self.history) >= self.recipe.epochs
                or has_stalled(self.history, self.recipe.early_stopping))

    def settle(self):
        """Give the model the weights that the run is to end with."""
        if self.recipe.keep == "best":
            self.kept.load_weights(self.directory / "best.weights.h5")

    def _write_state(self, path):
        variables = self.kept.variables + self.model.optimizer.variables
        arrays = {f"variable_{i}": keras.ops.convert_to_numpy(variable)
                  for i, variable in enumerate(variables)}
        np.savez(path, history=json.dumps(self.history), **arrays)

    def _write_history(self, path):
        with open(path, "w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, list(self.history[0]))
            rows.writeheader()
            rows.writerows(self.history)


def has_stalled(history, rule):
    """Early stopping, from the whole history, so that a resumed run decides alike.

    Args:
        history: list of dicts, one an epoch.
        rule: None for never, or dict of `monitor`, a key of the history (a loss is to fall,
            anything else to rise); `patience`, epochs without an improvement of more than
            `min_delta` (0); `start_epoch` (0), finished epochs that are not looked at; `against`,
            "best" (what was the best so far) or "each": to stop, the last epoch must be worse than
            each of the `patience` ones before it (Boes & Van hamme 2019).
    Raises: ValueError when the history has no such key.
    """
    if not (rule and history):
        return False
    if rule.get("against", "best") == "best":
        return _since_best(history, rule) >= rule["patience"]
    values = _values(history, rule)[-rule["patience"] - 1:]
    return len(values) > rule["patience"] and values[-1] < min(values[:-1])


def is_best(history, rule):
    """Whether the last epoch of a history is the best by a rule of early stopping; as has_stalled.
    """
    return _since_best(history, rule) == 0


def _since_best(history, rule):
    """Epochs since the best one."""
    best, since = None, 0
    for value in _values(history, rule):
        since += 1
        if best is None or value > best + rule.get("min_delta", 0):
            best, since = value, 0
    return since


def _values(history, rule):
    """What is monitored, of the epochs that are looked at: higher is better, NaN the worst."""
    monitor = rule["monitor"]
    if monitor not in history[-1]:
        raise ValueError(f"`early_stopping` monitors {monitor!r}, which is not among "
                         f"{sorted(history[-1])}")
    sign = -1 if monitor.endswith("loss") else 1
    return [-math.inf if math.isnan(row[monitor]) else sign * row[monitor]
            for row in history[rule.get("start_epoch", 0):]]
