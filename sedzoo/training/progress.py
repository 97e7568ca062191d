"""What one sees of a training run: a bar, curves, and a clear word when the loss is lost."""

import math

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar(keras.callbacks.Callback):
    """A bar over all steps of all epochs on a terminal; a line an epoch elsewhere.

    Args:
        num_epochs: int > 0, of the whole run.
        steps_per_epoch: int > 0.
        console: rich Console, or None for standard error.
    """

    def __init__(self, num_epochs, steps_per_epoch, console=None):
        super().__init__()
        self.num_epochs = num_epochs
        self.steps_per_epoch = steps_per_epoch
        self.console = console or Console(stderr=True)
        self._bar = self._task = None
        self._epoch = 0

    def on_train_begin(self, logs=None):
        if self.console.is_terminal:
            self._bar = Progress(TextColumn("{task.description}"), BarColumn(),
                                 MofNCompleteColumn(), TextColumn("steps, left"),
                                 TimeRemainingColumn(), console=self.console)
            self._task = self._bar.add_task("", total=self.num_epochs * self.steps_per_epoch)
            self._bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self._bar is not None:
            self._bar.update(self._task, completed=self._epoch * self.steps_per_epoch + batch + 1,
                             description=f"epoch {self._epoch + 1}/{self.num_epochs} "
                                         f"loss {logs['loss']:.4f}")

    def on_epoch_end(self, epoch, logs=None):
        numbers = ", ".join(f"{key} {value:.4f}" for key, value in (logs or {}).items())
        self.console.print(f"epoch {epoch + 1}/{self.num_epochs}: {numbers}", soft_wrap=True,
                           highlight=False)

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Give the terminal back; again when training ends in an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Curves(keras.callbacks.Callback):
    """Every epoch's numbers for TensorBoard, training and validation in one diagram each.

    keras.callbacks.TensorBoard needs TensorFlow; this writes under every backend.

    Args:
        directory: str or Path of the logs.
    """

    def __init__(self, directory):
        super().__init__()
        self.directory = directory

    def on_epoch_end(self, epoch, logs=None):
        from tensorboard.summary import Writer

        for part in ("train", "validation"):
            numbers = {key.removeprefix("val_"): value for key, value in (logs or {}).items()
                       if key.startswith("val_") == (part == "validation")}
            if numbers:
                writer = Writer(str(self.directory / part))
                for key, value in numbers.items():
                    writer.add_scalar(f"epoch_{key}", value, epoch + 1)
                writer.close()


class StopOnNaN(keras.callbacks.Callback):
    """Raises FloatingPointError as soon as the loss is no number.

    The state of the last epoch that ended well stays in the run's directory.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"The loss became {loss} in epoch {self._epoch + 1}, step {batch + 1}. A smaller "
                "`learning_rate` helps most often; else look for NaN among features and targets.")
