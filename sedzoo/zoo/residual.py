"""One-dimensional residual networks over time, whose channels are the features of a frame."""

from keras import layers

from sedzoo.layers import BatchNorm, KeepFrames, PoolMask, SharedNorm


class Trunk:
    """Convolutions, normalisations and pools that leave padded frames out.

    Args:
        mask: keras tensor, bool (B, T), or None; it shrinks with the pools.
        momentum: float, of the batch normalisations.
        preact_relu: bool, ReLU after the first normalisation of a block.
    """

    def __init__(self, mask, momentum=0.9, preact_relu=False):
        self.mask = mask
        self.momentum = momentum
        self.preact_relu = preact_relu

    def conv(self, x, filters, size=3):
        """Convolution that sees zeros in padded frames, as past a clip's end."""
        return layers.Conv1D(filters, size, padding="same",
                             kernel_initializer="he_normal")(self.keep(x))

    def norm(self, x):
        return BatchNorm(momentum=self.momentum, epsilon=1e-5)(x, frame_mask=self.mask)

    def pool(self, x, size):
        x = layers.MaxPooling1D(size)(x)
        if self.mask is not None:
            self.mask = PoolMask(size)(self.mask)
        return self.keep(x)        # a pool astride the clip's end held some of its frames

    def keep(self, x):
        return x if self.mask is None else KeepFrames()(x, self.mask)

    def block(self, x, filters):
        """BN(conv(ReLU(BN(conv(BN(x)))))) + conv1(x): no ReLU at its ends, as released."""
        y = self.norm(x)
        y = layers.ReLU()(y) if self.preact_relu else y
        y = layers.ReLU()(self.norm(self.conv(y, filters)))
        y = self.norm(self.conv(y, filters))
        return layers.Add()([y, self.conv(x, filters, 1)])

    def basic(self, x, filters, project):
        """conv(ReLU(BN(conv(ReLU(BN(x)))))) + x or BN(conv1(x)), as in wide residual networks."""
        y = self.conv(layers.ReLU()(self.norm(x)), filters)
        y = self.conv(layers.ReLU()(self.norm(y)), filters)
        return layers.Add()([y, self.norm(self.conv(x, filters, 1)) if project else x])

    def bottleneck(self, x, filters, project):
        """ReLU(BN(conv1(3(1(x)))) + x or BN(conv1(x))): kernels 1, 3, 1, the last 4 x as wide."""
        y = layers.ReLU()(self.norm(self.conv(x, filters, 1)))
        y = layers.ReLU()(self.norm(self.conv(y, filters, 3)))
        y = self.norm(self.conv(y, 4 * filters, 1))
        x = self.norm(self.conv(x, 4 * filters, 1)) if project else x
        return layers.ReLU()(layers.Add()([y, x]))

    def finish(self, x):
        """The features X that heads read, under the name of the embedding."""
        if self.mask is None:
            return layers.Identity(name="embedding")(x)
        return KeepFrames(name="embedding")(x, self.mask)

    def resnet12(self, x, width, pools, input_norm):
        """(B, T, F) -> [(B, T, 2 w), (B, T / p1, 3 w), X (B, T / p1 p2, 3 w)], each with its mask.
        """
        x = self.norm(x) if input_norm else x
        x = self.conv(x, width)
        levels = []
        for factor, pool in zip((2, 3), pools, strict=True):
            x = self.keep(self.block(x, factor * width))
            levels.append((x, self.mask))
            x = self.pool(x, pool)
        x = layers.ReLU()(self.norm(self.block(x, 3 * width)))
        return [*levels, (self.finish(x), self.mask)]

    def resnet28(self, x, width, pools):
        """(B, T, F) -> X (B, T / p1 p2, 4 w): three groups of four blocks."""
        x = self.conv(x, width)
        for factor, pool in zip((2, 4, 4), (*pools, None), strict=True):
            for number in range(4):
                x = self.basic(x, factor * width, project=number == 0)
            x = x if pool is None else self.pool(x, pool)
        return self.finish(layers.ReLU()(self.norm(x)))

    def resnet50(self, x, width):
        """(B, T, F) -> X (B, T / 16, 32 w): stages of 3, 4, 6, 3 bottlenecks."""
        x = self.pool(layers.ReLU()(self.norm(self.conv(x, width, 7))), 2)
        for stage, depth in enumerate((3, 4, 6, 3)):
            for number in range(depth):
                x = self.bottleneck(x, width * 2 ** stage, project=number == 0)
            x = self.pool(x, 2) if stage < 3 else x
        return self.finish(x)


class Classifier:
    """f_cls: hidden layers with normalisation and ReLU, then class probabilities; shared by calls.

    Args:
        hidden: tuple of ints, units of each hidden layer.
        num_classes: int.
        dropout: float in [0, 1), after each hidden layer.
        momentum: float.
    """

    def __init__(self, hidden, num_classes, dropout=0.0, momentum=0.9):
        self.num_classes = num_classes
        self._hidden = [(layers.Dense(units, kernel_initializer="he_normal"),
                         SharedNorm(momentum=momentum, epsilon=1e-5), layers.Dropout(dropout))
                        for units in hidden]
        self._last = layers.Dense(num_classes, kernel_initializer="he_normal")

    def __call__(self, x, mask=None, at_test=False):
        """(B, C) or (B, T, C) -> logits of the classes, (B, K) or (B, T, K).

        With `at_test`, in training as at test: no dropout, and the statistics kept so far.
        """
        if len(x.shape) == 3:
            return self.last(self.hidden(x, mask, at_test))
        # As one segment: Keras' normalisation keeps the rank of its first call.
        x = layers.Reshape((1, x.shape[-1]))(x)
        return layers.Reshape((self.num_classes,))(self(x, mask, at_test))

    def hidden(self, x, mask=None, at_test=False):
        for dense, norm, dropout in self._hidden:
            x = layers.ReLU()(norm(dense(x), frame_mask=mask, at_test=at_test))
            x = x if at_test else dropout(x)
        return x

    def last(self, x):
        return self._last(x)
