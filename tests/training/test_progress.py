import io

from rich.console import Console

from sedzoo.training.progress import ProgressBar


def shown(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    bar = ProgressBar(num_epochs=2, steps_per_epoch=3, console=console)
    bar.on_train_begin()
    for epoch in range(2):
        bar.on_epoch_begin(epoch)
        for batch in range(3):
            bar.on_train_batch_end(batch, {"loss": 0.5})
        bar.on_epoch_end(epoch, {"loss": 0.25 + epoch, "val_loss": 0.125})
    bar.on_train_end()
    return console.file.getvalue()


def test_a_terminal_sees_a_bar_over_all_steps_of_all_epochs():
    text = shown(terminal=True)
    assert "epoch 2/2 loss 0.5000" in text and "6/6" in text


def test_elsewhere_there_is_a_line_an_epoch_and_nothing_else():
    assert shown(terminal=False) == ("epoch 1/2: loss 0.2500, val_loss 0.1250\n"
                                     "epoch 2/2: loss 1.2500, val_loss 0.1250\n")
