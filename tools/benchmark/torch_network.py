"""The gated CRNN of keras_networks in PyTorch, and its weights carried over."""

import torch
from torch import nn


class GatedConv(nn.Module):
    """y = norm(W * x) . sigmoid(norm(V * x)), by one convolution or two."""

    def __init__(self, channels, width, fused):
        super().__init__()
        widths = (2 * width,) if fused else (width, width)
        self.convs = nn.ModuleList(nn.Conv2d(channels, w, 3, padding=1, bias=False) for w in widths)
        self.norms = nn.ModuleList(nn.BatchNorm2d(w, eps=1e-3, momentum=0.01) for w in widths)

    def forward(self, x):
        halves = [norm(conv(x)) for conv, norm in zip(self.convs, self.norms, strict=True)]
        if len(halves) == 1:
            return nn.functional.glu(halves[0], dim=1)
        return halves[0] * torch.sigmoid(halves[1])


class GatedCRNN(nn.Module):
    """Features (B, T, F) -> clip (B, K), frame (B, T, K)."""

    def __init__(self, bands=64, classes=17, width=64, fused=False):
        super().__init__()
        blocks = []
        for channels in (1, width, width):
            blocks += [GatedConv(channels, width, fused), GatedConv(width, width, fused),
                       nn.MaxPool2d((1, 2))]
        self.trunk = nn.Sequential(*blocks)
        self.rnn = nn.GRU(bands // 8 * width, 2 * width, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(4 * width, classes)
        self.attention = nn.Linear(4 * width, classes)

    def forward(self, x):
        x = self.trunk(x[:, None])                                         # (B, C, T, F/8)
        x, _ = self.rnn(x.permute(0, 2, 3, 1).flatten(2))                  # (B, T, 4 width)
        frame = torch.sigmoid(self.classifier(x))                          # (B, T, K)
        attention = torch.softmax(self.attention(x), dim=-1)
        clip = (frame * attention).sum(1) / attention.clamp(min=1e-7).sum(1)
        return clip, frame


def num_parameters(network):
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


@torch.no_grad()
def carry_over(weights, network):
    """Give a network of two convolutions the weights of keras_networks.of_sedzoo.

    Args:
        weights: list of arrays, model.get_weights().
        network: GatedCRNN with fused=False.
    """
    weights = iter(torch.from_numpy(array) for array in weights)
    for block in network.trunk:
        if isinstance(block, GatedConv):
            kernel = next(weights).permute(3, 2, 0, 1)                     # (2C', C, 3, 3)
            for conv, half in zip(block.convs, kernel.chunk(2), strict=True):
                conv.weight.copy_(half)
            for norm in block.norms:
                for vector in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                    vector.copy_(next(weights))
    for direction in ("l0", "l0_reverse"):
        _fill(network.rnn, f"weight_ih_{direction}", _gates(next(weights).T))
        _fill(network.rnn, f"weight_hh_{direction}", _gates(next(weights).T))
        for name, bias in zip(("ih", "hh"), next(weights), strict=True):
            _fill(network.rnn, f"bias_{name}_{direction}", _gates(bias))
    for dense in (network.classifier, network.attention):
        dense.weight.copy_(next(weights).T)
        dense.bias.copy_(next(weights))


def _gates(rows):
    """Keras' order of a GRU's gates (update, reset, candidate) to torch's (reset, update, ...)."""
    update, reset, candidate = rows.chunk(3)
    return torch.cat([reset, update, candidate])


def _fill(module, name, values):
    getattr(module, name).copy_(values)
